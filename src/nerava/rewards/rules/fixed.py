"""The same number of points for every session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nerava.rewards.rules.base import POINTS_MAX, Judgement, Rule, earned

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class Fixed(Rule):
    """Points for a session, however much it delivered."""

    kind: Literal["fixed"] = "fixed"
    points: int = Field(gt=0, le=POINTS_MAX)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"{self.points} Nova for a session"

    def promised_points(self, energy_wh: int) -> int:  # noqa: ARG002 - whatever it is
        """Return its points."""
        return self.points

    def judge(self, session: EvidencedSession) -> Judgement:  # noqa: ARG002 - every session earns it
        """Earn the points."""
        return earned(self.points, "fixed.session")
