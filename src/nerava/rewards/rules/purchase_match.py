"""A condition: a purchase near the charger while charging, or shortly before or after."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import POINTS_MAX, Judgement, PastRule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class PurchaseMatch(PastRule):
    """The driver must have bought something so near to the session, in time and in metres.

    A purchase is an order of a merchant's point of sale that a code was redeemed for; it belongs to one
    session, that which is nearest in time. Minutes count from the end of the session, or to its start,
    and there are none between for what is bought while charging. Of several the nearest in time counts.
    One that is known after the session was decided lets it be decided once more.
    """

    is_condition: ClassVar[bool] = True
    asks: ClassVar[Ask] = Ask.PURCHASE

    kind: Literal["purchase_match"] = "purchase_match"
    within_minutes: int = Field(default=30, ge=0, le=120)
    within_m: int = Field(default=120, ge=1, le=1_000)
    least_minor: int = Field(default=1, ge=1, le=POINTS_MAX)

    @property
    def promise(self) -> str:
        """The rule in words."""
        at_least = f" for at least {self.least_minor} minor units" if self.least_minor > 1 else ""
        return (
            f"When you buy something{at_least} within {self.within_m} m "
            f"and {self.within_minutes} minutes of charging"
        )

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:  # noqa: ARG002 - all are asked alike
        """Pass with a purchase that is near enough and large enough."""
        if past.purchase_seconds < 0:
            return refused("purchase_match.none", most_minutes=self.within_minutes, most_m=self.within_m)
        minutes = -(-past.purchase_seconds // 60)
        if minutes > self.within_minutes or past.purchase_m > self.within_m:
            return refused(
                "purchase_match.too_far",
                minutes=minutes,
                most_minutes=self.within_minutes,
                metres=past.purchase_m,
                most_m=self.within_m,
            )
        if past.purchase_minor < self.least_minor:
            return refused(
                "purchase_match.too_small", bill_minor=past.purchase_minor, least_minor=self.least_minor
            )
        return passed("purchase_match.near", minutes=minutes, metres=past.purchase_m)
