"""A fixed bonus for a session that charged mostly off peak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nerava.rewards.rules.base import POINTS_MAX, Facts, Judgement, earned, refused
from nerava.rewards.rules.window import WindowedRule

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class OffPeakBonus(WindowedRule):
    """Points when at least a stated share of the energy was delivered between two local times.

    A share and not the start decides, so that plugging in at 21:55 for the night earns it and
    plugging in at 05:55 for the day does not.
    """

    kind: Literal["off_peak_bonus"] = "off_peak_bonus"
    points: int = Field(gt=0, le=POINTS_MAX)
    share_percent_min: int = Field(default=50, ge=1, le=100)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return (
            f"{self.points} Nova when {self.share_percent_min} % or more is charged "
            f"between {self.window_text} local time"
        )

    def promised_points(self, energy_wh: int) -> int:  # noqa: ARG002 - whatever it is
        """Return its points."""
        return self.points

    def judge(self, session: EvidencedSession) -> Judgement:
        """Earn all of it or nothing."""
        energy_wh = self.energy_wh_inside(session)
        facts: Facts = {
            "window": self.window_text,
            "energy_wh": energy_wh,
            "of_wh": session.energy_wh,
            "share_percent_min": self.share_percent_min,
        }
        if energy_wh <= 0 or energy_wh * 100 < session.energy_wh * self.share_percent_min:
            return refused("off_peak_bonus.too_little_inside", **facts)
        return earned(self.points, "off_peak_bonus.mostly_inside", **facts)
