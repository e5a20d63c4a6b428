"""Times of the week in a location's own time zone, and how much of a session lies inside them."""

from __future__ import annotations

from bisect import bisect_right
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from nerava.charging.evidence import EPOCH, MICROSECOND, SECOND_US
from nerava.charging.zones import zone as zone_of

DAY_US: Final = 86_400 * SECOND_US
WEEK_US: Final = 7 * DAY_US
MINUTE_US: Final = 60 * SECOND_US

# The epoch was a Thursday; weeks begin on Monday.
_MONDAY_SHIFT_US: Final = 3 * DAY_US
_SECOND: Final = timedelta(seconds=1)
# No zone of the tz database changes its offset and back within a week.
_STEP: Final = timedelta(days=7)


def local_date(at: datetime, timezone: str) -> date:
    """Return the calendar date of an instant at a place."""
    return at.astimezone(zone_of(timezone)).date()


@lru_cache(maxsize=2_048)
def local_stretches(started_at: datetime, ended_at: datetime, timezone: str) -> tuple[tuple[int, int], ...]:
    """Return the time between two instants as wall-clock stretches, cut where the clocks change.

    Each stretch is a pair of microseconds of local wall time since the Monday before 1970, so that
    plain arithmetic finds weekdays and hours. Their lengths add up to the real duration: a
    night with a skipped hour is one hour shorter, one with a repeated hour has that hour twice.
    """
    zone = zone_of(timezone)
    stretches: list[tuple[int, int]] = []
    at = started_at
    while at < ended_at:
        until = min(at + _STEP, ended_at)
        offset = _offset_us(at, zone)
        if _offset_us(until, zone) != offset:
            until = _change_between(at, until, zone)
        shift = offset + _MONDAY_SHIFT_US
        stretches.append(((at - EPOCH) // MICROSECOND + shift, (until - EPOCH) // MICROSECOND + shift))
        at = until
    return tuple(stretches)


class WeeklyWindow:
    """Hours of the local day on some weekdays, for example 22:00 to 06:00 from Monday to Friday.

    A window that crosses midnight belongs to the weekday on which it opens. From and until equal
    means the whole day. A wall time is inside or outside whatever the clocks do: when an hour is
    repeated both passes count, when it is skipped there is nothing to count, so a night from 22:00
    to 06:00 lasts 7, 8 or 9 hours.
    """

    def __init__(self, from_minute: int, until_minute: int, weekdays: frozenset[int]) -> None:
        """Take minutes of the day, 0 to 1439, and ISO weekdays, 1 (Monday) to 7."""
        length = ((until_minute - from_minute) % 1_440 or 1_440) * MINUTE_US
        spans: list[tuple[int, int]] = []
        for weekday in weekdays:
            opens = (weekday - 1) * DAY_US + from_minute * MINUTE_US
            closes = opens + length
            spans.append((opens, min(closes, WEEK_US)))
            if closes > WEEK_US:
                spans.append((0, closes - WEEK_US))
        self._edges, self._covered = _cumulated(sorted(spans))

    def covered_us(self, started_at: datetime, ended_at: datetime, timezone: str) -> int:
        """Return how many microseconds between two instants lie inside, read in `timezone`."""
        covered = 0
        for start, until in local_stretches(started_at, ended_at, timezone):
            covered += self._before(until) - self._before(start)
        return covered

    def _before(self, at_us: int) -> int:
        """Return the time inside the window from the first Monday to `at_us`."""
        weeks, rest = divmod(at_us, WEEK_US)
        covered = weeks * self._covered[-1]
        index = bisect_right(self._edges, rest)
        if index == 0:
            return covered
        covered += self._covered[index - 1]
        # Between an opening (even) and a closing (odd) edge the clock of the window runs.
        return covered + rest - self._edges[index - 1] if index % 2 else covered


def _cumulated(spans: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return the edges of disjoint ordered spans and the time covered up to each edge."""
    edges: list[int] = []
    covered: list[int] = []
    total = 0
    for opens, closes in spans:
        edges += (opens, closes)
        covered += (total, total + closes - opens)
        total += closes - opens
    return edges, covered


def _offset_us(at: datetime, zone: tzinfo) -> int:
    offset = at.astimezone(zone).utcoffset()
    if offset is None:
        message = f"{zone} has no offset from UTC"
        raise AssertionError(message)
    return offset // MICROSECOND


def _change_between(at: datetime, until: datetime, zone: tzinfo) -> datetime:
    """Return the instant between two at which the offset changes, by halving down to the second."""
    before = _offset_us(at, zone)
    start = at.astimezone(UTC).replace(microsecond=0)
    low, high = 0, -((start - until) // _SECOND)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset_us(start + middle * _SECOND, zone) == before:
            low = middle
        else:
            high = middle
    return start + high * _SECOND
