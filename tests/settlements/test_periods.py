"""Periods in local calendars: their names, and the instants at which they end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.charging.zones import zone
from nerava.settlements.periods import local_day_began, period_from
from nerava.settlements.states import Cadence

ZONES = (
    "America/Chicago",
    "America/Phoenix",
    "Europe/London",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Africa/Cairo",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "America/Godthab",
)


@pytest.mark.parametrize(
    ("day", "timezone", "began_at"),
    [
        (date(2026, 4, 1), "America/Chicago", "2026-04-01T05:00:00+00:00"),
        (date(2026, 3, 8), "America/Chicago", "2026-03-08T06:00:00+00:00"),
        (date(2026, 11, 1), "America/Chicago", "2026-11-01T05:00:00+00:00"),
        # Midnight is skipped: the day begins at one.
        (date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00:00+00:00"),
        # Midnight comes twice: the first counts.
        (date(2018, 2, 18), "America/Sao_Paulo", "2018-02-18T03:00:00+00:00"),
        # The whole 30th is skipped.
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00:00+00:00"),
    ],
)
def test_a_local_day_begins_at_its_first_instant(day: date, timezone: str, began_at: str) -> None:
    assert local_day_began(day, timezone) == datetime.fromisoformat(began_at)


@given(
    st.dates(date(2005, 1, 1), date(2030, 12, 31)),
    st.sampled_from(ZONES),
)
def test_nothing_before_the_beginning_of_a_day_is_in_it(day: date, timezone: str) -> None:
    began = local_day_began(day, timezone)
    there = zone(timezone)
    assert began.astimezone(there).date() >= day
    before = began - timedelta(minutes=1)
    assert before.astimezone(there).date() < day or (began.astimezone(there).fold == 1)


@pytest.mark.parametrize(
    ("first", "cadence", "name", "next_on"),
    [
        (date(2026, 3, 1), Cadence.MONTH, "2026-03", date(2026, 4, 1)),
        (date(2026, 1, 31), Cadence.MONTH, "2026-01", date(2026, 2, 1)),
        (date(2028, 2, 29), Cadence.MONTH, "2028-02", date(2028, 3, 1)),
        (date(2026, 12, 31), Cadence.MONTH, "2026-12", date(2027, 1, 1)),
        (date(2026, 3, 2), Cadence.WEEK, "2026-W10", date(2026, 3, 9)),
        (date(2026, 3, 8), Cadence.WEEK, "2026-W10", date(2026, 3, 9)),
        (date(2027, 1, 1), Cadence.WEEK, "2026-W53", date(2027, 1, 4)),
    ],
)
def test_a_period_ends_with_its_month_or_week(
    first: date, cadence: Cadence, name: str, next_on: date
) -> None:
    period = period_from(first, cadence, "America/Chicago")
    assert (period.name, period.next_on) == (name, next_on)
    assert period.until_at == local_day_began(next_on, "America/Chicago")


@given(
    st.dates(date(2005, 1, 1), date(2030, 12, 31)),
    st.lists(st.tuples(st.sampled_from(Cadence), st.sampled_from(ZONES)), min_size=2, max_size=12),
)
def test_periods_follow_each_other_and_no_name_comes_twice_whatever_is_changed(
    first: date, terms: list[tuple[Cadence, str]]
) -> None:
    names, ends = [], [local_day_began(first, terms[0][1])]
    for cadence, timezone in terms:
        period = period_from(first, cadence, timezone)
        names.append(period.name)
        ends.append(period.until_at)
        first = period.next_on
    assert len(set(names)) == len(names)
    assert all(earlier < later for earlier, later in pairwise(ends[1:]) if later - earlier > timedelta(0))


def test_an_hour_that_is_skipped_or_repeated_makes_a_month_shorter_or_longer() -> None:
    march = period_from(date(2026, 3, 1), Cadence.MONTH, "America/Chicago")
    november = period_from(date(2026, 11, 1), Cadence.MONTH, "America/Chicago")
    began = local_day_began(date(2026, 3, 1), "America/Chicago")
    assert march.until_at - began == timedelta(days=31, hours=-1)
    assert november.until_at - local_day_began(date(2026, 11, 1), "America/Chicago") == timedelta(
        days=30, hours=1
    )
    assert march.until_at == datetime(2026, 4, 1, 5, tzinfo=UTC)
