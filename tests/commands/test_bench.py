"""The benchmark of money over HTTP runs, says what it measured, and leaves clean books."""

from __future__ import annotations

from nerava.bench import money
from nerava.bench.result import Result

TINY = money.Size(callers=4, rounds=1, requests=20, grants=30)


def test_money_is_measured_on_both_databases() -> None:
    told: list[str] = []

    results = list(money.run(TINY, told.append))

    rates = {f"{name}{tail}" for name in money.GOALS for tail in ("", "_p99")}
    processor = {f"{name}_cpu" for name in money.GOALS} | {"load_cpu"}  # told in steps of 10 ms: may be none
    for database in ("postgresql", "sqlite"):
        mine = {one.scenario: one for one in results if one.database == database}
        assert set(mine) - processor == rates | {"grants"}
        assert all(one.value > 0 and one.baseline > 0 for one in mine.values() if "cpu" not in one.scenario)
        assert mine["show"].value < mine["show"].baseline, "a code costs more than a greeting"
        assert mine["show_p99"].value >= mine["show_p99"].baseline, "the tail is above the middle"
        assert f"{database}: 30 sessions that earn" in told


def test_a_result_says_whether_its_goal_was_met() -> None:
    result = Result("show", "sqlite", 150.0, "requests/s", 1_000.0, 0.15, ">= 0.15")

    assert result.as_dict() == {
        "scenario": "show",
        "database": "sqlite",
        "value": 150.0,
        "unit": "requests/s",
        "baseline": 1_000.0,
        "ratio": 0.15,
        "goal": ">= 0.15",
        "met": True,
    }
    assert not Result("show", "sqlite", 149.0, "requests/s", 1_000.0, 0.149, ">= 0.15").met
