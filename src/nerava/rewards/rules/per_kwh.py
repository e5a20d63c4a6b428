"""Points for every kWh delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from nerava.rewards.rules.base import Judgement, Rule, earned, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


class PerKwh(Rule):
    """Points for the delivered energy, rounded down once over the whole session."""

    kind: Literal["per_kwh"] = "per_kwh"
    points_per_kwh: int = Field(gt=0, le=10_000)

    @property
    def promise(self) -> str:
        """The rule in words."""
        return f"{self.points_per_kwh} Nova per kWh"

    def promised_points(self, energy_wh: int) -> int:
        """Return its points."""
        return energy_wh * self.points_per_kwh // 1_000

    def judge(self, session: EvidencedSession) -> Judgement:
        """Earn by energy; an amount below one point earns nothing."""
        points = session.energy_wh * self.points_per_kwh // 1_000
        if points <= 0:
            return refused("per_kwh.too_little", energy_wh=session.energy_wh)
        return earned(
            points, "per_kwh.energy", energy_wh=session.energy_wh, points_per_kwh=self.points_per_kwh
        )
