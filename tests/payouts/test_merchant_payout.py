"""A merchant is paid what it is owed by the same machine, to its settlement account."""

from __future__ import annotations

from uuid import UUID

import pytest

from nerava.kernel.ids import new_id
from nerava.ledger.chart import PAYOUT_CLEARING, merchant_payable
from nerava.payouts.errors import MethodNotReady, NotEnough, WrongPayoutState
from nerava.payouts.requesting import request_merchant_payout
from nerava.payouts.states import OwnerKind
from tests.payouts.till import Till


def ask(till: Till, merchant_id: UUID, amount: int, payout_id: UUID | None = None) -> UUID:
    """Ask for a payout as the settlement does."""
    wanted = payout_id or new_id()
    return till.database.run(
        lambda session: request_merchant_payout(
            session,
            till.books.ledger,
            payout_id=wanted,
            merchant_id=merchant_id,
            amount_minor=amount,
            currency="USD",
            requested_by="settlements",
            now=till.now,
        )
    )


def owed(till: Till, merchant_id: UUID) -> tuple[int, int]:
    """Return what a merchant is owed, and what of it is being paid."""
    balance = till.books.balance(merchant_payable(merchant_id))
    return balance.posted, balance.debits_pending


def test_a_merchant_is_paid_what_it_is_owed(till: Till) -> None:
    merchant_id = till.merchant(8_500)
    payout_id = ask(till, merchant_id, 8_500)
    assert ask(till, merchant_id, 8_500, payout_id) == payout_id
    assert owed(till, merchant_id) == (8_500, 8_500)

    till.approve(payout_id)
    till.drive()

    assert till.state(payout_id) == "paid"
    assert owed(till, merchant_id) == (0, 0)
    assert till.books.posted(PAYOUT_CLEARING) == [0]
    assert [one.amount_minor for one in till.bank.effective(payout_id)] == [8_500]


def test_what_was_not_paid_is_owed_again(till: Till) -> None:
    merchant_id = till.merchant(1_000)
    payout_id = ask(till, merchant_id, 1_000)
    till.approve(payout_id)
    till.bank.script("pay_out", "account_closed")
    till.drive()
    assert (till.state(payout_id), owed(till, merchant_id)) == ("failed", (1_000, 0))
    assert till.bank.effective(payout_id) == []


def test_more_than_is_owed_or_nowhere_to_pay_it_holds_nothing(till: Till) -> None:
    merchant_id = till.merchant(1_000)
    with pytest.raises(NotEnough):
        ask(till, merchant_id, 1_001)
    payout_id = ask(till, merchant_id, 400)
    with pytest.raises(WrongPayoutState):
        ask(till, merchant_id, 401, payout_id)
    with pytest.raises(NotEnough):
        ask(till, merchant_id, 601)
    stranger = new_id()
    with pytest.raises(MethodNotReady):
        ask(till, stranger, 100)
    till.method(OwnerKind.MERCHANT, stranger)
    with pytest.raises(NotEnough):
        ask(till, stranger, 100)
    assert owed(till, merchant_id) == (1_000, 400)
