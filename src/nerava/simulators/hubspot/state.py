"""What the simulated portal believes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from nerava.simulators.wire import Json

STANDARD: Final = ("email", "firstname", "lastname", "phone", "hs_object_id")
OURS: Final = ("nerava_user", "nerava_member_since")
EVENTS: Final = {
    "charging_verified": (),
    "reward_granted": ("points", "campaign"),
    "redemption_captured": ("points",),
}


@dataclass(slots=True)
class HubSpotState:
    """Everything that it believes.

    Attributes:
        properties: What contacts can have; anything else fails a whole batch.
        definitions: Events by name, with their properties.
        forgotten: Addresses that were erased for good; they cannot come back.
        calls: When the latest calls were, for the limit of ten seconds.
        today: The day of the portal, and how many calls it has had.
    """

    token: str = ""
    portal: str = ""
    number: int = 100
    contacts: dict[str, Json] = field(default_factory=dict)
    events: list[Json] = field(default_factory=list)
    properties: set[str] = field(default_factory=lambda: {*STANDARD, *OURS})
    definitions: dict[str, set[str]] = field(
        default_factory=lambda: {name: set(told) for name, told in EVENTS.items()}
    )
    forgotten: set[str] = field(default_factory=set)
    ten_seconds_max: int = 100
    day_max: int = 250_000
    calls: list[datetime] = field(default_factory=list)
    today: tuple[str, int] = ("", 0)
