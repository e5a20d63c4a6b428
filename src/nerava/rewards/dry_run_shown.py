"""A dry run as a sponsor may see it: what a crowd would cost, and nothing of any person in it; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.rewards.dry_run import Crowd

if TYPE_CHECKING:
    from nerava.kernel.money import FeeRate
    from nerava.rewards.dry_run import DryRunReport

DRIVERS_MIN: Final = 5
"""Of fewer drivers nothing is told, not even whether there are any."""

DAYS_MIN: Final = 7
OTHER: Final = "other"
_STEPS: Final = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class ShownCost:
    """A cost in minor units; both parts are rounded, the fee follows from the points."""

    points: int
    fee: int

    @property
    def cost(self) -> int:
        """Both together."""
        return self.points + self.fee


@dataclass(frozen=True, slots=True)
class ShownDay:
    """One local date with at least five drivers who would earn."""

    on: str
    drivers: int
    sessions: int
    cost: ShownCost


@dataclass(frozen=True, slots=True)
class ShownRefusals:
    """Sessions that would not earn, by a reason that at least five drivers share; the rest is `other`."""

    code: str
    sessions: int


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A dry run in round numbers.

    Attributes:
        is_too_few: Whether fewer than five drivers would earn; then no cost is told.
        cost: What it would have cost; None where it is not told.
        rounded_to: Points are told in multiples of this.
        days_left_out: Whether there were days of fewer than five drivers; they count in the total.
    """

    is_too_few: bool
    sessions: int
    earning_sessions: int
    earning_drivers: int
    held_sessions: int
    cost: ShownCost | None
    rounded_to: int
    refused: tuple[ShownRefusals, ...]
    days: tuple[ShownDay, ...]
    days_left_out: bool
    exhausted_on: str | None


def for_sponsor(report: DryRunReport) -> ShownRun:
    """Return what a sponsor sees.

    A sponsor chooses places, hours and days freely, so exact numbers would say whether one person was
    there: of two questions that differ by one person the difference would be that person. So counts
    are whole fives, rounded down, and points are rounded to steps that are no smaller than what any one
    driver gets. Of a day, or a reason, of fewer than five drivers nothing is told.
    """
    earning = report.earning
    few = earning.drivers < DRIVERS_MIN
    shown = [] if few else [day for day in report.days.values() if day.earning.drivers >= DRIVERS_MIN]
    return ShownRun(
        is_too_few=few,
        sessions=_fives(report.considered),
        earning_sessions=_fives(earning),
        earning_drivers=0 if few else _five(earning.drivers),
        held_sessions=0 if few else _five(report.held),
        cost=None if few else _cost(report.points, earning, report.rate),
        rounded_to=step_of(earning.points_most) if not few else 0,
        refused=_refused(report),
        days=tuple(
            ShownDay(
                day.on,
                _five(day.earning.drivers),
                _fives(day.earning),
                _cost(day.points, day.earning, report.rate),
            )
            for day in sorted(shown, key=lambda one: one.on)
        ),
        days_left_out=not few and len(shown) < len(report.days),
        exhausted_on=None if few else report.exhausted_on,
    )


def step_of(most: int) -> int:
    """Return the least of 1, 2, 5, 10, 20, 50 … that is not below `most`."""
    power = 1
    while True:
        for digit in _STEPS:
            if digit * power >= most:
                return digit * power
        power *= 10


def _cost(points: int, crowd: Crowd, rate: FeeRate) -> ShownCost:
    step = step_of(crowd.points_most)
    rounded = (points + step // 2) // step * step
    return ShownCost(rounded, rate.share(rounded))


def _refused(report: DryRunReport) -> tuple[ShownRefusals, ...]:
    told = []
    rest = Crowd()
    for code, crowd in sorted(report.refused.items(), key=lambda one: (-one[1].sessions, one[0])):
        if crowd.drivers >= DRIVERS_MIN:
            told.append(ShownRefusals(code, _fives(crowd)))
        else:
            rest.sessions += crowd.sessions
            rest.points.update(crowd.points)
    if rest.drivers >= DRIVERS_MIN:
        told.append(ShownRefusals(OTHER, _fives(rest)))
    return tuple(told)


def _fives(crowd: Crowd) -> int:
    """Return how many sessions these are, in whole fives; none for fewer than five drivers."""
    return 0 if crowd.drivers < DRIVERS_MIN else _five(crowd.sessions)


def _five(count: int) -> int:
    return count // DRIVERS_MIN * DRIVERS_MIN
