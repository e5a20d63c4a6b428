"""Points for every kWh delivered while the grid emits little."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, Literal

from pydantic import Field

from nerava.grid.carbon import Signal
from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Facts, Judgement, PastRule, earned, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession

MG_IN_GRAM: Final = 1_000


class GridCarbon(PastRule):
    """Points per kWh for the energy delivered while a kilowatt-hour emits less than so many grams of CO2.

    Energy is prorated by time over the intervals of the region's series, settled values only, and
    rounded down once. What was delivered while nothing is known earns nothing. As long as values may
    still come, the campaign waits; one that is corrected later is judged anew.
    """

    asks: ClassVar[Ask] = Ask.GRID

    kind: Literal["grid_carbon"] = "grid_carbon"
    below_g_per_kwh: int = Field(gt=0, le=2_000, description="Grams of CO2 per kWh; exactly that is too much")
    points_per_kwh: int = Field(gt=0, le=10_000)
    signal: Signal = Field(
        default=Signal.MARGINAL, description="marginal: of one more kWh; average: of all of them"
    )

    @property
    def promise(self) -> str:
        """The rule in words."""
        return (
            f"{self.points_per_kwh} Nova per kWh while the grid emits less than {self.below_g_per_kwh} g CO2 "
            f"per kWh ({self.signal.value})"
        )

    def promised_points(self, energy_wh: int) -> int:
        """Return its points."""
        return energy_wh * self.points_per_kwh // 1_000

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:
        """Earn by the energy inside the intervals."""
        known = past.grid.carbon.get(self.signal)
        span = session.started_at, session.ended_at
        known_us = 0 if known is None else known.covered_us(*span)
        if known is None or not known_us or not session.duration_us:
            return refused("grid_carbon.not_known", signal=self.signal.value)
        below_mg = self.below_g_per_kwh * MG_IN_GRAM
        below_us = known.covered_us(*span, lambda mg: mg < below_mg)
        energy_wh = session.energy_wh * below_us // session.duration_us
        unknown_wh = session.energy_wh - session.energy_wh * known_us // session.duration_us
        facts: Facts = {
            "signal": self.signal.value,
            "region": known.region,
            "below_g": self.below_g_per_kwh,
            "energy_wh": energy_wh,
            "unknown_wh": unknown_wh,
            "carbon_g": known.emitted_mg(*span, session.energy_wh) // MG_IN_GRAM,
        }
        points = energy_wh * self.points_per_kwh // 1_000
        if energy_wh <= 0:
            return refused("grid_carbon.dirtier", **facts)
        if points == 0:
            return refused("grid_carbon.too_little", **facts)
        facts["points_per_kwh"] = self.points_per_kwh
        code = "grid_carbon.energy_partly_known" if unknown_wh else "grid_carbon.energy"
        return earned(points, code, **facts)
