"""Ops look after settlements and invoices: what is closed and overdue, what arrived, what is given up."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from sqlalchemy.orm import Session
from starlette.responses import Response

from nerava.identity import approvals
from nerava.identity.approvals import AllowanceSpent, AlreadyDecided, UnknownApproval
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import SelfApproval
from nerava.merchants.errors import TimezoneUnknown, UnknownMerchant
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.settlements import invoicing, queries, terms
from nerava.settlements.closing import Closing
from nerava.settlements.errors import (
    InvoiceOver,
    NotOverdue,
    PaidTooMuch,
    PaymentDiffers,
    SettlementRefused,
    UnknownInvoice,
    UnknownSettlement,
)
from nerava.settlements.invoicing import WriteOff
from nerava.settlements.states import Cadence, InvoiceState, SettlementState
from nerava.web.api.audited import Acting
from nerava.web.api.corrections import WRITE_OFF
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.merchant_settlements import (
    InvoiceFileOut,
    InvoiceOut,
    SettlementFileOut,
    SettlementOut,
    TermsOut,
)
from nerava.web.api.ops_approvals import ApprovalOut
from nerava.web.api.ops_payouts import noting_own
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("ops: settlements")

_OPS: Final = ("ops:support", "ops:finance", "ops:admin")
_READS: Final = Policy(roles=_OPS, scope="settlements:read")
_DECIDES: Final = Policy(
    roles=("ops:finance",), scope="settlements:write", repeats=Repeats.KEY_REQUIRED, step_up=StepUp.PASSKEY
)


class OpsSettlementOut(SettlementOut):
    """A settlement, and whose it is."""

    merchant_id: UUID


class ClosedOut(BaseModel):
    """What the closing of periods did now."""

    looked_at: int = Field(description="Merchants whose period was over; 0 when everything is closed")


class InvoicePaymentIn(Body):
    """A bank transfer that has cleared."""

    reference: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,79}$")] = Field(
        description="The bank's name for the transfer; it counts once, whoever enters it"
    )
    amount_minor: AmountMinor


class PeriodsIn(Body):
    """How a merchant's periods are cut from now on; the one under way ends by it."""

    cadence: Cadence
    timezone: Annotated[str, Field(min_length=1, max_length=64)]


