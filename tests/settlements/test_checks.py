"""Every check of settlements finds what it looks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.kernel.ids import new_id
from nerava.settlements.closing import AFTER
from nerava.settlements.model import (
    Invoice,
    InvoicePayment,
    InvoiceSeries,
    Settlement,
    SettlementLine,
)
from nerava.settlements.terms import agree_netting
from tests.settlements.counter import BEGAN, Counter, open_counter

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.platform.db import Database

FEBRUARY = datetime(2026, 2, 1, 6, tzinfo=UTC)

BREAKS: dict[str, Callable[[Counter], None]] = {
    "settlements-are-posted": lambda counter: counter.set(Settlement, transaction_key=new_id()),
    "settlements-are-split-exactly": lambda counter: counter.set(Settlement, fee_bps=1),
    "settlement-lines-add-up": lambda counter: counter.set(SettlementLine, amount=7),
    "settlements-follow-each-other": lambda counter: counter.set(Settlement, carried_in=5, carried_out=5),
    "what-is-over-is-settled": lambda counter: counter.set(SettlementLine, amount=7),
    "settlement-payouts-exist": lambda counter: counter.set(
        Settlement, state="requested", payout_id=new_id(), payout_minor=5
    ),
    "invoices-are-of-settlements": lambda counter: counter.set(Invoice, amount_minor=107),
    "invoice-numbers-are-dense": lambda counter: counter.set(InvoiceSeries, issued=2),
    "invoices-are-paid-as-they-say": lambda counter: counter.set(InvoicePayment, amount_minor=99),
    "invoice-payments-are-posted": lambda counter: counter.set(InvoicePayment, amount_minor=99),
    "receivables-are-claims-not-paid": lambda counter: counter.set(InvoicePayment, amount_minor=99),
}


@pytest.mark.in_turn
@pytest.mark.parametrize("check", BREAKS)
def test_a_break_is_found_by_the_check_that_looks_for_it(database: Database, check: str) -> None:
    with open_counter(database) as counter:
        counter.database.run(lambda session: agree_netting(session, counter.merchant_id, nets_fees=True))
        counter.claim(100, BEGAN)
        counter.sell(500, BEGAN)
        counter.close(FEBRUARY + AFTER + timedelta(minutes=1))
        assert counter.findings() == []

        BREAKS[check](counter)

        assert check in {one.check for one in counter.findings()}
