"""More of what the other rules of the campaign give, for everybody or from a tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Judgement, PastRule, earned, refused
from nerava.rewards.rules.tier import FROM_POINTS, TierName, tier_of

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class Multiplier(PastRule):
    """What the rules that give points come to together, times a percentage; the extra is rounded down.

    It is asked after all rules that are no multipliers, wherever it stands, and several multiply one
    after the other. The caps of the campaign cut the product.
    """

    asks: ClassVar[Ask] = Ask.YEAR

    kind: Literal["multiplier"] = "multiplier"
    percent: int = Field(gt=100, le=1_000)
    least_tier: Literal["bronze", "silver", "gold", "platinum"] = "bronze"

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"{self.percent} % of it" + (
            "" if self.least_tier == "bronze" else f" from the tier {self.least_tier}"
        )

    def more(self, points: int) -> int:
        """Return what is added to so many points."""
        return points * (self.percent - 100) // 100

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:  # noqa: ARG002 - all are asked alike
        """Earn the extra."""
        tier = tier_of(max(0, past.year_points))
        if FROM_POINTS[tier] < FROM_POINTS[TierName(self.least_tier)]:
            return refused("multiplier.below", tier=tier.value, least=self.least_tier)
        points = self.more(past.earned)
        if points <= 0:
            return refused("multiplier.nothing", earned=past.earned, percent=self.percent)
        return earned(points, "multiplier.more", tier=tier.value, percent=self.percent, earned=past.earned)
