"""Invoices for the fees of claims: numbered, netted, paid, written off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.kernel.ids import fact_id
from nerava.ledger import Status
from nerava.ledger.chart import (
    PLATFORM_ADJUSTMENTS,
    external_account,
    merchant_payable,
    merchant_receivable,
)
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.adjustment import AdjustmentCase, AdjustmentReason, adjustment
from nerava.ledger.templates.invoice_payment import invoice_payment
from nerava.ledger.templates.receivable_netting import receivable_netting
from nerava.settlements.errors import (
    InvoiceOver,
    NotOverdue,
    PaidTooMuch,
    PaymentDiffers,
    SettlementRefused,
    UnknownInvoice,
)
from nerava.settlements.model import Invoice, InvoicePayment, InvoiceSeries
from nerava.settlements.notices import tell
from nerava.settlements.periods import local_day_began
from nerava.settlements.states import UNPAID, Dunning, InvoiceState, NoticeKind, PaymentKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Ledger
    from nerava.merchants.service import MerchantView

DUE_AFTER_DAYS: Final = 14
BANK: Final = "bank"
"""The provider of payments that a person saw arrive."""

ACTOR: Final = "settlements"
_SERIES: Final[Any] = InvoiceSeries.__table__
_PAYMENT: Final[Any] = InvoicePayment.__table__


@dataclass(frozen=True, slots=True)
class WriteOff:
    """Who gives up what is open of an invoice: one asks, another agrees; opaque names."""

    approval_id: UUID
    asked_by: str
    approved_by: str


def number_of(invoice: Invoice) -> str:
    """Return the number of an invoice as people read it, for example `2026-000017`."""
    return f"{invoice.year}-{invoice.number:06}"


def issue(
    session: Session, merchant: MerchantView, settlement_id: UUID, amount: int, now: datetime
) -> Invoice:
    """Make the invoice of a settlement under the next number of the year, in the caller's transaction."""
    year = now.astimezone(UTC).year
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    first = dialect.insert(_SERIES).values(year=year, issued=1)
    # The row stays locked to the end of the transaction: whoever comes next waits, and no number is missing.
    next_one = first.on_conflict_do_update(index_elements=["year"], set_={"issued": _SERIES.c.issued + 1})
    number = session.execute(next_one.returning(_SERIES.c.issued)).scalar_one()
    due_on = date.fromisoformat(merchant.local_date(now)) + timedelta(days=DUE_AFTER_DAYS)
    invoice = Invoice(
        id=fact_id(f"invoice:{settlement_id}"),
        merchant_id=merchant.id,
        settlement_id=settlement_id,
        year=year,
        number=number,
        amount_minor=amount,
        currency=merchant.currency,
        timezone=merchant.timezone,
        issued_at=now,
        due_on=due_on.isoformat(),
        state=InvoiceState.OPEN.value,
        dunning=Dunning.NONE.value,
        next_at=local_day_began(due_on + timedelta(days=1), merchant.timezone),
    )
    session.add(invoice)
    session.flush()
    return invoice


def open_amount(session: Session, invoice: Invoice) -> int:
    """Return what is not paid of an invoice, in minor units."""
    paid = select(func.coalesce(func.sum(_PAYMENT.c.amount_minor), 0)).where(
        _PAYMENT.c.invoice_id == invoice.id
    )
    return invoice.amount_minor - int(session.execute(paid).scalar_one())


def net(session: Session, ledger: Ledger, merchant_id: UUID, settlement_id: UUID, now: datetime) -> int:
    """Pay a merchant's invoices, the oldest first, out of what it is owed; return how much went to them."""
    owed = balance_now(session, merchant_payable(merchant_id)).available
    unpaid = (
        select(Invoice)
        .where(Invoice.merchant_id == merchant_id, Invoice.state.in_([one.value for one in UNPAID]))
        .order_by(Invoice.year, Invoice.number)
        .with_for_update(key_share=True)
    )
    netted = 0
    for invoice in session.scalars(unpaid).all():
        amount = min(open_amount(session, invoice), owed - netted)
        if amount <= 0:
            break
        chain = receivable_netting(
            invoice_id=invoice.id,
            settlement_id=settlement_id,
            merchant_id=merchant_id,
            amount=amount,
            actor=ACTOR,
        )
        post(session, ledger, chain)
        _note(session, invoice, chain, PaymentKind.NETTING, amount=amount, now=now)
        netted += amount
    return netted


