"""What may leave the house: fields of people, and events with theirs. Nothing else ever does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from nerava.crm.ports import Value

MEMBER_SINCE: Final = "member_since"
POINTS: Final = "points"
CAMPAIGN: Final = "campaign"
FIELDS: Final = (MEMBER_SINCE, POINTS, CAMPAIGN)
"""What may be told besides an address and an opaque id; the settings choose among these."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event as the records know it.

    Attributes:
        name: The records' name for it.
        fields: What may be told besides: our field, and where its value stands in the event.
    """

    name: str
    fields: Mapping[str, str]


EVENTS: Final[Mapping[str, Told]] = {
    "charging_session.verified": Told("charging_verified", {}),
    "reward.granted": Told("reward_granted", {POINTS: "points", CAMPAIGN: "campaign_id"}),
    "redemption.captured": Told("redemption_captured", {POINTS: "points"}),
}
"""By the type in the outbox. Places, amounts of money, payouts and whatever was refused stay in the house."""


def person_properties(user_id: UUID, created_at: datetime, allowed: frozenset[str]) -> Mapping[str, Value]:
    """Return what is told of a person besides the address: our opaque id, and the allowed fields."""
    told: dict[str, Value] = {"nerava_user": str(user_id)}
    if MEMBER_SINCE in allowed:
        told["nerava_member_since"] = created_at.date().isoformat()
    return told


def event_properties(kind: Told, data: Mapping[str, Any], allowed: frozenset[str]) -> dict[str, Value]:
    """Return the allowed fields of an event."""
    return {name: data[place] for name, place in kind.fields.items() if name in allowed and place in data}
