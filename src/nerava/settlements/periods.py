"""Periods in a merchant's own calendar: their names, and the instants at which they end."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final, NamedTuple

from nerava.charging.zones import zone
from nerava.settlements.states import Cadence

_SECOND: Final = timedelta(seconds=1)


class Period(NamedTuple):
    """A period: its name, the local date after its last one, and the instant at which that begins."""

    name: str
    next_on: date
    until_at: datetime


def local_day_began(day: date, timezone: str) -> datetime:
    """Return the first instant of a local date, aware UTC.

    Where midnight is repeated the first pass counts, where it is skipped the first instant after it.
    """
    there, wall = zone(timezone), datetime.combine(day, time())
    at = wall.replace(tzinfo=there).astimezone(UTC)
    if at.astimezone(there).replace(tzinfo=None) == wall:
        return at
    # Midnight does not exist. What comes after it begins where the clocks jump: halve down to the second.
    low, high = at - timedelta(days=1), at
    while high - low > _SECOND:
        middle = (low + (high - low) // 2).replace(microsecond=0)
        if middle.astimezone(there).replace(tzinfo=None) >= wall:
            high = middle
        else:
            low = middle
    return high


def period_from(first: date, cadence: Cadence, timezone: str) -> Period:
    """Return the period that begins with a local date; it ends with its calendar month or week.

    One that begins in the middle, as the first one of a merchant does, is shorter.
    """
    if cadence is Cadence.MONTH:
        next_on = (first.replace(day=1) + timedelta(days=32)).replace(day=1)
        name = f"{first:%Y-%m}"
    else:
        next_on = first + timedelta(days=8 - first.isoweekday())
        week = first.isocalendar()
        name = f"{week.year}-W{week.week:02}"
    return Period(name, next_on, local_day_began(next_on, timezone))
