"""Periods are closed once, in order, with every line frozen; nothing is lost and nothing settled twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from nerava.ledger.chart import PLATFORM_FEES
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import turn_on
from nerava.merchants.errors import AlreadySettled
from nerava.settlements.closing import AFTER
from nerava.settlements.model import Settlement, SettlementLine
from nerava.settlements.states import Cadence
from nerava.settlements.terms import change_periods, terms_of
from tests.helpers.killing import Killed, KilledAt
from tests.helpers.parallel import in_parallel
from tests.settlements.counter import BEGAN, Counter

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

FEBRUARY = datetime(2026, 2, 1, 6, tzinfo=UTC)
"""The first instant of February in Chicago."""

MARCH = datetime(2026, 3, 1, 6, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 5, tzinfo=UTC)
INSTANT = timedelta(microseconds=1)
SOON = AFTER + timedelta(minutes=1)


def test_a_month_is_settled_with_the_fee_inside_and_its_lines_are_frozen(counter: Counter) -> None:
    sold = counter.sell(400, BEGAN)
    counter.give_back(sold, 67, BEGAN + timedelta(hours=1))

    assert counter.close(FEBRUARY + AFTER - INSTANT) == []
    (one,) = counter.close(FEBRUARY + SOON)

    assert (one.period, one.redeemed, one.refunded, one.points) == ("2026-01", 400, 67, 333)
    assert (one.net_minor, one.fee_minor, one.carried_in, one.carried_out) == (284, 49, 0, 0)
    assert counter.money == (0, 284, 0)
    assert counter.books.posted(PLATFORM_FEES) == [49]
    query = select(SettlementLine.kind, SettlementLine.amount, SettlementLine.title)
    lines = counter.database.read(
        lambda session: list(session.execute(query.order_by(SettlementLine.number)))
    )
    assert lines == [("redemption", 400, "=3.00 off"), ("refund", -67, "=3.00 off")]
    assert counter.told() == ["settlement.closed"]


def test_what_is_captured_at_the_boundary_belongs_to_the_next_period(counter: Counter) -> None:
    counter.sell(100, FEBRUARY - INSTANT)
    counter.sell(200, FEBRUARY)
    counter.sell(400, FEBRUARY + INSTANT)

    january, february = counter.close(MARCH + SOON)

    assert (january.points, february.points) == (100, 600)
    assert january.until_at == february.since_at == FEBRUARY


def test_missed_periods_are_closed_once_each_in_order(counter: Counter) -> None:
    counter.sell(100, BEGAN)
    counter.sell(300, MARCH + timedelta(days=3))

    found = counter.close(APRIL + timedelta(days=40))

    assert [(one.period, one.points) for one in found] == [
        ("2026-01", 100),
        ("2026-02", 0),
        ("2026-03", 300),
        ("2026-04", 0),
    ]
    assert counter.close(APRIL + timedelta(days=40))[-1].period == "2026-04"


def test_eight_workers_at_once_close_a_period_once(counter: Counter) -> None:
    counter.sell(500, BEGAN)
    at = FEBRUARY + SOON
    counter.clock.move_to(at)

    in_parallel(8, lambda _: counter.closing().run(at))
    counter.close(at)

    assert [one.points for one in counter.settlements()] == [500]
    assert counter.money == (0, 425, 0)


def test_eight_workers_with_one_claim_close_a_period_once(counter: Counter) -> None:
    counter.sell(500, BEGAN)
    at = APRIL + SOON  # Three periods are over, and the claim is good for one.
    counter.clock.move_to(at)
    closing = counter.closing()
    plan = counter.database.run(lambda session: terms_of(session, counter.merchant_id))
    assert plan.period == "2026-01"
    (claim,) = closing.claim(at)

    made = in_parallel(8, lambda _: counter.database.run(lambda session: closing.close(session, claim, at)))

    assert sum(one is not None for one in made) == 1
    assert len(counter.settlements()) == 1


def test_a_refund_after_the_close_goes_into_the_next_period_if_new_points_cover_it(counter: Counter) -> None:
    sold = counter.sell(500, BEGAN)
    counter.close(FEBRUARY + SOON)
    with pytest.raises(AlreadySettled):
        counter.give_back(sold, 100, FEBRUARY + timedelta(days=1))
    counter.sell(300, FEBRUARY + timedelta(days=2))
    counter.give_back(sold, 100, FEBRUARY + timedelta(days=3))

    january, february = counter.close(MARCH + SOON)

    assert (january.points, february.redeemed, february.refunded, february.points) == (500, 300, 100, 200)


def test_a_refund_between_the_end_and_the_close_is_carried_into_the_next_period(counter: Counter) -> None:
    sold = counter.sell(500, BEGAN)
    counter.give_back(sold, 200, FEBRUARY + timedelta(minutes=5))

    (january,) = counter.close(FEBRUARY + SOON)
    assert (january.redeemed, january.refunded, january.points, january.carried_out) == (500, 0, 300, 200)
    _, february = counter.close(MARCH + SOON)

    assert (february.carried_in, february.refunded, february.points, february.carried_out) == (200, 200, 0, 0)


def test_a_refund_that_hits_periods_that_were_missed_is_made_up_for_later(counter: Counter) -> None:
    sold = counter.sell(500, BEGAN)
    counter.give_back(sold, 400, FEBRUARY + timedelta(days=2))
    counter.sell(700, MARCH + timedelta(days=2))

    found = counter.close(APRIL + SOON)

    assert [(one.points, one.carried_out) for one in found] == [(500, 0), (0, -400), (300, 0)]


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "Pacific/Honolulu", "America/Phoenix"])
def test_a_change_of_zone_in_a_period_loses_nothing(counter: Counter, zone: str) -> None:
    counter.sell(100, FEBRUARY + timedelta(hours=1))
    counter.close(FEBRUARY + SOON)
    counter.database.run(lambda session: change_periods(session, counter.merchant_id, Cadence.MONTH, zone))
    counter.sell(200, MARCH - timedelta(hours=20))
    counter.sell(400, MARCH + timedelta(hours=20))

    found = counter.close(APRIL + timedelta(days=2))

    assert [one.period for one in found] == ["2026-01", "2026-02", "2026-03"]
    assert sum(one.points for one in found) == 700
    assert found[1].timezone == zone


def test_weeks_follow_a_month_without_a_gap(counter: Counter) -> None:
    counter.sell(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    changed = counter.database.run(
        lambda session: change_periods(session, counter.merchant_id, Cadence.WEEK, "America/Chicago")
    )
    assert changed.period == "2026-W05"
    counter.sell(200, FEBRUARY)
    counter.sell(400, FEBRUARY + timedelta(days=1))

    found = counter.close(FEBRUARY + timedelta(days=10))

    assert [(one.period, one.points) for one in found] == [
        ("2026-01", 100),
        ("2026-W05", 200),
        ("2026-W06", 400),
    ]


def test_money_that_is_stopped_waits_and_is_settled_later(counter: Counter) -> None:
    counter.sell(500, BEGAN)

    def stop(session: Session) -> None:
        turn_on(session, "money.all", by="ops:1", reason="test", now=FEBRUARY)

    counter.database.run(stop)
    with pytest.raises(SwitchedOff):
        counter.close(FEBRUARY + SOON)
    assert counter.settlements() == []


def _through(counter: Counter, killer: KilledAt) -> None:
    counter.sell(5_000, BEGAN)
    counter.claim(100, BEGAN)
    counter.can_be_paid()
    at = FEBRUARY + SOON
    for _ in range(6):
        counter.clock.move_to(at)
        try:
            counter.closing(killer).run(at)
            counter.paying(killer).run(at)
        except Killed:
            killer.number = -1
        at += timedelta(minutes=2)


@pytest.mark.in_turn
@pytest.mark.parametrize("number", range(9))
def test_a_process_that_ends_at_any_place_leaves_one_settlement_and_one_payout(
    counter: Counter, number: int
) -> None:
    killer = KilledAt(number)
    _through(counter, killer)

    places = set(killer.places)
    assert places == {
        "close: claimed",
        "close: posted",
        "close: written",
        "close: committed",
        "pay: claimed",
        "pay: written",
        "pay: committed",
    }
    (one,) = counter.settlements()
    assert (one.points, one.state, one.payout_minor) == (5_000, "requested", 4_250)
    assert [(invoice.year, invoice.number) for invoice in counter.invoices()] == [(2026, 1)]
    count = select(func.count()).select_from(Settlement)
    assert counter.database.read(lambda session: session.scalar(count)) == 1
