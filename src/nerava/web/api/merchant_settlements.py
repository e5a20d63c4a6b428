"""What a merchant is owed and owes: settlements with their statements, invoices, news, and the terms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from nerava.identity.guard import TenantId
from nerava.merchants.errors import UnknownMerchant
from nerava.merchants.service import merchant
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.privacy.csv_cells import csv_text
from nerava.settlements import queries, terms
from nerava.settlements.errors import UnknownInvoice, UnknownSettlement
from nerava.settlements.invoicing import number_of
from nerava.settlements.model import Invoice, SettlementLine
from nerava.settlements.notices import notices
from nerava.settlements.queries import InvoiceFile, SettlementFile
from nerava.settlements.statement import COLUMNS, rows_of
from nerava.settlements.statement_pdf import pdf_of
from nerava.settlements.states import (
    Cadence,
    Dunning,
    InvoiceState,
    LineKind,
    NoticeKind,
    PaymentKind,
    SettlementState,
    Waits,
)
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("merchant: settlements")

CSV: Final = "text/csv; charset=utf-8"
PDF: Final = "application/pdf"
_READS: Final = Policy(roles=("merchant:owner", "merchant:manager"), scope="merchant:read")


class SettlementOut(BaseModel):
    """A period that is closed. `carried_in + redeemed - refunded = points + carried_out`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    period: str = Field(description="2026-03, or 2026-W10, in the merchant's calendar")
    timezone: str
    since_at: datetime
    until_at: datetime = Field(description="The first instant that is not in it")
    currency: str
    carried_in: int
    redeemed: int = Field(description="Nova that were captured")
    refunded: int = Field(description="Nova that were given back")
    carried_out: int = Field(description="What had been given back before the close; the next period has it")
    points: int = Field(description="Nova that were settled, each worth one minor unit")
    fee_bps: int
    net_minor: int
    fee_minor: int
    claim_fees_minor: int = Field(description="On the invoice of this settlement")
    netted_minor: int = Field(description="What of the net went to invoices at once")
    state: SettlementState
    waits_for: Waits | None
    payout_id: UUID | None
    payout_minor: int | None
    closed_at: datetime


class SettlementLineOut(BaseModel):
    """One redemption, refund or claim, as it was when the period was closed."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    kind: LineKind
    source_id: UUID
    amount: int = Field(description="Nova, those given back below 0; of a claim its fee in minor units")
    title: str
    happened_at: datetime


class InvoiceOut(BaseModel):
    """What a merchant owes for the claims of one period."""

    id: UUID
    number: str
    settlement_id: UUID
    amount_minor: int
    currency: str
    issued_at: datetime
    due_on: str = Field(description="The last local date on which it is in time")
    state: InvoiceState
    dunning: Dunning

    @classmethod
    def of(cls, one: Invoice) -> InvoiceOut:
        """Return the wire form of an invoice."""
        return cls(
            id=one.id,
            number=number_of(one),
            settlement_id=one.settlement_id,
            amount_minor=one.amount_minor,
            currency=one.currency,
            issued_at=one.issued_at,
            due_on=one.due_on,
            state=InvoiceState(one.state),
            dunning=Dunning(one.dunning),
        )


class SettlementFileOut(BaseModel):
    """A settlement with its lines and its invoice."""

    settlement: SettlementOut
    lines: list[SettlementLineOut]
    invoice: InvoiceOut | None

    @classmethod
    def of(cls, file: SettlementFile) -> SettlementFileOut:
        """Return the wire form of a settlement."""
        return cls(
            settlement=SettlementOut.model_validate(file.settlement),
            lines=_lines(file.lines),
            invoice=None if file.invoice is None else InvoiceOut.of(file.invoice),
        )


class InvoicePaymentOut(BaseModel):
    """A part of an invoice that is paid, or was given up."""

    model_config = ConfigDict(from_attributes=True)

    kind: PaymentKind
    amount_minor: int
    paid_at: datetime


class InvoiceFileOut(BaseModel):
    """An invoice with its claims and its payments."""

    invoice: InvoiceOut
    lines: list[SettlementLineOut]
    payments: list[InvoicePaymentOut]
    open_minor: int = Field(description="What is not paid")

    @classmethod
    def of(cls, file: InvoiceFile) -> InvoiceFileOut:
        """Return the wire form of an invoice with everything about it."""
        return cls(
            invoice=InvoiceOut.of(file.invoice),
            lines=_lines(file.lines),
            payments=[InvoicePaymentOut.model_validate(one) for one in file.payments],
            open_minor=file.invoice.amount_minor - sum(one.amount_minor for one in file.payments),
        )


class NoticeOut(BaseModel):
    """Something that the merchant was told."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: NoticeKind
    subject_id: UUID = Field(description="The settlement or the invoice")
    told_at: datetime


class TermsOut(BaseModel):
    """How the merchant is settled, and the period under way."""

    model_config = ConfigDict(from_attributes=True)

    cadence: Cadence
    timezone: str
    nets_fees: bool = Field(description="Whether invoices are paid out of what is owed to the merchant")
    period: str
    since_at: datetime
    until_at: datetime


