"""A tariff's period follows the local clock, and of several versions the one in force counts."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from nerava.grid.tariffs import (
    BadTariff,
    Tariff,
    TariffName,
    Tier,
    in_force,
    periods_of_document,
    schedule_of,
    spans_of,
)

HOUR_US = 3_600_000_000
LOS_ANGELES = "America/Los_Angeles"
EVENING = tuple(1 if 16 <= hour < 21 else 0 for hour in range(24))
NIGHT = tuple(1 if hour == 1 else 0 for hour in range(24))
FLAT = (0,) * 24
CHEAP, DEAR = (Tier(Decimal("0.12"), Decimal("0.01")),), (Tier(Decimal("0.30")),)


def tariff(reference: str = "v1", **changes: Any) -> Tariff:
    values: dict[str, Any] = {
        "source": "test",
        "reference": reference,
        "called": TariffName("Edison", "EV"),
        "starts_on": None,
        "ends_on": None,
        "periods": (CHEAP, DEAR),
        "weekday": (EVENING,) * 12,
        "weekend": (FLAT,) * 12,
    }
    return Tariff(**values | changes)


def test_weekday_evenings_are_dear_and_weekends_are_not() -> None:
    friday = datetime(2026, 3, 6, 23, tzinfo=UTC)  # 15:00 in Los Angeles

    spans = spans_of([tariff()], friday, friday + timedelta(hours=24), LOS_ANGELES).spans

    assert [(one.period, (one.ends_s - one.starts_s) // 3600) for one in spans] == [(0, 1), (1, 5), (0, 18)]


@pytest.mark.trap("G3")
@pytest.mark.parametrize(
    ("night", "dear_hours"),
    [(date(2026, 11, 1), 2), (date(2026, 3, 8), 1), (date(2026, 6, 7), 1)],
)
def test_the_hour_that_happens_twice_counts_twice(night: date, dear_hours: int) -> None:
    late = tariff(weekday=(NIGHT,) * 12, weekend=(NIGHT,) * 12)
    start = datetime.combine(night, datetime.min.time(), ZoneInfo(LOS_ANGELES)).astimezone(UTC)

    facts = spans_of([late], start, start + timedelta(hours=6), LOS_ANGELES)

    assert facts.covered_us(start, start + timedelta(hours=6), lambda one: one == 1) == dear_hours * HOUR_US
    assert facts.covered_us(start, start + timedelta(hours=6)) == 6 * HOUR_US


@pytest.mark.trap("G3")
def test_the_hour_that_is_skipped_has_nothing() -> None:
    two = tuple(1 if hour == 2 else 0 for hour in range(24))
    skipped = tariff(weekday=(two,) * 12, weekend=(two,) * 12)
    start = datetime(2026, 3, 8, 8, tzinfo=UTC)  # midnight in Los Angeles, where 2:00 is 3:00 that day

    facts = spans_of([skipped], start, start + timedelta(hours=6), LOS_ANGELES)

    assert {one.period for one in facts.spans} == {0}


def test_zones_of_half_and_quarter_hours_are_cut_where_their_hours_are() -> None:
    start = datetime(2026, 6, 1, 0, 7, tzinfo=UTC)

    spans = spans_of([tariff()], start, start + timedelta(hours=24), "Asia/Kathmandu").spans

    assert [one.starts_s % 3600 for one in spans[1:]] == [15 * 60, 15 * 60]


@pytest.mark.trap("G6")
def test_a_tariff_of_tomorrow_or_of_the_past_does_not_hold_and_of_two_the_later_does() -> None:
    old = tariff("old", ends_on=date(2026, 2, 28))
    first = tariff("first", starts_on=date(2026, 1, 1))
    second = tariff("second", starts_on=date(2026, 3, 1))
    tomorrow = tariff("tomorrow", starts_on=date(2026, 3, 3))
    versions = [tomorrow, second, first, old]

    held = {day: in_force(versions, date(2026, *day)) for day in ((2, 1), (3, 2), (3, 3))}

    assert {day: one.reference for day, one in held.items() if one} == {
        (2, 1): "first",
        (3, 2): "second",
        (3, 3): "tomorrow",
    }
    assert in_force([old], date(2026, 3, 1)) is None
    assert in_force([tomorrow], date(2026, 3, 2)) is None


@pytest.mark.trap("G6")
def test_a_session_across_midnight_meets_both_versions_and_a_day_without_one_is_a_gap() -> None:
    start = datetime(2026, 3, 2, 7, tzinfo=UTC)  # 23:00 of the first in Los Angeles
    ending = tariff("ending", ends_on=date(2026, 3, 1))
    following = tariff("following", starts_on=date(2026, 3, 2))

    both = spans_of([ending, following], start, start + timedelta(hours=2), LOS_ANGELES)
    one = spans_of([ending], start, start + timedelta(hours=2), LOS_ANGELES)

    assert [span.reference for span in both.spans] == ["ending", "following"]
    assert one.covered_us(start, start + timedelta(hours=2)) == HOUR_US


def test_a_price_is_the_rate_with_its_adjustment_of_the_tier_that_the_month_has_reached() -> None:
    tiers = (Tier(Decimal("0.10"), Decimal("0.01"), Decimal(100)), Tier(Decimal("0.20")))
    tiered = tariff(periods=(tiers, DEAR))
    morning, evening = datetime(2026, 3, 2, 9), datetime(2026, 3, 2, 17)

    assert tiered.price_at(morning) == Decimal("0.11")
    assert tiered.price_at(morning, Decimal(100)) == Decimal("0.20")
    assert tiered.price_at(evening) == Decimal("0.30")


def test_a_tariff_survives_json() -> None:
    stored = tariff().document()

    assert periods_of_document(stored) == tariff().periods
    assert schedule_of(stored["weekday"]) == tariff().weekday


@pytest.mark.parametrize(
    "changes",
    [
        {"weekday": (EVENING,) * 11},
        {"weekend": ((0,) * 23,) * 12},
        {"weekday": ((2,) * 24,) * 12},
        {"periods": ()},
        {"periods": (CHEAP, ())},
        {"starts_on": date(2026, 3, 2), "ends_on": date(2026, 3, 1)},
    ],
)
def test_a_tariff_that_does_not_say_what_it_costs_is_none(changes: dict[str, Any]) -> None:
    with pytest.raises(BadTariff):
        tariff(**changes)