def pay_by_bank(
    session: Session,
    ledger: Ledger,
    invoice_id: UUID,
    *,
    reference: str,
    amount: int,
    actor: str,
    now: datetime,
) -> Invoice:
    """Book a transfer that has cleared, in the caller's transaction. The same one repeats safely.

    Args:
        session: The caller's transaction.
        ledger: Where the money moves.
        invoice_id: What was paid, in full or in part.
        reference: The bank's name for the transfer; it counts once.
        amount: In minor units.
        actor: Who saw it arrive.
        now: Aware UTC.

    Raises:
        UnknownInvoice: There is none (404).
        PaymentDiffers: The transfer was booked for something else (409).
        InvoiceOver: Nothing is open (409).
        PaidTooMuch: It is more than what is open (409).
        SwitchedOff: Money is stopped (503).
    """
    invoice = locked(session, invoice_id)
    known = session.execute(select(_PAYMENT).where(_PAYMENT.c.reference == reference)).one_or_none()
    if known is not None:
        if (known.invoice_id, known.amount_minor) != (invoice_id, amount):
            raise PaymentDiffers
        return invoice
    still = _open(session, invoice)
    if amount > still:
        raise PaidTooMuch(f"{still} minor units are open")
    ledger.open(session, [external_account(BANK, invoice.currency)])
    chain = invoice_payment(
        reference=reference, merchant_id=invoice.merchant_id, provider=BANK, amount=amount, actor=actor
    )
    post(session, ledger, chain)
    _note(session, invoice, chain, PaymentKind.BANK, amount=amount, now=now, reference=reference)
    return invoice


def write_off(session: Session, ledger: Ledger, invoice_id: UUID, why: WriteOff, now: datetime) -> Invoice:
    """Give up what is open of an overdue invoice, in the caller's transaction.

    Raises:
        UnknownInvoice: There is none (404).
        InvoiceOver: Nothing is open (409).
        NotOverdue: It is in time (409).
        SwitchedOff: Money is stopped (503).
    """
    invoice = locked(session, invoice_id)
    amount = _open(session, invoice)
    if invoice.state != InvoiceState.OVERDUE:
        raise NotOverdue
    chain = adjustment(
        adjustment_id=why.approval_id,
        debit=PLATFORM_ADJUSTMENTS,
        credit=merchant_receivable(invoice.merchant_id),
        amount=amount,
        case=AdjustmentCase(AdjustmentReason.WRITE_OFF, asked_by=why.asked_by, approved_by=why.approved_by),
        metadata={"invoice_id": str(invoice_id)},
    )
    post(session, ledger, chain)
    _note(session, invoice, chain, PaymentKind.WRITE_OFF, amount=amount, now=now)
    return invoice


def locked(session: Session, invoice_id: UUID) -> Invoice:
    """Return an invoice under its lock.

    Raises:
        UnknownInvoice: There is none (404).
    """
    query = select(Invoice).where(Invoice.id == invoice_id).with_for_update(key_share=True)
    invoice = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if invoice is None:
        raise UnknownInvoice(f"no invoice {invoice_id}")
    return invoice


def post(session: Session, ledger: Ledger, chain: Chain) -> None:
    """Post a chain that the rows say is possible, in the caller's transaction.

    Raises:
        SwitchedOff: Money is stopped (503).
        SettlementRefused: The ledger says otherwise (409).
    """
    verdict = ledger.post(session, chain)
    if verdict.status is Status.SWITCHED_OFF:
        raise SwitchedOff
    if verdict.status is not Status.POSTED:
        raise SettlementRefused(f"the ledger said {verdict.status}", status=verdict.status)


def _open(session: Session, invoice: Invoice) -> int:
    if invoice.state not in UNPAID:
        raise InvoiceOver
    return open_amount(session, invoice)


def _note(
    session: Session,
    invoice: Invoice,
    chain: Chain,
    kind: PaymentKind,
    *,
    amount: int,
    now: datetime,
    reference: str | None = None,
) -> None:
    session.execute(
        insert(_PAYMENT).values(
            id=fact_id(f"invoice_payment:{chain.key}"),
            invoice_id=invoice.id,
            kind=kind.value,
            amount_minor=amount,
            reference=reference,
            transaction_key=chain.key,
            paid_at=now,
        )
    )
    if open_amount(session, invoice) > 0:
        return
    ended = InvoiceState.WRITTEN_OFF if kind is PaymentKind.WRITE_OFF else InvoiceState.PAID
    change = update(Invoice).where(Invoice.id == invoice.id, Invoice.state == invoice.state)
    session.execute(
        change.values(state=ended.value, ended_at=now, next_at=None).execution_options(
            synchronize_session="fetch"
        )
    )
    session.refresh(invoice)
    said = NoticeKind.WRITTEN_OFF if kind is PaymentKind.WRITE_OFF else NoticeKind.PAID
    # In the list only: nobody has to do anything about it.
    tell(session, lambda *_: 0, invoice.merchant_id, said, invoice.id, now=now)
