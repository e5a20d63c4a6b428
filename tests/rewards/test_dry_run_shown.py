"""Round numbers hide every single person, however a sponsor asks."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.kernel.money import FeeRate
from nerava.rewards.dry_run import DayCost, DryRunReport
from nerava.rewards.dry_run_shown import DRIVERS_MIN, OTHER, for_sponsor, step_of

SINCE, UNTIL = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)


def report(earned: dict[int, int], *, days: dict[str, dict[int, int]] | None = None) -> DryRunReport:
    """Return a run in which these drivers get so many points."""
    made = DryRunReport(SINCE, UNTIL, 10_000, FeeRate(1, 4), exhausted_on="2026-03-09")
    for driver, points in earned.items():
        made.considered.add(UUID(int=driver))
        made.earning.add(UUID(int=driver), points)
        made.points += points
    for on, crowd in (days or {}).items():
        day = made.days.setdefault(on, DayCost(on))
        for driver, points in crowd.items():
            day.earning.add(UUID(int=driver), points)
            day.points += points
    return made


def test_a_day_or_a_reason_of_four_is_left_out_and_of_five_is_told() -> None:
    everybody = dict.fromkeys(range(9), 10)
    made = report(everybody, days={"2026-03-02": dict.fromkeys(range(4), 10), "2026-03-03": everybody})
    for number, code in enumerate(["a", "a", "a", "a", "b", "b", "b", "c", "c", "c", "c", "c"]):
        made.refused[code].add(UUID(int=number))

    shown = for_sponsor(made)

    assert [day.on for day in shown.days] == ["2026-03-03"]
    assert shown.days_left_out
    assert {one.code: one.sessions for one in shown.refused} == {"c": 5, OTHER: 5}
    assert shown.exhausted_on == "2026-03-09"


@given(st.lists(st.integers(1, 10**9), max_size=DRIVERS_MIN - 1))
def test_of_few_drivers_nothing_is_told_not_even_whether_there_are_any(points: list[int]) -> None:
    earned = dict(enumerate(points))
    assert for_sponsor(report(earned, days={"2026-03-02": earned})) == for_sponsor(report({}))


@given(st.lists(st.integers(1, 10**6), min_size=DRIVERS_MIN, max_size=40))
def test_the_cost_is_told_in_steps_that_no_driver_is_greater_than(points: list[int]) -> None:
    made = report(dict(enumerate(points)))
    shown = for_sponsor(made)

    assert shown.cost is not None
    assert shown.rounded_to >= max(points)
    assert shown.cost.points % shown.rounded_to == 0
    assert abs(shown.cost.points - made.points) * 2 <= shown.rounded_to
    assert shown.earning_drivers % DRIVERS_MIN == shown.sessions % DRIVERS_MIN == 0


@pytest.mark.parametrize(("most", "step"), [(0, 1), (1, 1), (3, 5), (11, 20), (50, 50), (501, 1_000)])
def test_steps_are_one_two_and_five(most: int, step: int) -> None:
    assert step_of(most) == step
