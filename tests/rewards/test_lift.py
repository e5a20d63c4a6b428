"""What a campaign changed, against those who were held out."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.rewards.lift import DriverSum, Lift, compare
from nerava.rewards.lift_groups import lift_report
from nerava.rewards.queries import campaign_view
from nerava.rewards.rules import Fixed

if TYPE_CHECKING:
    from tests.rewards.house import House

ONE = DriverSum(sessions=10, energy_wh=10_000, off_peak_wh=5_000)


def test_the_differences_are_those_of_the_means() -> None:
    treated = [DriverSum(4, 40_000, 30_000), DriverSum(8, 80_000, 60_000)] * 5
    holdout = [DriverSum(2, 20_000, 5_000), DriverSum(6, 60_000, 15_000)] * 5
    lift = compare(treated, holdout)

    assert lift.sessions_per_driver is not None
    assert lift.kwh_shifted is not None
    assert lift.off_peak_share is not None
    assert lift.sessions_per_driver.value == pytest.approx(2)
    # Variance 40/9 in each group of ten: 1.96 * sqrt(2 * 40 / 90).
    assert lift.sessions_per_driver.high == pytest.approx(2 + 1.959964 * (80 / 90) ** 0.5)
    assert (lift.off_peak_share.value, lift.off_peak_share.low) == pytest.approx((0.5, 0.5))
    assert lift.kwh_shifted.value == pytest.approx(300)


def test_the_interval_holds_nothing_where_nothing_changed_in_about_95_of_100_draws() -> None:
    dice = random.Random(7)
    hits = 0
    for _ in range(400):
        people = [
            DriverSum(n := dice.randint(0, 9), n * 9_000, n * dice.randint(0, 9_000)) for _ in range(120)
        ]
        lift = compare(people[:60], people[60:])
        for difference in (lift.sessions_per_driver, lift.off_peak_share):
            assert difference is not None
            hits += difference.low <= 0 <= difference.high
    assert 0.92 < hits / 800 < 0.975


@pytest.mark.parametrize("few", [[ONE] * 4, [DriverSum(5, 1, 1)] * 5, [ONE] * 4 + [DriverSum()] * 90])
def test_groups_that_are_too_few_tell_nothing(few: list[DriverSum]) -> None:
    assert compare([ONE] * 9, few) == compare(few, [ONE] * 9) == Lift(is_too_few=True)


def test_idle_drivers_count_and_the_running_week_does_not(house: House) -> None:
    paying = house.campaign(Fixed(points=1), holdout_percent=50, starts_at=datetime(2026, 3, 2, tzinfo=UTC))
    for number in range(40):
        driver = house.driver(f"d-{number}")
        for day in range(4 if number else 0):
            house.charged(driver_id=driver, hour=24 * day)
    house.clock.move_to(datetime(2026, 3, 11, tzinfo=UTC))
    house.charged(driver_id=house.driver("d-1"), started_at=house.now - timedelta(hours=5))
    house.evaluate()
    terms = house.database.read(lambda unit: campaign_view(unit, paying)).terms
    report = house.database.read(lambda unit: lift_report(unit, paying, terms, house.now))

    assert report.until == datetime(2026, 3, 9, tzinfo=UTC)
    assert report.off_peak == "22:00-06:00"
    arms = report.lift.treated, report.lift.holdout
    assert sum(arm.drivers for arm in arms if arm) == 40
    assert all(arm is not None for arm in arms)
