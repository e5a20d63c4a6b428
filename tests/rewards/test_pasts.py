"""Campaigns that ask what a driver did before: counted in a batch and across batches alike."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.rewards.past import Past
from nerava.rewards.pasts import Pasts
from nerava.rewards.rules import FirstSessions, Fixed, Multiplier, NewDriver, PerKwh, Streak, Tier
from tests.rewards.examples import running, session
from tests.rewards.test_settlement import attest

if TYPE_CHECKING:
    from tests.rewards.house import House

DAY = 24


@pytest.mark.parametrize("batch", [1, 500])
def test_only_the_first_sessions_are_rewarded(house: House, batch: int) -> None:
    paying = house.campaign(Fixed(points=40), FirstSessions(count=2))
    sessions = [house.charged(hour=2 * number) for number in range(4)]
    while house.evaluate(batch).evaluated:
        pass

    assert house.money(paying).granted == 80
    codes = [house.explain(one).campaigns[0].rules[0].code for one in sessions]
    assert codes == ["first_sessions.within"] * 2 + ["first_sessions.over"] * 2


def test_a_reward_that_went_back_leaves_its_place(house: House) -> None:
    paying = house.campaign(Fixed(points=40), FirstSessions(count=1), settle_within_days=1)
    house.charged(evidence_level=2)
    house.evaluate()
    house.charged(hour=2)
    house.evaluate()
    assert house.money(paying).granted == 0
    house.clock.move_to(house.now + timedelta(days=2))
    house.settle()
    house.charged(hour=4)
    house.evaluate()

    assert house.money(paying).granted == 40


def test_a_session_that_is_told_late_does_not_make_two_first_ones(house: House) -> None:
    paying = house.campaign(Fixed(points=40), FirstSessions(count=1))
    house.charged(hour=5)
    house.evaluate()
    house.charged(hour=0)
    house.evaluate()

    assert house.money(paying).granted == 40


@pytest.mark.parametrize("batch", [1, 500])
def test_a_driver_is_new_for_so_many_days(house: House, batch: int) -> None:
    paying = house.campaign(Fixed(points=40), NewDriver(days=3))
    for hour in (0, 2 * DAY, 3 * DAY, 9 * DAY):
        house.charged(hour=hour)
    house.clock.move_to(house.now + timedelta(days=10))
    while house.evaluate(batch).evaluated:
        pass

    assert house.money(paying).granted == 80


@pytest.mark.parametrize("batch", [1, 500])
def test_a_streak_counts_local_days_and_breaks_at_a_gap(house: House, batch: int) -> None:
    paying = house.campaign(Fixed(points=40), Streak(length=3, unit="days"))
    # The day of hour 2 is that of hour 0; day 4 is missing.
    for hour in (0, 2, DAY, 2 * DAY, 3 * DAY, 5 * DAY, 6 * DAY):
        house.charged(hour=hour)
    house.clock.move_to(house.now + timedelta(days=10))
    while house.evaluate(batch).evaluated:
        pass

    assert house.money(paying).granted == 80


def test_a_streak_of_weeks_begins_on_monday(house: House) -> None:
    paying = house.campaign(Fixed(points=40), Streak(length=2))
    # The first is a Monday: six days later it is still the same week.
    for hour in (0, 6 * DAY, 7 * DAY):
        house.charged(hour=hour)
    house.clock.move_to(house.now + timedelta(days=10))
    house.evaluate()

    assert house.money(paying).granted == 40


@pytest.mark.parametrize("batch", [1, 500])
def test_a_tier_counts_what_all_campaigns_gave_before(house: House, batch: int) -> None:
    house.campaign(Fixed(points=50))
    paying = house.campaign(Fixed(points=1), Tier(least="silver"))
    for hour in (0, 2, 4):
        house.charged(hour=hour)
    while house.evaluate(batch).evaluated:
        pass

    assert house.money(paying).granted == 1


def test_points_of_more_than_a_year_ago_do_not_count(house: House) -> None:
    house.campaign(Fixed(points=100))
    paying = house.campaign(Fixed(points=1), Tier(least="gold"))
    for hour in (0, 2, 4):
        house.charged(hour=hour)
    house.charged(hour=364 * DAY)
    house.charged(hour=366 * DAY)
    house.clock.move_to(house.now + timedelta(days=367))
    house.evaluate()

    assert house.money(paying).granted == 1


def test_multipliers_come_last_and_one_after_the_other() -> None:
    campaign = running(Multiplier(percent=150), Fixed(points=33), Multiplier(percent=200))
    decision = campaign.appraise(session())

    assert [one.points for one in decision.judgements] == [33, 16, 49]
    assert decision.points == 98
    capped = running(Multiplier(percent=1_000), Fixed(points=9), session_points_max=20)
    assert capped.appraise(session()).points == 20


def test_better_evidence_is_judged_by_the_past_as_it_was(house: House) -> None:
    house.campaign(Fixed(points=100))
    rules = (PerKwh(points_per_kwh=2), Tier(least="silver"), FirstSessions(count=1), NewDriver(days=1))
    paying = house.campaign(*rules, Multiplier(percent=200, least_tier="silver"))
    house.charged(hour=0)
    house.evaluate()
    charged = house.charged(hour=2, evidence_level=2)
    house.evaluate()
    assert house.money(paying).held == 40
    house.charged(hour=4)
    house.evaluate()
    attest(house, charged, energy_wh=5_000)
    house.evaluate()
    house.settle()

    assert house.money(paying).granted == 20


def test_what_nobody_asks_for_is_not_looked_up() -> None:
    assert not running(Fixed(points=1)).asks
    assert running(Fixed(points=1), Tier(least="gold")).asks == {"year"}
    assert Past.of_facts(Past(1, 2, 3, 4, 5, 6).facts()) == Past(1, 2, 3, 4, 5, 6)


def test_a_run_ends_with_the_day_itself() -> None:
    campaign = running(Fixed(points=1), Streak(length=2))
    pasts = Pasts(campaign.asks)
    one = session(started_at=datetime(2026, 3, 4, 18, tzinfo=UTC))
    for day in (1, 2, 3, 5):
        pasts.add_session(one, date(2026, 3, day).isoformat())

    assert pasts.before(one, "2026-03-04").run_days == 4
    assert pasts.before(one, "2026-03-06").run_days == 2
    assert pasts.before(one, "2026-03-08").run_days == 1