class NettingIn(Body):
    """Whether invoices are paid out of what is owed."""

    nets_fees: Annotated[bool, Field(strict=True)]


@routes.get("/merchant/settlements", summary="The periods that are closed")
@guarded(_READS)
def list_settlements(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[SettlementOut]:
    """Return settlements, the latest first."""
    before = after_id(cursor)

    def look(session: Session) -> list[SettlementOut]:
        found = queries.settlements(session, merchant_id, before=before, limit=limit)
        return [SettlementOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/merchant/settlements/{settlement_id}.csv",
    summary="The statement of a settlement as CSV",
    response_class=Response,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}},
            "description": "The lines, then the sums",
        },
        **problems(UnknownSettlement),
    },
)
@guarded(_READS)
def statement_csv(settlement_id: UUID, merchant_id: TenantId, wired: Wired) -> Response:
    """Return the lines and sums of a settlement; no cell is a formula."""
    file = wired.database.read(lambda session: queries.settlement_file(session, merchant_id, settlement_id))
    text = csv_text(COLUMNS, [row.cells for row in rows_of(file)])
    named = f'attachment; filename="settlement-{file.settlement.period}.csv"'
    return Response(text, media_type=CSV, headers={"Content-Disposition": named})


@routes.get(
    "/merchant/settlements/{settlement_id}.pdf",
    summary="The statement of a settlement as PDF",
    response_class=Response,
    responses={
        200: {
            "content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}},
            "description": "The lines, then the sums",
        },
        **problems(UnknownSettlement),
    },
)
@guarded(_READS)
def statement_pdf(settlement_id: UUID, merchant_id: TenantId, wired: Wired) -> Response:
    """Return the lines and sums of a settlement on paper; the same bytes each time."""

    def look(session: Session) -> tuple[SettlementFile, str]:
        found = queries.settlement_file(session, merchant_id, settlement_id)
        return found, merchant(session, merchant_id).name

    file, name = wired.database.read(look)
    named = f'attachment; filename="settlement-{file.settlement.period}.pdf"'
    return Response(pdf_of(file, name), media_type=PDF, headers={"Content-Disposition": named})


@routes.get(
    "/merchant/settlements/{settlement_id}",
    summary="One settlement with its lines",
    responses=problems(UnknownSettlement),
)
@guarded(_READS)
def one_settlement(settlement_id: UUID, merchant_id: TenantId, wired: Wired) -> SettlementFileOut:
    """Return a settlement, what it consists of, and the invoice of its claims."""
    return wired.database.read(
        lambda session: SettlementFileOut.of(queries.settlement_file(session, merchant_id, settlement_id))
    )


@routes.get("/merchant/invoices", summary="Invoices for the fees of claims")
@guarded(_READS)
def list_invoices(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[InvoiceOut]:
    """Return invoices, the highest number first."""
    before = after_id(cursor)

    def look(session: Session) -> list[InvoiceOut]:
        found = queries.invoices(session, merchant_id, before=before, limit=limit)
        return [InvoiceOut.of(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get("/merchant/invoices/{invoice_id}", summary="One invoice", responses=problems(UnknownInvoice))
@guarded(_READS)
def one_invoice(invoice_id: UUID, merchant_id: TenantId, wired: Wired) -> InvoiceFileOut:
    """Return an invoice with its claims and what was paid of it."""
    return wired.database.read(
        lambda session: InvoiceFileOut.of(queries.invoice_file(session, merchant_id, invoice_id))
    )


@routes.get("/merchant/notices", summary="What the merchant was told")
@guarded(_READS)
def list_notices(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[NoticeOut]:
    """Return news about settlements and invoices, the latest first."""
    before = after_id(cursor)

    def look(session: Session) -> list[NoticeOut]:
        found = notices(session, merchant_id, before=before, limit=limit)
        return [NoticeOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/merchant/settlement-terms",
    summary="How the merchant is settled",
    responses=problems(UnknownMerchant),
)
@guarded(_READS)
def own_terms(merchant_id: TenantId, wired: Wired) -> TermsOut:
    """Return the length of the periods and the one under way."""
    return TermsOut.model_validate(wired.database.read(lambda session: terms.terms_of(session, merchant_id)))


@routes.put(
    "/merchant/settlement-terms",
    summary="Agree that invoices are netted",
    responses=problems(UnknownMerchant),
)
@guarded(Policy(roles=("merchant:owner",), scope="merchant:write", repeats=Repeats.BY_MEANING))
def agree(body: NettingIn, merchant_id: TenantId, actor: Acting, wired: Wired, now: Now) -> TermsOut:
    """Say whether invoices are paid out of what is owed, from the next close on."""

    def work(session: Session) -> TermsOut:
        agreed = terms.agree_netting(session, merchant_id, nets_fees=body.nets_fees)
        told = actor.entry("settlement.netting", "merchant", merchant_id, after=body.model_dump())
        wired.audit.record(session, told, now)
        return TermsOut.model_validate(agreed)

    return wired.database.run(work)


def _lines(lines: Sequence[SettlementLine]) -> list[SettlementLineOut]:
    return [SettlementLineOut.model_validate(one) for one in lines]
