"""Points for every kWh delivered in some periods of a tariff by time of use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, PlainSerializer, StringConstraints

from nerava.grid.tariffs import TariffName
from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.base import Facts, Judgement, PastRule, earned, refused

if TYPE_CHECKING:
    from nerava.charging.evidence import EvidencedSession


def _in_order(numbers: frozenset[int]) -> list[int]:
    return sorted(numbers)


class TariffPeriod(PastRule):
    """Points per kWh for the energy delivered in certain periods of a utility's tariff.

    Periods are numbered from 0 as in the tariff. The version that holds on the local date counts, and
    months, days and hours are those of the location's clock, the hour that happens twice and the one
    that is skipped included. Energy is prorated by time and rounded down once.
    """

    asks: ClassVar[Ask] = Ask.GRID

    kind: Literal["tariff_period"] = "tariff_period"
    utility: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
    tariff: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    periods: Annotated[
        frozenset[Annotated[int, Field(ge=0, le=99)]],
        Field(min_length=1, max_length=100),
        PlainSerializer(_in_order, return_type=list[int]),
    ]
    points_per_kwh: int = Field(gt=0, le=10_000)

    @property
    def called(self) -> TariffName:
        """Whose tariff, and which."""
        return TariffName(self.utility, self.tariff)

    @property
    def periods_text(self) -> str:
        """The periods as people read them."""
        return ", ".join(map(str, sorted(self.periods)))

    @property
    def promise(self) -> str:
        """The rule in words."""
        where = f"in period {self.periods_text} of {self.utility}, {self.tariff}"
        return f"{self.points_per_kwh} Nova per kWh {where}"

    def promised_points(self, energy_wh: int) -> int:
        """Return its points."""
        return energy_wh * self.points_per_kwh // 1_000

    def judge(self, session: EvidencedSession, past: Past = SOMEBODY_NEW) -> Judgement:
        """Earn by the energy inside the periods."""
        facts: Facts = {"utility": self.utility, "tariff": self.tariff, "periods": self.periods_text}
        known = past.grid.tariffs.get(self.called)
        span = session.started_at, session.ended_at
        if known is None or not session.duration_us or not known.covered_us(*span):
            return refused("tariff_period.not_known", **facts)
        inside_us = known.covered_us(*span, lambda period: period in self.periods)
        energy_wh = session.energy_wh * inside_us // session.duration_us
        points = energy_wh * self.points_per_kwh // 1_000
        if energy_wh <= 0:
            return refused("tariff_period.outside", **facts)
        if points == 0:
            return refused("tariff_period.too_little", energy_wh=energy_wh, **facts)
        return earned(
            points, "tariff_period.energy", energy_wh=energy_wh, points_per_kwh=self.points_per_kwh, **facts
        )
