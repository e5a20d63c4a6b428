"""The earning rules, one file each, and how a campaign's list of them is read."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from nerava.rewards.rules.base import Answer, Facts, Judgement, Rule, earned, passed, refused
from nerava.rewards.rules.connector_power import ConnectorPower
from nerava.rewards.rules.fixed import Fixed
from nerava.rewards.rules.locations import Locations
from nerava.rewards.rules.minimum_energy import MinimumEnergy
from nerava.rewards.rules.minimum_minutes import MinimumMinutes
from nerava.rewards.rules.off_peak import OffPeak
from nerava.rewards.rules.off_peak_bonus import OffPeakBonus
from nerava.rewards.rules.per_kwh import PerKwh

__all__ = [
    "ALL_RULES",
    "Answer",
    "AnyRule",
    "ConnectorPower",
    "Facts",
    "Fixed",
    "Judgement",
    "Locations",
    "MinimumEnergy",
    "MinimumMinutes",
    "OffPeak",
    "OffPeakBonus",
    "PerKwh",
    "Rule",
    "Rules",
    "earned",
    "passed",
    "read_rules",
    "refused",
]

AnyRule = Annotated[
    Fixed | PerKwh | OffPeak | OffPeakBonus | MinimumEnergy | MinimumMinutes | ConnectorPower | Locations,
    Field(discriminator="kind"),
]

ALL_RULES: Final[tuple[type[Rule], ...]] = (
    Fixed,
    PerKwh,
    OffPeak,
    OffPeakBonus,
    MinimumEnergy,
    MinimumMinutes,
    ConnectorPower,
    Locations,
)

Rules = Annotated[tuple[AnyRule, ...], Field(min_length=1, max_length=20)]
"""What a campaign has: at least one rule."""

_READER: Final[TypeAdapter[tuple[AnyRule, ...]]] = TypeAdapter(Rules)


def read_rules(stored: object) -> tuple[AnyRule, ...]:
    """Return the rules of a campaign from their JSON form.

    Raises:
        pydantic.ValidationError: It is not a list of known rules.
    """
    return _READER.validate_python(stored)
