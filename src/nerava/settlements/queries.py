"""Reading settlements and invoices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from sqlalchemy import select

from nerava.settlements.errors import UnknownInvoice, UnknownSettlement
from nerava.settlements.model import Invoice, InvoicePayment, Settlement, SettlementLine

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class SettlementFile(NamedTuple):
    """A settlement with everything that is on its statement."""

    settlement: Settlement
    lines: Sequence[SettlementLine]
    invoice: Invoice | None


class InvoiceFile(NamedTuple):
    """An invoice, the claims on it, and what was paid of it."""

    invoice: Invoice
    lines: Sequence[SettlementLine]
    payments: Sequence[InvoicePayment]


def settlements(
    session: Session,
    merchant_id: UUID | None,
    *,
    state: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Sequence[Settlement]:
    """Return settlements, the latest close first; of one merchant, or with None of all of them.

    With `before` those that follow that settlement in the list.
    """
    query = select(Settlement)
    if merchant_id is not None:
        query = query.where(Settlement.merchant_id == merchant_id)
    if state is not None:
        query = query.where(Settlement.state == state)
    if before is not None:
        last = select(Settlement.until_at).where(Settlement.id == before).scalar_subquery()
        query = query.where(
            (Settlement.until_at < last) | ((Settlement.until_at == last) & (Settlement.id < before))
        )
    order = (Settlement.until_at.desc(), Settlement.id.desc())
    return session.scalars(query.order_by(*order).limit(limit)).all()


def settlement_file(session: Session, merchant_id: UUID | None, settlement_id: UUID) -> SettlementFile:
    """Return a settlement with its lines, of this merchant if one is named.

    Raises:
        UnknownSettlement: There is none (404).
    """
    query = select(Settlement).where(Settlement.id == settlement_id)
    if merchant_id is not None:
        query = query.where(Settlement.merchant_id == merchant_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownSettlement(f"no settlement {settlement_id}")
    lines = select(SettlementLine).where(SettlementLine.settlement_id == settlement_id)
    invoice = select(Invoice).where(Invoice.settlement_id == settlement_id)
    return SettlementFile(
        found,
        session.scalars(lines.order_by(SettlementLine.number)).all(),
        session.scalars(invoice).one_or_none(),
    )


def invoices(
    session: Session,
    merchant_id: UUID | None,
    *,
    state: str | None = None,
    before: UUID | None = None,
    limit: int = 50,
) -> Sequence[Invoice]:
    """Return invoices, the highest number first; of one merchant, or with None of all of them."""
    query = select(Invoice)
    if merchant_id is not None:
        query = query.where(Invoice.merchant_id == merchant_id)
    if state is not None:
        query = query.where(Invoice.state == state)
    if before is not None:
        last = select(Invoice.year * 10_000_000 + Invoice.number).where(Invoice.id == before)
        query = query.where(Invoice.year * 10_000_000 + Invoice.number < last.scalar_subquery())
    return session.scalars(query.order_by(Invoice.year.desc(), Invoice.number.desc()).limit(limit)).all()


def invoice_file(session: Session, merchant_id: UUID | None, invoice_id: UUID) -> InvoiceFile:
    """Return an invoice with its claims and payments, of this merchant if one is named.

    Raises:
        UnknownInvoice: There is none (404).
    """
    query = select(Invoice).where(Invoice.id == invoice_id)
    if merchant_id is not None:
        query = query.where(Invoice.merchant_id == merchant_id)
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownInvoice(f"no invoice {invoice_id}")
    lines = select(SettlementLine).where(
        SettlementLine.settlement_id == found.settlement_id, SettlementLine.kind == "claim"
    )
    payments = select(InvoicePayment).where(InvoicePayment.invoice_id == invoice_id)
    return InvoiceFile(
        found,
        session.scalars(lines.order_by(SettlementLine.number)).all(),
        session.scalars(payments.order_by(InvoicePayment.paid_at, InvoicePayment.id)).all(),
    )
