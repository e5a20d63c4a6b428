"""What merchants are owed and owe, on pages: settlements, invoices, and refunds at tills without points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.settlements.states import InvoiceState, SettlementState
from nerava.web.ops.asking import ASKED, carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

SETTLEMENTS: Final = (
    ("", "All"),
    (SettlementState.WAITING.value, "Wait"),
    (SettlementState.CLOSED.value, "Just closed"),
    (SettlementState.ROLLED_OVER.value, "Stay owed"),
    (SettlementState.REQUESTED.value, "Paid out"),
)
INVOICES: Final = (
    (InvoiceState.OVERDUE.value, "Overdue"),
    (InvoiceState.OPEN.value, "Open"),
    (InvoiceState.PAID.value, "Paid"),
    (InvoiceState.WRITTEN_OFF.value, "Given up"),
)


@routes.get("/ops/settlements")
@guarded(looks("GET /v1/ops/settlements"))
async def settlements(
    page: Shown, state: Annotated[str, Query(max_length=20)] = "", after: CursorText = None
) -> Response:
    """Show the settlements of all merchants, the latest first."""
    return await _settlements(page, state, after)


@routes.post("/ops/settlements")
@guarded(does("POST /v1/ops/settlement-runs"))
async def close_periods(page: Shown) -> Response:
    """Close the periods that are over now."""

    async def work(_form: Form) -> tuple[str, str]:
        await page.api.post("/v1/ops/settlement-runs")
        return "/ops/settlements", "periods-closed"

    return await carried_out(page, lambda error, _: _settlements(page, error=error), work)


@routes.get("/ops/settlements/{settlement_id}")
@guarded(looks("GET /v1/ops/settlements/{settlement_id}"))
async def settlement(page: Shown, settlement_id: UUID) -> Response:
    """Show a settlement with its lines."""
    file = await page.api.get(f"/v1/ops/settlements/{settlement_id}")
    return await shown(
        page,
        "ops/settlement.html",
        settlement=file["settlement"],
        lines=file["lines"],
        invoice=file["invoice"],
    )


@routes.get("/ops/invoices")
@guarded(looks("GET /v1/ops/invoices"))
async def invoices(
    page: Shown, state: Annotated[InvoiceState, Query()] = InvoiceState.OVERDUE, after: CursorText = None
) -> Response:
    """Show the invoices in one state, the highest number first."""
    found = await page.api.get("/v1/ops/invoices", state=state.value, cursor=after)
    return await shown(page, "ops/invoices.html", invoices=found, state=state.value, states=INVOICES)


@routes.get("/ops/invoices/{invoice_id}")
@guarded(looks("GET /v1/ops/invoices/{invoice_id}"))
async def invoice(page: Shown, invoice_id: UUID) -> Response:
    """Show an invoice with its claims and payments."""
    return await _invoice(page, invoice_id)


@routes.post("/ops/invoices/{invoice_id}/payments")
@guarded(does("POST /v1/ops/invoices/{invoice_id}/payments"))
async def record_payment(page: Shown, invoice_id: UUID) -> Response:
    """Book a bank transfer that has cleared."""

    async def work(form: Form) -> tuple[str, str]:
        body = {
            "reference": form.text("reference", most=80),
            "amount_minor": form.minor("amount", page.wired.currency),
        }
        await page.api.post(f"/v1/ops/invoices/{invoice_id}/payments", body, key=form.key)
        return f"/ops/invoices/{invoice_id}", "payment-booked"

    return await carried_out(page, lambda error, typed: _invoice(page, invoice_id, error, typed), work)


@routes.post("/ops/invoices/{invoice_id}/write-off")
@guarded(does("POST /v1/ops/invoices/{invoice_id}/write-off"))
async def write_off(page: Shown, invoice_id: UUID) -> Response:
    """Ask a second person to agree that what is open is given up."""

    async def work(form: Form) -> tuple[str, str]:
        await page.api.post(f"/v1/ops/invoices/{invoice_id}/write-off", key=form.key)
        return f"/ops/invoices/{invoice_id}", ASKED

    return await carried_out(page, lambda error, typed: _invoice(page, invoice_id, error, typed), work)


@routes.get("/ops/till-refunds")
@guarded(looks("GET /v1/ops/till-refunds"))
async def till_refunds(page: Shown, after: CursorText = None) -> Response:
    """Show refunds at tills that gave no points back, the oldest first."""
    return await _till_refunds(page, after)


@routes.post("/ops/till-refunds/{refund_id}/close")
@guarded(does("POST /v1/ops/till-refunds/{refund_id}/close"))
async def close_till_refund(page: Shown, refund_id: UUID) -> Response:
    """Say what was done about one."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=120)}
        await page.api.post(f"/v1/ops/till-refunds/{refund_id}/close", body)
        return "/ops/till-refunds", "closed"

    return await carried_out(page, lambda error, typed: _till_refunds(page, None, error, typed), work)


async def _settlements(
    page: Page, state: str = "", after: str | None = None, error: Wrong | None = None
) -> Response:
    found = await page.api.get("/v1/ops/settlements", state=state, cursor=after)
    return await shown(
        page, "ops/settlements.html", error, settlements=found, state=state, states=SETTLEMENTS
    )


async def _invoice(
    page: Page, invoice_id: UUID, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    file = await page.api.get(f"/v1/ops/invoices/{invoice_id}")
    return await shown(
        page,
        "ops/invoice.html",
        error,
        typed,
        invoice=file["invoice"],
        lines=file["lines"],
        payments=file["payments"],
        left=file["open_minor"],
    )


async def _till_refunds(
    page: Page,
    after: str | None,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    found = await page.api.get("/v1/ops/till-refunds", cursor=after)
    return await shown(page, "ops/till_refunds.html", error, typed, refunds=found)
