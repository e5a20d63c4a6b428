"""The queue of payouts on pages: what waits, one payout with its evidence, and what is decided about it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.payouts.queries import Shown as Queue
from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.platform.problem import InvalidInput
from nerava.web.ops.asking import ASKED, asked, carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

SHOWS: Final = (
    (Queue.WAITING.value, "For a batch"),
    (Queue.FLAGGED.value, "To look at"),
    (Queue.APPROVED.value, "Approved"),
    (Queue.UNDER_WAY.value, "Under way"),
    (Queue.UNKNOWN.value, "Nobody knows"),
    (Queue.STUCK.value, "Over a day"),
    (Queue.DEAD.value, "For people"),
    (Queue.OVER.value, "Over"),
)
"""Which payouts the queue shows, and what that is called."""

_TICK: Final = "pay-"
_LISTED: Final = 100

Show = Annotated[Queue, Query(alias="show")]


@routes.get("/ops/payouts")
@guarded(looks("GET /v1/ops/payouts"))
async def queue(page: Shown, show: Show = Queue.WAITING, after: CursorText = None) -> Response:
    """Show a part of the queue, the oldest first; what waits for a batch can be proposed from here."""
    return await _queue(page, show, after)


@routes.post("/ops/payouts")
@guarded(does("POST /v1/ops/payout-batches"))
async def propose(page: Shown) -> Response:
    """Put the payouts that are ticked into a batch, for a second person to let go."""

    async def work(form: Form) -> tuple[str, str]:
        ticked = [
            name.removeprefix(_TICK) for name in form.fields if name.startswith(_TICK) and form.ticked(name)
        ]
        if not ticked:
            message = "tick at least one payout"
            raise InvalidInput(message)
        batch = await page.api.post("/v1/ops/payout-batches", {"payout_ids": ticked}, key=form.key)
        return f"/ops/batches/{batch['id']}", "proposed"

    return await carried_out(page, lambda error, typed: _queue(page, error=error, typed=typed), work)


@routes.get("/ops/payouts/{payout_id}")
@guarded(looks("GET /v1/ops/payouts/{payout_id}"))
async def payout(page: Shown, payout_id: UUID) -> Response:
    """Show one payout, everything that was told about it, and what may be decided."""
    return await _payout(page, payout_id)


@routes.post("/ops/payouts/{payout_id}/review")
@guarded(does("POST /v1/ops/payouts/{payout_id}/review"))
async def review(page: Shown, payout_id: UUID) -> Response:
    """Let something unusual pass."""
    return await _decided(page, payout_id, "review", "reviewed")


@routes.post("/ops/payouts/{payout_id}/reject")
@guarded(does("POST /v1/ops/payouts/{payout_id}/reject"))
async def reject(page: Shown, payout_id: UUID) -> Response:
    """End a payout that was not sent."""
    return await _decided(page, payout_id, "reject", "payout-rejected")


@routes.post("/ops/payouts/{payout_id}/retry")
@guarded(does("POST /v1/ops/payouts/{payout_id}/retry"))
async def retry(page: Shown, payout_id: UUID) -> Response:
    """Have the provider read at once."""
    return await _decided(page, payout_id, "retry", "hurried", reasoned=False)


@routes.post("/ops/payouts/{payout_id}/failure")
@guarded(does("POST /v1/ops/payouts/{payout_id}/failure"))
async def failure(page: Shown, payout_id: UUID) -> Response:
    """Ask a second person to agree that it was never sent."""
    return await _decided(page, payout_id, "failure", ASKED, reasoned=False)


async def _decided(page: Page, payout_id: UUID, word: str, said: str, *, reasoned: bool = True) -> Response:
    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=120)} if reasoned else None
        await page.api.post(f"/v1/ops/payouts/{payout_id}/{word}", body, key=form.key)
        return f"/ops/payouts/{payout_id}", said

    return await carried_out(page, lambda error, typed: _payout(page, payout_id, error, typed), work)


async def _queue(
    page: Page,
    show: Queue = Queue.WAITING,
    after: str | None = None,
    *,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    query = {"show": show.value, "cursor": after, "limit": _LISTED}
    found = await asked(page, payouts=("GET /v1/ops/payouts", "/v1/ops/payouts", query))
    return await shown(
        page,
        "ops/payouts.html",
        error,
        typed,
        payouts=found["payouts"],
        show=show.value,
        shows=SHOWS,
        tick=_TICK,
    )


async def _payout(
    page: Page, payout_id: UUID, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    file = await page.api.get(f"/v1/ops/payouts/{payout_id}")
    return await shown(
        page, "ops/payout.html", error, typed, payout=file["payout"], evidence=file["evidence"]
    )
