"""What waits for a second person, on a page: they agree, or refuse with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from starlette.responses import Response

from nerava.payouts.approving import FAILURE
from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.web.api.corrections import WRITE_OFF
from nerava.web.ops.asking import carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

KINDS: Final = {
    "goodwill": "A present to a driver",
    "adjustment": "A correction of two accounts",
    "reversal": "The reversal of a transaction",
    "clawback": "Points taken back",
    WRITE_OFF.name: "An invoice given up",
    FAILURE.name: "A payout set failed",
}
"""What each kind of request is called."""

_AGREED_AT: Final = {FAILURE.name: "payout-failures", WRITE_OFF.name: "invoice-write-offs"}
"""Where the API takes the agreement to a kind of request; to the others with approvals."""


@routes.get("/ops/approvals")
@guarded(looks("GET /v1/ops/approvals"))
async def waiting(page: Shown, after: CursorText = None) -> Response:
    """Show what nobody has decided, the oldest first."""
    return await _waiting(page, after)


@routes.post("/ops/approvals/{approval_id}/approve")
@guarded(does("POST /v1/ops/approvals/{approval_id}/approve"))
async def approve(page: Shown, approval_id: UUID) -> Response:
    """Agree to what somebody else asked for; it happens at once."""

    async def work(form: Form) -> tuple[str, str]:
        request = await page.api.get(f"/v1/ops/approvals/{approval_id}")
        where = _AGREED_AT.get(request["kind"], "approvals")
        await page.api.post(f"/v1/ops/{where}/{approval_id}/approve", key=form.key)
        return "/ops/approvals", "agreed"

    return await carried_out(page, lambda error, typed: _waiting(page, None, error, typed), work)


@routes.post("/ops/approvals/{approval_id}/refuse")
@guarded(does("POST /v1/ops/approvals/{approval_id}/refuse"))
async def refuse(page: Shown, approval_id: UUID) -> Response:
    """Refuse what somebody else asked for; nothing happens."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=120)}
        await page.api.post(f"/v1/ops/approvals/{approval_id}/refuse", body, key=form.key)
        return "/ops/approvals", "refused"

    return await carried_out(page, lambda error, typed: _waiting(page, None, error, typed), work)


async def _waiting(
    page: Page,
    after: str | None,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    found = await page.api.get("/v1/ops/approvals", cursor=after)
    return await shown(
        page, "ops/approvals.html", error, typed, approvals=found, kinds=KINDS, failure=FAILURE.name
    )
