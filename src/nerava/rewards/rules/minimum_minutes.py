"""A condition: at least so long."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from nerava.charging.evidence import SECOND_US
from nerava.rewards.rules.base import Judgement, Rule, passed, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

_MINUTE_US: Final = 60 * SECOND_US


class MinimumMinutes(Rule):
    """The session must have lasted a number of minutes; exactly that many is enough."""

    is_condition: ClassVar[bool] = True

    kind: Literal["minimum_minutes"] = "minimum_minutes"
    minutes: int = Field(gt=0, le=1_440)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"At least {self.minutes} minutes"

    def judge(self, session: EvidencedSession) -> Judgement:
        """Pass at or above the limit; the minutes that people read are rounded down."""
        duration_us = session.duration_us
        minutes = duration_us // _MINUTE_US
        if duration_us < self.minutes * _MINUTE_US:
            return refused("minimum_minutes.too_short", minutes=minutes, least_minutes=self.minutes)
        return passed("minimum_minutes.enough", minutes=minutes, least_minutes=self.minutes)