@routes.get("/ops/settlements", summary="Settlements of all merchants")
@guarded(_READS)
def list_settlements(
    wired: Wired,
    state: Annotated[SettlementState | None, Query()] = None,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[OpsSettlementOut]:
    """Return settlements, the latest first; those in one state where one is named."""
    before = after_id(cursor)

    def look(session: Session) -> list[OpsSettlementOut]:
        found = queries.settlements(
            session, None, state=None if state is None else state.value, before=before, limit=limit
        )
        return [OpsSettlementOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/ops/settlements/{settlement_id}",
    summary="One settlement of any merchant",
    responses=problems(UnknownSettlement),
)
@guarded(_READS)
def one_settlement(settlement_id: UUID, wired: Wired) -> SettlementFileOut:
    """Return a settlement with its lines."""
    return wired.database.read(
        lambda session: SettlementFileOut.of(queries.settlement_file(session, None, settlement_id))
    )


@routes.post(
    "/ops/settlement-runs", summary="Close the periods that are over now", responses=problems(SwitchedOff)
)
@guarded(
    Policy(
        roles=("ops:finance",), scope="settlements:write", repeats=Repeats.BY_MEANING, step_up=StepUp.PASSKEY
    )
)
def close_now(actor: Acting, wired: Wired, now: Now) -> ClosedOut:
    """Do what the worker does anyway; a period is closed once however often this is asked for."""
    looked_at = Closing(wired.database, wired.ledger).run(now)
    told = actor.entry("settlement.run", "settlement", "due", after={"looked_at": looked_at})
    wired.database.run(lambda session: wired.audit.record(session, told, now))
    return ClosedOut(looked_at=looked_at)


@routes.get("/ops/invoices", summary="Invoices of all merchants")
@guarded(_READS)
def list_invoices(
    wired: Wired,
    state: Annotated[InvoiceState, Query()] = InvoiceState.OVERDUE,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[InvoiceOut]:
    """Return invoices in one state, the highest number first."""
    before = after_id(cursor)

    def look(session: Session) -> list[InvoiceOut]:
        found = queries.invoices(session, None, state=state.value, before=before, limit=limit)
        return [InvoiceOut.of(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/ops/invoices/{invoice_id}", summary="One invoice of any merchant", responses=problems(UnknownInvoice)
)
@guarded(_READS)
def one_invoice(invoice_id: UUID, wired: Wired) -> InvoiceFileOut:
    """Return an invoice with its claims and payments."""
    return wired.database.read(
        lambda session: InvoiceFileOut.of(queries.invoice_file(session, None, invoice_id))
    )


@routes.post(
    "/ops/invoices/{invoice_id}/payments",
    summary="Record a bank transfer for an invoice",
    status_code=HTTPStatus.CREATED,
    response_model=InvoiceFileOut,
    responses=problems(
        UnknownInvoice, InvoiceOver, PaidTooMuch, PaymentDiffers, SettlementRefused, SwitchedOff
    ),
)
@guarded(_DECIDES)
def record_payment(
    invoice_id: UUID, body: InvoicePaymentIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Book a transfer that has cleared. Repeat safely; a transfer counts once."""

    def work(session: Session) -> Answer:
        invoice = invoicing.pay_by_bank(
            session,
            wired.ledger,
            invoice_id,
            reference=body.reference,
            amount=body.amount_minor,
            actor=actor.name,
            now=now,
        )
        told = actor.entry(
            "invoice.paid",
            "invoice",
            invoice_id,
            tenant_id=invoice.merchant_id,
            reason="cleared at the bank",
            after=body.model_dump(),
        )
        wired.audit.record(session, told, now)
        return Answer.of(
            InvoiceFileOut.of(queries.invoice_file(session, None, invoice_id)), HTTPStatus.CREATED
        )

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/invoices/{invoice_id}/write-off",
    summary="Ask to give up an overdue invoice",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ApprovalOut,
    responses=problems(UnknownInvoice, InvoiceOver, NotOverdue, SwitchedOff),
)
@guarded(_DECIDES)
def ask_write_off(invoice_id: UUID, actor: Acting, *, request: Keyed, wired: Wired, now: Now) -> Response:
    """Ask a second person to agree that what is open is given up."""

    def work(session: Session) -> Answer:
        invoice = invoicing.locked(session, invoice_id)
        if invoice.ended_at is not None:
            raise InvoiceOver
        if invoice.state != InvoiceState.OVERDUE:
            raise NotOverdue
        weight = invoicing.open_amount(session, invoice)
        asked = {"invoice_id": str(invoice_id), "open_minor": weight}
        waiting = approvals.ask(session, actor, WRITE_OFF, asked, weight=weight, now=now)
        return Answer.of(ApprovalOut.of(waiting), HTTPStatus.ACCEPTED)

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/invoice-write-offs/{approval_id}/approve",
    summary="Agree that an invoice is given up",
    response_model=InvoiceFileOut,
    responses=problems(
        UnknownApproval,
        UnknownInvoice,
        SelfApproval,
        AlreadyDecided,
        AllowanceSpent,
        InvoiceOver,
        NotOverdue,
        SettlementRefused,
        SwitchedOff,
    ),
)
@guarded(_DECIDES)
def approve_write_off(
    approval_id: UUID, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Give up what is open, in the same commit. Only somebody else may."""

    def work(session: Session) -> Answer:
        decided = approvals.approve(session, actor, WRITE_OFF, approval_id, now)
        invoice_id = UUID(str(decided.asked["invoice_id"]))
        why = WriteOff(approval_id, f"ops:finance:{decided.maker}", actor.name)
        invoice = invoicing.write_off(session, wired.ledger, invoice_id, why, now)
        told = actor.entry(
            "invoice.written_off",
            "invoice",
            invoice_id,
            tenant_id=invoice.merchant_id,
            after={"asked_by": str(decided.maker)},
        )
        wired.audit.record(session, told, now)
        return Answer.of(InvoiceFileOut.of(queries.invoice_file(session, None, invoice_id)))

    return noting_own(wired, request, actor, approval_id, work)


@routes.put(
    "/ops/merchants/{merchant_id}/settlement-terms",
    summary="Change the periods of a merchant",
    responses=problems(UnknownMerchant, TimezoneUnknown),
)
@guarded(Policy(roles=("ops:admin",), scope="merchants:write", repeats=Repeats.BY_MEANING))
def change_terms(merchant_id: UUID, body: PeriodsIn, actor: Acting, wired: Wired, now: Now) -> TermsOut:
    """Set the length of the periods and the time zone they are cut in."""

    def work(session: Session) -> TermsOut:
        changed = terms.change_periods(session, merchant_id, body.cadence, body.timezone)
        after = body.model_dump(mode="json")
        told = actor.entry("merchant.periods", "merchant", merchant_id, tenant_id=merchant_id, after=after)
        wired.audit.record(session, told, now)
        return TermsOut.model_validate(changed)

    return wired.database.run(work)
