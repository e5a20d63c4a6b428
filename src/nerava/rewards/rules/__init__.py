"""The earning rules, one file each, and how a campaign's list of them is read."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from nerava.rewards.rules.base import (
    Answer,
    Facts,
    Judgement,
    PastRule,
    Rule,
    earned,
    passed,
    refused,
    thousandths,
)
from nerava.rewards.rules.connector_power import ConnectorPower
from nerava.rewards.rules.first_sessions import FirstSessions
from nerava.rewards.rules.fixed import Fixed
from nerava.rewards.rules.grid_carbon import GridCarbon
from nerava.rewards.rules.locations import Locations
from nerava.rewards.rules.minimum_energy import MinimumEnergy
from nerava.rewards.rules.minimum_minutes import MinimumMinutes
from nerava.rewards.rules.multiplier import Multiplier
from nerava.rewards.rules.networks import Networks
from nerava.rewards.rules.new_driver import NewDriver
from nerava.rewards.rules.off_peak import OffPeak
from nerava.rewards.rules.off_peak_bonus import OffPeakBonus
from nerava.rewards.rules.per_kwh import PerKwh
from nerava.rewards.rules.percent_of_price import PercentOfPrice
from nerava.rewards.rules.purchase_match import PurchaseMatch
from nerava.rewards.rules.streak import Streak
from nerava.rewards.rules.tariff_period import TariffPeriod
from nerava.rewards.rules.tier import Tier
from nerava.rewards.rules.zone import Zone

__all__ = [
    "ALL_RULES",
    "Answer",
    "AnyRule",
    "ConnectorPower",
    "Facts",
    "FirstSessions",
    "Fixed",
    "GridCarbon",
    "Judgement",
    "Locations",
    "MinimumEnergy",
    "MinimumMinutes",
    "Multiplier",
    "Networks",
    "NewDriver",
    "OffPeak",
    "OffPeakBonus",
    "PastRule",
    "PerKwh",
    "PercentOfPrice",
    "PurchaseMatch",
    "Rule",
    "Rules",
    "Streak",
    "TariffPeriod",
    "Tier",
    "Zone",
    "earned",
    "passed",
    "read_rules",
    "refused",
    "thousandths",
]

AnyRule = Annotated[
    Fixed
    | PerKwh
    | OffPeak
    | OffPeakBonus
    | PercentOfPrice
    | GridCarbon
    | TariffPeriod
    | Multiplier
    | MinimumEnergy
    | MinimumMinutes
    | ConnectorPower
    | Locations
    | Networks
    | Zone
    | FirstSessions
    | NewDriver
    | PurchaseMatch
    | Streak
    | Tier,
    Field(discriminator="kind"),
]

ALL_RULES: Final[tuple[type[Rule], ...]] = (
    Fixed,
    PerKwh,
    OffPeak,
    OffPeakBonus,
    PercentOfPrice,
    GridCarbon,
    TariffPeriod,
    Multiplier,
    MinimumEnergy,
    MinimumMinutes,
    ConnectorPower,
    Locations,
    Networks,
    Zone,
    FirstSessions,
    NewDriver,
    PurchaseMatch,
    Streak,
    Tier,
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
