"""The ledger on pages: an account with its statement, a transaction with its entries, and corrections."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PAYOUT_CLEARING,
    PLATFORM_ADJUSTMENTS,
    PLATFORM_BREAKAGE,
    PLATFORM_FEES,
    PLATFORM_PROMO,
    PROCESSOR_FEES,
)
from nerava.ledger.templates.adjustment import AdjustmentReason
from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.platform.problem import InputError, InvalidInput
from nerava.web.api.statements import ADJUSTED
from nerava.web.ops.asking import ASKED, carried_out, does, looks, said_of, shown
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

HOUSE: Final = (
    (NOVA_RESERVE, "Cash behind every Nova"),
    (NOVA_ISSUANCE, "Points that were given, below zero"),
    (PAYOUT_CLEARING, "On its way out"),
    (PLATFORM_PROMO, "The house's budget for presents"),
    (PLATFORM_FEES, "Fees that are earned"),
    (PLATFORM_BREAKAGE, "Points that expired"),
    (PLATFORM_ADJUSTMENTS, "Corrections"),
    (PROCESSOR_FEES, "What payment processors kept"),
)
"""The accounts of the house itself."""

REASONS: Final = tuple((one.value, ADJUSTED[one]) for one in AdjustmentReason)

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9:._-]{0,119}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_MINUTE: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2})?", re.ASCII)

Box = Annotated[str, Query(max_length=200)]
Instant = Annotated[str, Query(max_length=40)]


@routes.get("/ops/ledger")
@guarded(looks("GET /v1/ops/accounts/{code}"))
async def ledger(page: Shown, account: Box = "", at: Instant = "", after: CursorText = None) -> Response:
    """Show the accounts of the house, or one with its balance, now or then, and its lines."""
    code = account.strip()
    if _ID.fullmatch(code):
        return page.go(f"/ops/transactions/{code}")
    try:
        found = await _account(page, code, at.strip(), after) if code else None
    except (Refused, InvalidInput) as error:
        return await _ledger(page, None, code, at, error)
    return await _ledger(page, found, code, at)


@routes.get("/ops/transactions/{transaction_id}")
@guarded(looks("GET /v1/ops/transactions/{transaction_id}"))
async def transaction(page: Shown, transaction_id: UUID) -> Response:
    """Show one transaction with all of its entries."""
    return await _transaction(page, transaction_id)


@routes.post("/ops/transactions/{transaction_id}/reversal")
@guarded(does("POST /v1/ops/transactions/{transaction_id}/reversal"))
async def reverse(page: Shown, transaction_id: UUID) -> Response:
    """Post the mirror of a transaction, or ask a second person to."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=40)}
        answer = await page.api.post(f"/v1/ops/transactions/{transaction_id}/reversal", body, key=form.key)
        said = said_of(answer, "reversed")
        return f"/ops/transactions/{transaction_id if said == ASKED else answer['transaction_id']}", said

    return await carried_out(
        page, lambda error, typed: _transaction(page, transaction_id, error, typed), work
    )


@routes.get("/ops/corrections")
@guarded(looks("POST /v1/ops/adjustments"))
async def corrections(page: Shown, debit: Box = "", credit: Box = "") -> Response:
    """Show the form that moves an amount from one account to another."""
    return await _correction(page, typed={"to": "/ops/corrections", "debit": debit, "credit": credit})


@routes.post("/ops/corrections")
@guarded(does("POST /v1/ops/adjustments"))
async def correct(page: Shown) -> Response:
    """Move an amount with a reason, or ask a second person to."""

    async def work(form: Form) -> tuple[str, str]:
        body = {
            "debit": form.text("debit", most=120),
            "credit": form.text("credit", most=120),
            "amount_minor": form.minor("amount", page.wired.currency),
            "reason": form.text("reason", most=40),
        }
        answer = await page.api.post("/v1/ops/adjustments", body, key=form.key)
        said = said_of(answer, "corrected")
        return "/ops/approvals" if said == ASKED else f"/ops/transactions/{answer['transaction_id']}", said

    return await carried_out(page, lambda error, typed: _correction(page, error, typed), work)


async def _account(page: Page, code: str, at: str, after: str | None) -> dict[str, Any]:
    """Return an account, its lines, and what it held at an instant if one is named.

    Raises:
        InvalidInput: The code or the instant cannot be one (422).
        Refused: The API says no.
    """
    if not _CODE.fullmatch(code):
        raise _wrong("account", "small letters, digits and : . _ - alone, or the id of a transaction")
    if at and not _MINUTE.fullmatch(at):
        raise _wrong("at", "a date and a time in UTC, as in 2026-11-24T14:00")
    path = f"/v1/ops/accounts/{code}"
    calls = [page.api.get(path), page.api.get(f"{path}/statement", cursor=after, limit=50)]
    if at:
        calls.append(page.api.get(f"{path}/balance-at", at=f"{at}Z"))
    account, lines, *then = await asyncio.gather(*calls)
    return {"account": account, "lines": lines, "then": then[0] if then else None}


async def _ledger(
    page: Page, found: dict[str, Any] | None, code: str, at: str, error: Wrong | None = None
) -> Response:
    house = [] if found or error else await asyncio.gather(*(_held(page, *one) for one in HOUSE))
    return await shown(
        page,
        "ops/ledger.html",
        error,
        found=found,
        code=code,
        at=at,
        house=[one for one in house if one is not None],
    )


async def _held(page: Page, code: str, what: str) -> dict[str, Any] | None:
    """Return an account of the house; None for one that nothing was ever posted to."""
    try:
        return {**await page.api.get(f"/v1/ops/accounts/{code}"), "what": what}
    except Refused:
        return None


async def _transaction(
    page: Page, transaction_id: UUID, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    found = await page.api.get(f"/v1/ops/transactions/{transaction_id}")
    return await shown(page, "ops/transaction.html", error, typed, transaction=found, reasons=REASONS)


async def _correction(
    page: Page, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    return await shown(page, "ops/correction.html", error, typed, reasons=REASONS)


def _wrong(name: str, message: str) -> InvalidInput:
    error = InputError(pointer=f"query/{name}", message=message, kind="pattern")
    return InvalidInput(f"{name}: {message}", errors=[error])
