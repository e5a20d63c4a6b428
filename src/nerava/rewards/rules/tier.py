"""A condition: a tier, by what the driver earned in twelve months."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Judgement, PastRule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class TierName(StrEnum):
    """The tiers, the lowest first."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


FROM_POINTS: Final = {
    TierName.BRONZE: 0,
    TierName.SILVER: 100,
    TierName.GOLD: 300,
    TierName.PLATINUM: 700,
}
"""Points of twelve months from which a tier is reached. Spending takes nothing off."""


def tier_of(year_points: int) -> TierName:
    """Return the highest tier that so many points of twelve months reach."""
    return [name for name, least in FROM_POINTS.items() if year_points >= least][-1]


class Tier(PastRule):
    """The driver must have earned enough for a tier in the twelve months before the session."""

    is_condition: ClassVar[bool] = True
    asks: ClassVar[Ask] = Ask.YEAR

    kind: Literal["tier"] = "tier"
    least: Literal["silver", "gold", "platinum"] = Field(description="Everybody has bronze")

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"From the tier {self.least}"

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:  # noqa: ARG002 - all are asked alike
        """Pass at the tier and above."""
        points = max(0, past.year_points)
        is_reached = points >= FROM_POINTS[TierName(self.least)]
        answer = passed if is_reached else refused
        code = "tier.reached" if is_reached else "tier.below"
        return answer(code, tier=tier_of(points).value, least=self.least)
