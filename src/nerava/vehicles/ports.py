"""What the product needs of whoever connects vehicles, in its own words."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias
from uuid import UUID

from sqlalchemy.orm import Session

if TYPE_CHECKING:
    from nerava.kernel.outcomes import Outcome

IS_CHARGING: Final = "charge-ischarging"
IS_PLUGGED: Final = "charge-ischargingcableconnected"
STATUS: Final = "charge-detailedchargingstatus"
ENERGY_ADDED: Final = "charge-energyadded"
WATTAGE: Final = "charge-wattage"
CHARGE_LEVEL: Final = "tractionbattery-stateofcharge"
CAPACITY: Final = "tractionbattery-nominalcapacity"
PLACE: Final = "location-preciselocation"
ODOMETER: Final = "odometer-traveleddistance"

TOKEN_REFUSED: Final = "token-refused"  # noqa: S105 - a code
REAUTH_REQUIRED: Final = "reauth-required"
RECONNECT: Final = "reconnect"
GONE: Final = "gone"
INCOMPATIBLE: Final = "incompatible"
VEHICLE_LIMIT: Final = "vehicle-limit"
APP_LIMIT: Final = "app-limit"
ACCOUNT_TROUBLE: Final = "account:"
"""What a refusal begins with that only the driver can cure; the provider's word follows."""


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing that a car said.

    Attributes:
        code: One of the words above, or another that we only show.
        body: What it said, normalised: `value` is a bool, a number (percent 0 to 100, whole watt-hours,
            whole watts, kilometres) or text; a place has `latitude`, `longitude` and `is_last_parked`.
            Empty on trouble.
        at: When it was so, by the maker's clock, aware UTC; None where nobody says. No other time counts.
        trouble: Why there is no body.
    """

    code: str
    body: Mapping[str, Any]
    at: datetime | None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ProviderVehicle:
    """A car that a person let us read, as the provider describes it."""

    external_id: str
    make: str
    model: str
    year: int | None
    vin: str | None = field(repr=False)
    is_live: bool
    connected_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TokenPair:
    """An access token and, where there is one, what gets the next one; never shown."""

    access: str = field(repr=False)
    refresh: str | None = field(repr=False)
    good_until: datetime


@dataclass(frozen=True, slots=True)
class Access:
    """What a call about one person carries."""

    account: str
    token: str = field(repr=False)
    generation: int


@dataclass(frozen=True, slots=True)
class Exchanged:
    """Whose consent a code stands for, and the tokens of it."""

    account: str
    tokens: TokenPair


class VehicleTelemetry(Protocol):
    """Reads cars of people who agreed to it. Never raises for what the other side does."""

    @property
    def name(self) -> str:
        """The provider's word in our rows."""

    @property
    def tokens_per_person(self) -> bool:
        """Whether each person has tokens of their own; else one stands for the whole application."""

    @property
    def scopes(self) -> str:
        """What is asked for, in the provider's words, separated by spaces."""

    def consent_url(self, state: str) -> str:
        """Return the provider's page on which a person agrees."""

    def exchange(self, code: str) -> Outcome[Exchanged]:
        """Give the code away for tokens. Sent once: `Unknown` means that the code is lost."""

    def fetch_tokens(self, refresh: str | None) -> Outcome[TokenPair]:
        """Return the next tokens; `Refused` means that the person must agree again."""

    def vehicles(self, access: Access) -> Outcome[list[ProviderVehicle]]:
        """Return the cars of a person that we may read."""

    def signals(self, access: Access, external_id: str) -> Outcome[list[Signal]]:
        """Return what a car says now."""

    def disconnect(self, access: Access, external_id: str) -> Outcome[None]:
        """End the connection; one that is over already is a success."""


class VehicleSubscriptions(Protocol):
    """Says which cars a provider tells us of by itself."""

    @property
    def name(self) -> str:
        """The provider's word in our rows."""

    def subscriptions(self, access: Access) -> Outcome[frozenset[str]]:
        """Return the provider's names of the cars that it tells of."""

    def subscribe(self, access: Access, external_id: str) -> Outcome[None]:
        """Have it tell of a car; one that it tells of already is a success."""

    def unsubscribe(self, access: Access, external_id: str) -> Outcome[None]:
        """Have it tell of a car no more; one that it does not tell of is a success."""


@dataclass(frozen=True, slots=True)
class Told:
    """The newest that a car said about one thing; `at` is aware UTC and by the maker's clock."""

    body: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything known of a car after it said something.

    Attributes:
        told: By code, the newest of each.
        place: Where it said to be in this message; never kept.
        is_proof: Whether the link may prove anything: active, and of a real car.
        source: The provider's word.
    """

    link_id: UUID
    vehicle_id: UUID
    driver_id: UUID
    source: str
    battery_wh: int | None
    told: Mapping[str, Told]
    place: Told | None
    is_proof: bool


Sink: TypeAlias = Callable[[Session, Heard, datetime], timedelta]
"""Takes in what was heard, in the caller's transaction, and returns after how long to ask again."""

Signals: TypeAlias = Sequence[Signal]
