"""A condition: a driver who has not charged with us for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Judgement, PastRule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class NewDriver(PastRule):
    """The driver's first verified session must have begun less than so many days before this one.

    The first session is its own beginning, so it always passes.
    """

    is_condition: ClassVar[bool] = True
    asks: ClassVar[Ask] = Ask.FIRST

    kind: Literal["new_driver"] = "new_driver"
    days: int = Field(gt=0, le=366)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"In your first {self.days} days" if self.days > 1 else "On your first day"

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:  # noqa: ARG002 - all are asked alike
        """Pass while the driver is new; a day is 24 hours."""
        days = past.days_since_first
        if days < 0:
            return passed("new_driver.first")
        if days < self.days:
            return passed("new_driver.new", days=days, most_days=self.days)
        return refused("new_driver.known", days=days, most_days=self.days)
