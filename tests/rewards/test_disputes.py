"""Disputed payments beside the ledger: where money goes that comes back, and who meets whom at the same time."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from nerava.ledger.chart import external, sponsor_prepaid, sponsor_receivable
from nerava.rewards.checkout_store import SponsorCheckout
from nerava.rewards.dispute_money import DisputeSums, share_out
from nerava.rewards.dispute_store import SponsorDispute, SponsorDisputeMovement
from nerava.rewards.ports import DisputeState
from nerava.rewards.sponsor_stops import stopped_since
from tests.helpers.financial_helpers import PROVIDER
from tests.helpers.parallel import in_parallel
from tests.rewards.disputing import BACK, TAKEN, Desk
from tests.rewards.house import House

MONEY: Final = st.integers(0, 10**9)


@given(MONEY, MONEY, MONEY, st.integers(1, 10**9))
def test_what_comes_back_is_shared_out_to_the_cent(
    taken: int, collected: int, owes: int, amount: int
) -> None:
    sums = DisputeSums(taken=taken, collected=min(taken, collected))
    owed, deposits, house = share_out(sums, amount, owes)
    assert min(owed, deposits, house) >= 0
    assert owed + deposits + house == amount
    assert owed <= min(owes, sums.owed)
    assert deposits <= sums.collected


def balance(house: House, code: str) -> int:
    return house.ledger.balance(code).posted


def test_a_payment_and_its_dispute_that_come_at_the_same_moment_meet(house: House) -> None:
    desk = Desk(house)
    for _ in range(8):
        payment = desk.asked(house.run_sponsor(1))
        dispute = desk.disputed(payment, DisputeState.OPEN)

        def both(number: int, dispute: str = dispute) -> object:
            return desk.tell(dispute) if number else desk.book()

        in_parallel(2, both)
    unmet = select(func.count()).where(SponsorDispute.sponsor_id.is_(None))
    paid = select(SponsorCheckout.sponsor_id).where(SponsorCheckout.state == "paid")
    assert house.database.read(lambda session: session.scalar(unmet)) == 0
    sponsors = house.database.read(lambda session: list(session.scalars(paid)))
    assert len(sponsors) == 8
    stopped = house.database.read(lambda session: [stopped_since(session, one) for one in sponsors])
    assert None not in stopped


def test_many_who_read_one_dispute_book_each_of_its_lines_once(house: House) -> None:
    desk = Desk(house)
    sponsor = house.run_sponsor(1)
    payment = desk.asked(sponsor)
    desk.book()
    before = balance(house, external(PROVIDER))
    dispute = desk.disputed(payment, DisputeState.WON, TAKEN, BACK)

    def work(number: int) -> object:
        return desk.tell(dispute) if number % 2 else desk.read()

    in_parallel(16, work)
    desk.tell(dispute)
    assert desk.read() == 1
    row = house.database.read(lambda session: session.scalars(select(SponsorDispute)).one())
    assert (row.state, row.trouble, row.due_at) == ("won", None, None)
    lines = select(func.count()).select_from(SponsorDisputeMovement)
    assert house.database.read(lambda session: session.scalar(lines)) == 2
    assert balance(house, external(PROVIDER)) == before + TAKEN.fee_minor
    assert balance(house, sponsor_receivable(sponsor)) == 0
    assert house.database.read(lambda session: stopped_since(session, sponsor)) is None


def test_two_lost_disputes_of_one_sponsor_share_its_deposits(house: House) -> None:
    desk = Desk(house)
    sponsor = house.run_sponsor(500)
    disputes = [desk.disputed(desk.asked(sponsor), DisputeState.LOST, TAKEN) for _ in range(2)]
    desk.book()
    in_parallel(2, lambda number: desk.tell(disputes[number]))
    in_parallel(4, lambda _number: desk.read())
    assert balance(house, sponsor_prepaid(sponsor)) == 500
    assert balance(house, sponsor_receivable(sponsor)) == 0
    # The house's own deposit pays no more than was lost.
    assert desk.read() == 0


def test_a_line_in_another_currency_is_not_booked_and_waits_for_a_person(house: House) -> None:
    desk = Desk(house)
    payment = desk.asked()
    desk.book()
    other: Any = type(TAKEN)("txn_eur", -900, 10, "EUR")
    dispute = desk.disputed(payment, DisputeState.OPEN, other)
    before = balance(house, external(PROVIDER))
    desk.tell(dispute)
    desk.read()
    row = house.database.read(lambda session: session.scalars(select(SponsorDispute)).one())
    assert (row.state, row.trouble) == ("open", "other-currency")
    assert row.due_at is not None
    assert balance(house, external(PROVIDER)) == before


def test_what_is_told_while_a_dispute_is_read_is_read_once_more(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(house)
    payment = desk.asked()
    desk.book()
    dispute = desk.disputed(payment, DisputeState.OPEN, TAKEN)
    desk.tell(dispute)
    answer = desk.bank.dispute

    def while_reading(name: str) -> Any:
        read = answer(name)
        monkeypatch.undo()
        desk.disputed(payment, DisputeState.WON, TAKEN, BACK)
        desk.tell(dispute)
        return read

    monkeypatch.setattr(desk.bank, "dispute", while_reading)
    desk.read()
    # What was read before the news counts for nothing, and the news is due at once.
    assert desk.read() == 1
    row = house.database.read(lambda session: session.scalars(select(SponsorDispute)).one())
    assert (row.state, row.due_at) == ("won", None)
