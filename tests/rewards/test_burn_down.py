"""How a budget went down: days without anything, the first day, and what the rest promises."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.rewards.burn_down import BudgetDay, Forecast, Movement, burn_down, forecast

FIRST = date(2026, 3, 1)
LATE = date(2099, 1, 1)


def after(days: int) -> date:
    """Return a date so many days after the first."""
    return FIRST + timedelta(days=days)


def spending(*points: int, funded: int = 1_000) -> list[BudgetDay]:
    """Return days that spent so much, the last one today."""
    moves = [Movement(FIRST, funded=funded)]
    moves += [Movement(after(n), given=given) for n, given in enumerate(points) if given]
    return burn_down(moves, after(len(points) - 1))


def told(*points: int, funded: int = 1_000, last_on: date = LATE) -> Forecast:
    """Return the forecast on the last of these days."""
    return forecast(spending(*points, funded=funded), after(len(points) - 1), last_on)


def test_a_budget_that_never_had_anything_has_no_days() -> None:
    assert burn_down([], FIRST) == []
    assert forecast([], FIRST, LATE) == Forecast("too-early", 0)


def test_days_without_anything_are_there_with_what_is_left() -> None:
    days = burn_down([Movement(FIRST, funded=100), Movement(after(3), given=30)], after(5))

    assert [day.on for day in days] == [after(n) for n in range(6)]
    assert [day.left for day in days] == [100, 100, 100, 70, 70, 70]
    assert [day.granted for day in days] == [0, 0, 0, 30, 0, 0]


def test_what_is_held_leaves_the_rest_at_once_and_is_granted_or_comes_back_later() -> None:
    moves = [
        Movement(FIRST, funded=100),
        Movement(FIRST, reserved=50),
        Movement(after(1), captured=20, released=30),
        Movement(after(2), refunded=80),
    ]
    days = burn_down(moves, after(2))

    assert [(day.left, day.held) for day in days] == [(50, 50), (80, 0), (0, 0)]
    assert [(day.granted, day.released, day.refunded) for day in days] == [(0, 0, 0), (20, 30, 0), (0, 0, 80)]
    assert [day.spent for day in days] == [50, -30, 0]


@given(
    st.lists(
        st.builds(
            Movement,
            st.integers(0, 30).map(after),
            *[st.integers(0, 1_000)] * 7,
        ),
        max_size=30,
    )
)
def test_every_unit_is_accounted_for_on_every_day(moves: list[Movement]) -> None:
    came_in = gone = 0
    for day in burn_down(moves, after(30)):
        came_in += day.funded + day.returned
        gone += day.granted + day.refunded
        assert day.left + day.held == came_in - gone


@pytest.mark.parametrize("days", [1, 2, 3])
def test_two_whole_days_and_less_promise_nothing(days: int) -> None:
    assert told(*[10] * days) == Forecast("too-early", days - 1)


def test_the_median_of_whole_days_counts_and_today_does_not() -> None:
    assert told(10, 30, 20, 900) == Forecast(
        "lasting", 3, daily=20, days_left=2, days_left_min=1, days_left_max=4, exhausted_on=after(5)
    )
    assert told(10, 20, 30, 40, 0).daily == 25


def test_only_the_last_fourteen_days_count() -> None:
    seen = told(*[500] * 3, *[10] * 14, 0, funded=3_000)
    assert (seen.days_seen, seen.daily, seen.days_left) == (14, 10, 136)


def test_zero_days_count_and_may_leave_the_range_open() -> None:
    assert told(0, 0, 0, 7) == Forecast("nothing-spent", 3, daily=0)
    seen = told(0, 0, 10, 10, 10, 0)
    assert (seen.daily, seen.days_left, seen.days_left_max) == (10, 97, None)


def test_a_budget_that_outlasts_the_window_has_no_day_of_exhaustion() -> None:
    assert told(10, 10, 10, 0, last_on=after(99)).exhausted_on is None
    assert told(10, 10, 10, 0, last_on=after(100)).exhausted_on == after(100)


def test_an_empty_budget_is_exhausted() -> None:
    assert told(10, 10, 10, 0, funded=30) == Forecast("exhausted", 3)
