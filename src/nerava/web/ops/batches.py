"""Batches of payouts on pages: one person proposes, another one lets them go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.web.api.ops_payout_batches import BatchState
from nerava.web.ops.asking import carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

_STATES: Final = (
    (BatchState.WAITING.value, "Wait"),
    (BatchState.APPROVED.value, "Let go"),
    (BatchState.REFUSED.value, "Refused"),
)


@routes.get("/ops/batches")
@guarded(looks("GET /v1/ops/payout-batches"))
async def batches(
    page: Shown,
    state: Annotated[BatchState, Query()] = BatchState.WAITING,
    after: CursorText = None,
) -> Response:
    """Show the batches in one state, the oldest first."""
    found = await page.api.get("/v1/ops/payout-batches", state=state.value, cursor=after)
    return await shown(page, "ops/batches.html", batches=found, state=state.value, states=_STATES)


@routes.get("/ops/batches/{batch_id}")
@guarded(looks("GET /v1/ops/payout-batches/{batch_id}"))
async def batch(page: Shown, batch_id: UUID) -> Response:
    """Show a batch and the payouts in it."""
    return await _batch(page, batch_id)


@routes.post("/ops/batches/{batch_id}/approve")
@guarded(does("POST /v1/ops/payout-batches/{batch_id}/approve"))
async def approve(page: Shown, batch_id: UUID) -> Response:
    """Let go what somebody else proposed."""
    return await _decided(page, batch_id, "approve", "let-go")


@routes.post("/ops/batches/{batch_id}/refuse")
@guarded(does("POST /v1/ops/payout-batches/{batch_id}/refuse"))
async def refuse(page: Shown, batch_id: UUID) -> Response:
    """Refuse what somebody else proposed; its payouts wait for another batch."""
    return await _decided(page, batch_id, "refuse", "refused")


async def _decided(page: Page, batch_id: UUID, word: str, said: str) -> Response:
    async def work(form: Form) -> tuple[str, str]:
        await page.api.post(f"/v1/ops/payout-batches/{batch_id}/{word}", key=form.key)
        return f"/ops/batches/{batch_id}", said

    return await carried_out(page, lambda error, typed: _batch(page, batch_id, error, typed), work)


async def _batch(
    page: Page, batch_id: UUID, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    file = await page.api.get(f"/v1/ops/payout-batches/{batch_id}")
    return await shown(page, "ops/batch.html", error, typed, batch=file["batch"], inside=file["inside"])
