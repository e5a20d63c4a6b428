"""Points for every kWh delivered off peak."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nerava.rewards.rules.base import Judgement, earned, refused
from nerava.rewards.rules.window import WindowedRule

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class OffPeak(WindowedRule):
    """Points per kWh for the energy delivered between two local times. Rounded down."""

    kind: Literal["off_peak"] = "off_peak"
    points_per_kwh: int = Field(gt=0, le=10_000)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"{self.points_per_kwh} Nova per kWh between {self.window_text} local time"

    def promised_points(self, energy_wh: int) -> int:
        """Return its points."""
        return energy_wh * self.points_per_kwh // 1_000

    def judge(self, session: EvidencedSession) -> Judgement:
        """Earn by the energy inside the window; starting outside of it costs nothing."""
        energy_wh = self.energy_wh_inside(session)
        points = energy_wh * self.points_per_kwh // 1_000
        if energy_wh <= 0:
            return refused("off_peak.outside", window=self.window_text)
        if points == 0:
            return refused("off_peak.too_little", window=self.window_text, energy_wh=energy_wh)
        return earned(
            points,
            "off_peak.energy",
            window=self.window_text,
            energy_wh=energy_wh,
            points_per_kwh=self.points_per_kwh,
        )
