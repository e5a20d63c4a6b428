"""A condition: days or weeks in a row with a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Judgement, PastRule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

LENGTH_MAX = 52
"""The longest run that can be asked for, in days or weeks; so far back sessions are loaded."""


class Streak(PastRule):
    """The driver must have had a verified session in so many days, or weeks, in a row.

    The day or week of the session is the last of them. Days are local dates on which sessions began,
    each in the time zone of its location; weeks begin on Monday. Every further session of the run
    passes too: a campaign that means to pay once says so with `first_sessions`.
    """

    is_condition: ClassVar[bool] = True
    asks: ClassVar[Ask] = Ask.RUN

    kind: Literal["streak"] = "streak"
    length: int = Field(ge=2, le=LENGTH_MAX)
    unit: Literal["days", "weeks"] = "weeks"

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"When you charge {self.length} {self.unit} in a row"

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:  # noqa: ARG002 - all are asked alike
        """Pass at the length and beyond."""
        run = past.run_days if self.unit == "days" else past.run_weeks
        if run < self.length:
            return refused("streak.short", run=run, unit=self.unit, least=self.length)
        return passed("streak.kept", run=run, unit=self.unit, least=self.length)
