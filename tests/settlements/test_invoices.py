"""Fees of claims: invoiced under dense numbers, netted, paid, reminded of, written off; payouts above a minimum."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_ADJUSTMENTS, PLATFORM_FEES, merchant_payable
from nerava.merchants.service import MerchantState, merchant
from nerava.settlements.closing import AFTER
from nerava.settlements.errors import (
    InvoiceOver,
    NotOverdue,
    PaidTooMuch,
    PaymentDiffers,
    UnknownInvoice,
)
from nerava.settlements.invoicing import WriteOff, number_of, pay_by_bank, write_off
from nerava.settlements.model import Invoice
from nerava.settlements.periods import local_day_began
from nerava.settlements.terms import agree_netting
from tests.helpers.parallel import in_parallel
from tests.settlements.counter import BEGAN, ZONE, Counter

if TYPE_CHECKING:
    from datetime import date
    from uuid import UUID

SOON = AFTER + timedelta(minutes=1)
FEBRUARY = datetime(2026, 2, 1, 6, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, 6, tzinfo=UTC)
APRIL = datetime(2026, 4, 1, 5, tzinfo=UTC)


def pay(counter: Counter, invoice_id: UUID, amount: int, reference: str = "wire-1") -> Invoice:
    """Let ops book a transfer for an invoice."""
    return counter.database.run(
        lambda session: pay_by_bank(
            session,
            counter.ledger,
            invoice_id,
            reference=reference,
            amount=amount,
            actor="ops:finance:1",
            now=counter.clock.now(),
        )
    )


def give_up(counter: Counter, invoice_id: UUID) -> Invoice:
    """Let two people write an invoice off."""
    why = WriteOff(new_id(), "ops:finance:1", "ops:finance:2")
    now = counter.clock.now()
    return counter.database.run(lambda session: write_off(session, counter.ledger, invoice_id, why, now))


def day(counter: Counter, days: int) -> datetime:
    """Return the instant at which the local day begins that is so many after the due date."""
    due: date = datetime.fromisoformat(counter.invoices()[0].due_on).date()
    return local_day_began(due + timedelta(days=days), ZONE)


def test_the_claims_of_a_period_are_one_invoice_that_is_due_in_fourteen_local_days(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.claim(0, BEGAN)
    counter.claim(150, FEBRUARY)

    (january,) = counter.close(FEBRUARY + SOON)
    (invoice,) = counter.invoices()

    assert (january.claim_fees_minor, invoice.amount_minor, invoice.state) == (100, 100, "open")
    assert (number_of(invoice), invoice.due_on) == ("2026-000001", "2026-02-15")
    assert counter.money == (0, 0, -250)
    counter.close(MARCH + SOON)
    assert [(number_of(one), one.amount_minor) for one in counter.invoices()] == [
        ("2026-000001", 100),
        ("2026-000002", 150),
    ]


def test_an_agreed_netting_pays_the_oldest_invoices_out_of_what_is_owed(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    counter.database.run(lambda session: agree_netting(session, counter.merchant_id, nets_fees=True))
    counter.claim(300, FEBRUARY + timedelta(days=1))
    counter.sell(200, FEBRUARY + timedelta(days=1))

    february = counter.close(MARCH + SOON)[-1]

    assert (february.net_minor, february.netted_minor) == (170, 170)
    assert [one.state for one in counter.invoices()] == ["paid", "open"]
    assert counter.money == (0, 0, -230)
    counter.sell(1_000, MARCH + timedelta(days=1))
    counter.close(APRIL + SOON)
    assert [one.state for one in counter.invoices()] == ["paid", "paid"]
    assert counter.money == (0, 850 - 230, 0)


def test_without_an_agreement_nothing_is_netted(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.sell(1_000, BEGAN)
    counter.close(FEBRUARY + SOON)

    assert counter.money == (0, 850, -100)


def test_a_bank_transfer_pays_an_invoice_once_and_never_too_much(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    (invoice,) = counter.invoices()

    with pytest.raises(PaidTooMuch):
        pay(counter, invoice.id, 101)
    with pytest.raises(UnknownInvoice):
        pay(counter, new_id(), 100)
    assert pay(counter, invoice.id, 40).state == "open"
    assert pay(counter, invoice.id, 40).state == "open"
    with pytest.raises(PaymentDiffers):
        pay(counter, invoice.id, 60)
    assert pay(counter, invoice.id, 60, "wire-2").state == "paid"
    with pytest.raises(InvoiceOver):
        pay(counter, invoice.id, 1, "wire-3")
    assert counter.money == (0, 0, 0)
    counter.remind(day(counter, 40))
    assert counter.invoices()[0].dunning == "none"


def test_sixteen_who_book_one_transfer_book_it_once(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    (invoice,) = counter.invoices()

    in_parallel(16, lambda _: pay(counter, invoice.id, 100).state)

    assert counter.money == (0, 0, 0)


def test_an_unpaid_invoice_is_reminded_of_twice_and_then_stops_the_offers(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    instant = timedelta(microseconds=1)

    def after(at: datetime) -> tuple[str, str, MerchantState]:
        counter.remind(at)
        (invoice,) = counter.invoices()
        state = counter.database.read(lambda session: merchant(session, counter.merchant_id)).state
        return invoice.state, invoice.dunning, state

    assert after(day(counter, 1) - instant) == ("open", "none", MerchantState.ACTIVE)
    assert after(day(counter, 1)) == ("overdue", "none", MerchantState.ACTIVE)
    assert after(day(counter, 7)) == ("overdue", "reminded", MerchantState.ACTIVE)
    # The 8th of March has 23 hours in Chicago; the 14th day begins an hour earlier all the same.
    assert after(day(counter, 14)) == ("overdue", "warned", MerchantState.ACTIVE)
    assert after(day(counter, 30) - instant) == ("overdue", "warned", MerchantState.ACTIVE)
    assert after(day(counter, 30)) == ("overdue", "suspended", MerchantState.SUSPENDED)
    assert counter.told() == [
        "settlement.closed",
        "invoice.issued",
        "invoice.overdue",
        "invoice.reminded",
        "invoice.warned",
        "invoice.suspended",
    ]


def test_a_reminder_that_eight_workers_send_is_sent_once(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    at = day(counter, 1)

    in_parallel(8, lambda _: counter.remind(at))

    assert counter.told().count("invoice.overdue") == 1


def test_what_is_overdue_is_written_off_and_nothing_else(counter: Counter) -> None:
    counter.claim(100, BEGAN)
    counter.close(FEBRUARY + SOON)
    (invoice,) = counter.invoices()
    with pytest.raises(NotOverdue):
        give_up(counter, invoice.id)
    counter.remind(day(counter, 1))
    pay(counter, invoice.id, 30)

    assert give_up(counter, invoice.id).state == "written_off"

    assert counter.money == (0, 0, 0)
    assert counter.books.posted(PLATFORM_ADJUSTMENTS, PLATFORM_FEES) == [-70, 100]
    with pytest.raises(InvoiceOver):
        give_up(counter, invoice.id)


def test_too_little_rolls_over_until_it_is_enough(counter: Counter) -> None:
    counter.can_be_paid()
    counter.sell(1_000, BEGAN)
    counter.close(FEBRUARY + SOON)
    first = counter.pay(FEBRUARY + SOON)
    assert (first.state, first.waits_for) == ("rolled_over", "minimum")
    counter.sell(500, FEBRUARY)
    counter.close(MARCH + SOON)

    second = counter.pay(MARCH + SOON)

    assert (second.state, second.payout_minor) == ("requested", 850 + 425)
    balance = counter.books.balance(merchant_payable(counter.merchant_id))
    assert (balance.posted, balance.available) == (1_275, 0)


def test_a_payout_waits_for_an_account_and_says_so(counter: Counter) -> None:
    counter.sell(2_000, BEGAN)
    counter.close(FEBRUARY + SOON)
    waiting = counter.pay(FEBRUARY + SOON)
    assert (waiting.state, waiting.waits_for) == ("waiting", "method")
    assert "settlement.no-method" in counter.told()
    counter.can_be_paid()

    assert counter.pay(FEBRUARY + SOON + timedelta(minutes=59)).state == "waiting"
    assert counter.pay(FEBRUARY + SOON + timedelta(hours=1)).payout_minor == 1_700


def test_what_waits_goes_out_with_the_next_settlement(counter: Counter) -> None:
    counter.sell(2_000, BEGAN)
    counter.close(FEBRUARY + SOON)
    counter.pay(FEBRUARY + SOON)
    counter.sell(2_000, FEBRUARY)
    counter.close(MARCH + SOON)
    counter.can_be_paid()

    latest = counter.pay(MARCH + SOON)

    assert [one.state for one in counter.settlements()] == ["rolled_over", "requested"]
    assert latest.payout_minor == 3_400


def test_eight_workers_ask_for_one_payout(counter: Counter) -> None:
    counter.can_be_paid()
    counter.sell(2_000, BEGAN)
    counter.close(FEBRUARY + SOON)
    at = FEBRUARY + SOON

    in_parallel(8, lambda _: counter.paying().run(at))

    assert counter.pay(at).payout_minor == 1_700
    assert counter.books.balance(merchant_payable(counter.merchant_id)).available == 0
