"""Windows of local time against a minute-by-minute count, and the nights on which clocks change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nerava.rewards.local_time import WeeklyWindow, local_date, local_stretches
from tests.rewards.examples import ZONES

EVERY_DAY = frozenset(range(1, 8))
HOUR_US = 3_600_000_000
MINUTE = timedelta(minutes=1)
NIGHT = WeeklyWindow(22 * 60, 6 * 60, EVERY_DAY)

# Around these instants clocks change somewhere, years end, or a leap day passes.
TURNS = [
    datetime(2026, 3, 8, 8, tzinfo=UTC),  # Chicago, an hour is skipped
    datetime(2026, 11, 1, 7, tzinfo=UTC),  # Chicago, an hour is repeated
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe, half an hour is repeated
    datetime(2026, 10, 3, 15, 30, tzinfo=UTC),  # Lord Howe, half an hour is skipped
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # London
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 0, tzinfo=UTC),
    datetime(2025, 12, 31, 23, tzinfo=UTC),
]


def counted_minutes(
    opens: int, closes: int, weekdays: frozenset[int], started_at: datetime, minutes: int, timezone: str
) -> int:
    """Count the minutes inside by looking at the wall clock once a minute."""
    zone = ZoneInfo(timezone)
    count = 0
    for number in range(minutes):
        wall = (started_at + number * MINUTE).astimezone(zone)
        minute, today = wall.hour * 60 + wall.minute, wall.isoweekday()
        yesterday = (today - 2) % 7 + 1
        if opens < closes:
            count += opens <= minute < closes and today in weekdays
        else:
            count += (minute >= opens and today in weekdays) or (minute < closes and yesterday in weekdays)
    return count


@settings(max_examples=150)
@given(
    turn=st.sampled_from(TURNS),
    before=st.integers(0, 2_000),
    minutes=st.integers(1, 4_000),
    opens=st.integers(0, 1_439),
    closes=st.integers(0, 1_439),
    weekdays=st.frozensets(st.integers(1, 7), min_size=1),
    timezone=st.sampled_from(ZONES),
)
def test_a_window_covers_what_a_look_at_the_clock_each_minute_counts(
    turn: datetime,
    before: int,
    minutes: int,
    opens: int,
    closes: int,
    weekdays: frozenset[int],
    timezone: str,
) -> None:
    started_at = turn - before * MINUTE
    ended_at = started_at + minutes * MINUTE

    covered = WeeklyWindow(opens, closes, weekdays).covered_us(started_at, ended_at, timezone)

    expected = counted_minutes(opens, closes, weekdays, started_at, minutes, timezone)
    assert covered == expected * 60_000_000


@pytest.mark.parametrize(
    ("noon_before", "timezone", "hours"),
    [
        (datetime(2026, 3, 7, 18, tzinfo=UTC), "America/Chicago", 7),
        (datetime(2026, 10, 31, 17, tzinfo=UTC), "America/Chicago", 9),
        (datetime(2026, 3, 7, 19, tzinfo=UTC), "America/Phoenix", 8),
        (datetime(2026, 4, 4, 1, tzinfo=UTC), "Australia/Lord_Howe", 8.5),
        (datetime(2026, 10, 3, 1, 30, tzinfo=UTC), "Australia/Lord_Howe", 7.5),
        (datetime(2026, 3, 28, 12, tzinfo=UTC), "Europe/London", 7),
        (datetime(2026, 10, 24, 11, tzinfo=UTC), "Europe/London", 9),
        (datetime(2025, 12, 31, 18, tzinfo=UTC), "America/Chicago", 8),
    ],
)
def test_a_night_is_as_long_as_the_clocks_make_it(noon_before: datetime, timezone: str, hours: float) -> None:
    assert NIGHT.covered_us(noon_before, noon_before + timedelta(hours=25), timezone) == hours * HOUR_US


def test_both_passes_of_a_repeated_hour_are_inside() -> None:
    one_to_two = WeeklyWindow(60, 120, EVERY_DAY)
    midnight = datetime(2026, 11, 1, 5, tzinfo=UTC)

    assert one_to_two.covered_us(midnight, midnight + timedelta(hours=12), "America/Chicago") == 2 * HOUR_US


def test_a_skipped_hour_holds_nothing() -> None:
    two_to_three = WeeklyWindow(120, 180, EVERY_DAY)
    midnight = datetime(2026, 3, 8, 6, tzinfo=UTC)

    assert two_to_three.covered_us(midnight, midnight + timedelta(hours=12), "America/Chicago") == 0


def test_a_window_over_midnight_belongs_to_the_day_on_which_it_opens() -> None:
    friday_night = WeeklyWindow(22 * 60, 6 * 60, frozenset({5}))
    saturday = datetime(2026, 6, 6, tzinfo=UTC)

    assert friday_night.covered_us(saturday, saturday + timedelta(days=1), "UTC") == 6 * HOUR_US
    assert (
        friday_night.covered_us(saturday + timedelta(days=1), saturday + timedelta(days=7), "UTC")
        == 2 * HOUR_US
    )


def test_sunday_night_ends_on_monday() -> None:
    sunday_night = WeeklyWindow(22 * 60, 6 * 60, frozenset({7}))
    monday = datetime(2026, 6, 8, tzinfo=UTC)

    assert sunday_night.covered_us(monday, monday + timedelta(hours=12), "UTC") == 6 * HOUR_US


@given(
    st.datetimes(datetime(2019, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=200)),
    st.sampled_from(ZONES),
)
def test_stretches_add_up_to_the_time_that_passed(
    started_at: datetime, length: timedelta, timezone: str
) -> None:
    stretches = local_stretches(started_at, started_at + length, timezone)

    assert sum(until - start for start, until in stretches) == length // timedelta(microseconds=1)
    assert all(start < until for start, until in stretches)


def test_the_local_date_is_the_place_s_own() -> None:
    at = datetime(2026, 3, 2, 3, tzinfo=UTC)

    assert local_date(at, "America/Chicago") == date(2026, 3, 1)
    assert local_date(at, "Asia/Kolkata") == date(2026, 3, 2)
