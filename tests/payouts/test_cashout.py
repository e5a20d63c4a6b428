"""A driver's cash-out from the wish to the bank, and every way it can be refused."""

from __future__ import annotations

from datetime import timedelta

from nerava.payouts.ports import BankState
from tests.payouts.till import FEE, Till


def test_a_cash_out_is_held_let_go_submitted_and_paid(till: Till) -> None:
    person = till.person(10_000)

    payout_id = till.ask(person, 1_000)
    assert till.state(payout_id) == "requested"
    assert till.money(person) == (10_000, 1_000 + FEE, 0, 0)
    assert till.drive() == 0

    till.approve(payout_id)
    assert till.drive() == 2
    assert till.state(payout_id) == "paid"
    assert till.money(person) == (10_000 - 1_000 - FEE, 0, 0, 1_000)
    (sent,) = till.bank.effective(payout_id)
    assert (sent.account, sent.amount_minor) == (person.account, 1_000)
    assert till.evidence(payout_id) == [("reply", "transfer"), ("reply", "bank_payout")]


def test_paid_means_the_bank_and_not_the_transfer(till: Till) -> None:
    till.bank.pays_at_once = False
    person = till.person(10_000)
    payout_id = till.approved(person)

    till.drive()
    assert till.state(payout_id) == "submitted"
    assert till.money(person)[2:] == (1_000, 0)
    till.bank.bank_says(payout_id, BankState.IN_TRANSIT)
    till.wait(minutes=2)
    till.drive()
    assert till.state(payout_id) == "submitted"
    till.bank.bank_says(payout_id, BankState.PAID)
    till.wait(days=1)
    till.drive()
    assert till.state(payout_id) == "paid"
    assert till.money(person)[2:] == (0, 1_000)


def test_what_the_bank_sends_back_after_it_was_paid_is_returned_and_the_next_payout_is_reviewed(
    till: Till,
) -> None:
    person = till.person(10_000)
    payout_id = till.approved(person)
    till.drive()
    till.wait(days=3)
    till.drive()
    assert till.state(payout_id) == "paid"

    till.bank.bank_says(payout_id, BankState.FAILED, "account_closed")
    till.wait(days=1)
    till.drive()

    assert till.state(payout_id) == "returned"
    assert till.payout(payout_id).reason == "account_closed"
    assert till.bank.effective(payout_id) == []
    assert till.money(person) == (10_000, 0, 0, 0)
    assert till.payout(till.ask(person, session_id=None)).flags == ["last-payout-returned"]


def test_a_paid_payout_is_watched_for_ten_days_and_then_left_alone(till: Till) -> None:
    payout_id = till.approved(till.person())
    till.drive()
    for _ in range(11):
        till.wait(days=1)
        till.drive()
    assert till.payout(payout_id).next_at is None
    assert till.payout(payout_id).step == "over"
    assert till.now - (till.payout(payout_id).paid_at or till.now) > timedelta(days=10)
