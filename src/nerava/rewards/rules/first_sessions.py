"""A condition: one of the first sessions that the campaign rewards."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Judgement, PastRule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class FirstSessions(PastRule):
    """Only so many sessions of a driver are rewarded by the campaign.

    Counted are its grants, those held included, and not sessions by their start: one that is told
    late would otherwise make another the first after both were paid. One whose reward went back to
    the campaign does not count.
    """

    is_condition: ClassVar[bool] = True
    asks: ClassVar[Ask] = Ask.GRANTS

    kind: Literal["first_sessions"] = "first_sessions"
    count: int = Field(gt=0, le=1_000)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return "For your first session" if self.count == 1 else f"For your first {self.count} sessions"

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:  # noqa: ARG002 - all are asked alike
        """Pass as long as fewer were rewarded."""
        before = past.sessions_granted
        if before < self.count:
            return passed("first_sessions.within", before=before, most=self.count)
        return refused("first_sessions.over", before=before, most=self.count)
