"""How a campaign's budget went down day by day, and how long the rest will last; no I/O."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

LOOK_BACK_DAYS: Final = 14
DAYS_MIN: Final = 3
"""Fewer whole days than this say nothing about the next ones."""


class Movement(NamedTuple):
    """What happened to a budget on one local date, in minor units, fees left out.

    Attributes:
        given: Points given at once.
        reserved: Points held until better evidence.
        captured: Points that were held and are now given.
        released: Points that were held and came back.
        returned: Points that were given and came back: taken from drivers, or expired.
    """

    on: date
    funded: int = 0
    given: int = 0
    reserved: int = 0
    captured: int = 0
    released: int = 0
    returned: int = 0
    refunded: int = 0


@dataclass(frozen=True, slots=True)
class BudgetDay:
    """One local date, in minor units: `left` + `held` is what came in and came back less what went out.

    Attributes:
        funded: What came into the budget, the fee left out.
        granted: Points that were given, those that had been held included.
        released: What came back from rewards that were held.
        returned: What came back of points that were given.
        refunded: What went back to the sponsor's deposits.
        spent: What the budget got smaller by for rewards, given or held, less what came back.
        held: Reserved at the end of the day.
        left: Free at the end of the day.
    """

    on: date
    funded: int
    granted: int
    released: int
    returned: int
    refunded: int
    spent: int
    held: int
    left: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """How long the budget lasts at the pace of the last two weeks.

    Attributes:
        state: `lasting` with numbers, or why there are none: `too-early`, `nothing-spent`, `exhausted`.
        daily: Median of what a day spent.
        days_left: Whole days at the median; `days_left_min` at the upper quartile of the days,
            `days_left_max` at the lower one, None where such a day spends nothing.
        exhausted_on: The local date on which it runs out at the median; None if the window ends before.
    """

    state: str
    days_seen: int
    daily: int | None = None
    days_left: int | None = None
    days_left_min: int | None = None
    days_left_max: int | None = None
    exhausted_on: date | None = None


def burn_down(movements: Iterable[Movement], today: date) -> list[BudgetDay]:
    """Return every local date from the first movement to today; a date without any is there too."""
    by_date: dict[date, list[Movement]] = defaultdict(list)
    for one in movements:
        by_date[one.on].append(one)
    if not by_date:
        return []
    on, last = min(by_date), max(today, *by_date)
    left = held = 0
    days: list[BudgetDay] = []
    while on <= last:
        of_day = by_date.get(on, ())
        funded = sum(one.funded for one in of_day)
        given = sum(one.given for one in of_day)
        reserved = sum(one.reserved for one in of_day)
        captured = sum(one.captured for one in of_day)
        released = sum(one.released for one in of_day)
        returned = sum(one.returned for one in of_day)
        refunded = sum(one.refunded for one in of_day)
        spent = given + reserved - released
        left += funded + returned - spent - refunded
        held += reserved - captured - released
        days.append(BudgetDay(on, funded, given + captured, released, returned, refunded, spent, held, left))
        on += timedelta(days=1)
    return days


def forecast(days: Sequence[BudgetDay], today: date, last_on: date) -> Forecast:
    """Return how long the budget lasts; today is not over and does not count.

    The median of the last 14 whole days, or of those there are if at least 3; days without any
    reward count as such. Quartiles are values of days (nearest rank), amounts whole minor units.

    Args:
        days: From `burn_down`.
        today: The local date.
        last_on: The local date on which the campaign's window ends.
    """
    whole = [max(0, day.spent) for day in days if day.on < today][-LOOK_BACK_DAYS:]
    seen = len(whole)
    left = days[-1].left if days else 0
    if not days or seen < DAYS_MIN:
        return Forecast("too-early", seen)
    if left <= 0:
        return Forecast("exhausted", seen)
    whole.sort()
    low, median, high = whole[(seen - 1) // 4], whole[(seen - 1) // 2], whole[-1 - (seen - 1) // 4]
    if seen % 2 == 0:
        median = (median + whole[seen // 2]) // 2
    if median == 0:
        return Forecast("nothing-spent", seen, daily=0)
    days_left = left // median
    over = today + timedelta(days=min(days_left, 36_500))
    return Forecast(
        "lasting",
        seen,
        daily=median,
        days_left=days_left,
        days_left_min=left // high,
        days_left_max=left // low if low else None,
        exhausted_on=over if over <= last_on else None,
    )
