"""What the simulated Smartcar believes: people, cars, connections, tokens, limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.simulators.wire import Json


@dataclass(slots=True)
class Car:
    """A car as it is, and what its maker knows of it.

    Attributes:
        level: Of the battery in percent.
        power_w: Of what it is plugged into; 0 while it is not.
        phase: parked, plugged, charging, full, unplugged or driving.
        asleep: Says nothing to its maker.
        lag_s: How old its word is when the maker has it.
        told: By code: `body`, `at_ms` and `status`, as the maker knows it.
        stays: Counts the stays at chargers; an older one's plans do nothing.
    """

    vin: str
    make: str
    model: str
    year: int | str
    battery_wh: int
    level: float
    latitude: float
    longitude: float
    odometer_km: float = 12_000
    phase: str = "parked"
    power_w: int = 0
    counted_wh: float = 0
    asleep: bool = False
    lag_s: int = 0
    stays: int = 0
    told: dict[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class SmartcarState:
    """People and their cars.

    Attributes:
        client, secret: Of our application; `redirect_uri` as it registered it, None lets every one through.
        people: By id, the numbers of the cars in their account at the maker.
        connections: By vehicle id: user, vin, mode, connected_ms and trouble.
        tokens: Of the application: when each dies, Unix seconds.
        access: Of people, for the second interface: user and when it dies.
        refresh: The same for renewing; `dies_s` is 0 until it was used, then a minute later.
        codes: Of the consent page: user and when it dies.
        bucket: Calls that the application has left, and since when.
        rests: By vehicle id, until when it must not be asked.
        renewals: How many pairs of tokens were given for a refresh token.
    """

    client: str
    secret: str
    redirect_uri: str | None = None
    people: dict[str, list[str]] = field(default_factory=dict)
    cars: dict[str, Car] = field(default_factory=dict)
    connections: dict[str, Json] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    access: dict[str, Json] = field(default_factory=dict)
    refresh: dict[str, Json] = field(default_factory=dict)
    codes: dict[str, Json] = field(default_factory=dict)
    subscriptions: dict[str, list[str]] = field(default_factory=dict)
    bucket: tuple[float, int] = (120.0, 0)
    rests: dict[str, int] = field(default_factory=dict)
    renewals: int = 0
