"""Every source's numbers become milligrams per kilowatt-hour, and no moment counts twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nerava.grid.carbon import CarbonFacts, Interval, Unit, mg_per_kwh, stretches_of
from nerava.grid.facts import GridFacts
from tests.rewards.examples import grids

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.trap("G1")
@pytest.mark.parametrize(
    ("value", "unit", "mg"),
    [
        ("1000", Unit.LB_PER_MWH, 453_592),
        ("0.453592", Unit.KG_PER_KWH, 453_592),
        ("453.592", Unit.G_PER_KWH, 453_592),
        ("453.592", Unit.KG_PER_MWH, 453_592),
        ("0", Unit.LB_PER_MWH, 0),
        ("3000", Unit.G_PER_KWH, 3_000_000),
        ("3000.001", Unit.G_PER_KWH, None),
        ("453592", Unit.G_PER_KWH, None),
        ("-1", Unit.G_PER_KWH, None),
    ],
)
def test_one_emission_in_any_unit_is_one_number_and_what_no_grid_emits_is_none(
    value: str, unit: Unit, mg: int | None
) -> None:
    assert mg_per_kwh(Decimal(value), unit) == mg


def test_an_emission_is_the_energy_times_the_value_of_its_time() -> None:
    facts = CarbonFacts("r", True, stretches_of(
        [Interval(NOON, NOON + HOUR / 4, 400_000), Interval(NOON + HOUR / 2, NOON + HOUR, 100_000)], NOON, NOON + HOUR
    ))  # fmt: skip

    # 10 kWh in an hour: 2.5 at 400 g and 5 at 100 g.
    assert facts.emitted_mg(NOON, NOON + HOUR, 10_000) == 1_500_000
    assert facts.emitted_mg(NOON, NOON, 10_000) == 0
    assert facts.covered_us(NOON, NOON + HOUR) == 45 * 60 * 1_000_000


def test_where_intervals_overlap_the_first_one_counts() -> None:
    hourly = Interval(NOON, NOON + HOUR, 100_000)
    inside = Interval(NOON + HOUR / 4, NOON + HOUR / 2, 900_000)
    past_it = Interval(NOON + HOUR * 3 / 4, NOON + HOUR * 2, 500_000)

    met = stretches_of([past_it, inside, hourly], NOON, NOON + 2 * HOUR)

    assert [(one.ends_s - one.starts_s, one.mg_per_kwh) for one in met] == [(3600, 100_000), (3600, 500_000)]


@given(grids())
def test_what_the_grid_did_survives_json(drawn: GridFacts) -> None:
    assert GridFacts.of_document(drawn.document()) == drawn


@given(
    st.lists(st.tuples(st.integers(0, 90), st.integers(1, 30), st.integers(0, 9)), max_size=8),
    st.integers(0, 3_600_000_000),
    st.integers(1, 3_600_000_000),
)
def test_no_moment_is_covered_twice(parts: list[tuple[int, int, int]], start_us: int, length_us: int) -> None:
    series = [
        Interval(NOON + timedelta(minutes=at), NOON + timedelta(minutes=at + length), mg)
        for at, length, mg in parts
    ]
    start = NOON + timedelta(microseconds=start_us)
    end = start + timedelta(microseconds=length_us)

    facts = CarbonFacts("r", True, stretches_of(series, start, end))

    assert 0 <= facts.covered_us(start, end) <= length_us
    assert facts.covered_us(start, end, lambda mg: mg < 5) <= facts.covered_us(start, end)
