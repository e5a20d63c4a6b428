"""The merchants on pages: who takes Nova, who is new, who is suspended and goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from starlette.responses import Response

from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.settlements.states import Cadence
from nerava.web.ops.asking import carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

CADENCES: Final = ((Cadence.MONTH.value, "Months"), (Cadence.WEEK.value, "Weeks"))

ACCOUNTS: Final = {"nova": "Taken and not settled", "payable": "Owed to it", "receivable": "Owed by it"}
"""What each account of a merchant holds."""


@routes.get("/ops/merchants")
@guarded(looks("GET /v1/ops/merchants"))
async def merchants(page: Shown, after: CursorText = None) -> Response:
    """Show every merchant, the oldest first."""
    found = await page.api.get("/v1/ops/merchants", cursor=after, limit=100)
    return await shown(page, "ops/merchants.html", merchants=found)


@routes.get("/ops/new-merchant")
@guarded(looks("POST /v1/ops/merchants"))
async def new(page: Shown) -> Response:
    """Show the form that makes a merchant known."""
    return await _new(page)


@routes.post("/ops/new-merchant")
@guarded(does("POST /v1/ops/merchants"))
async def create(page: Shown) -> Response:
    """Open a merchant's accounts."""

    async def work(form: Form) -> tuple[str, str]:
        body = {
            "name": form.text("name", most=120),
            "timezone": form.text("timezone", most=64),
            "fee_bps": form.minor("fee_percent", "USD"),
        }
        if form.maybe("claim_fee"):
            body["claim_fee_minor"] = form.minor("claim_fee", page.wired.currency)
        made = await page.api.post("/v1/ops/merchants", body, key=form.key)
        return f"/ops/merchants/{made['id']}", "merchant-made"

    return await carried_out(page, lambda error, typed: _new(page, error, typed), work)


@routes.get("/ops/merchants/{merchant_id}")
@guarded(looks("GET /v1/ops/merchants/{merchant_id}"))
async def merchant(page: Shown, merchant_id: UUID) -> Response:
    """Show a merchant, what its accounts hold, and what may be changed."""
    return await _merchant(page, merchant_id)


@routes.post("/ops/merchants/{merchant_id}/suspend")
@guarded(does("POST /v1/ops/merchants/{merchant_id}/suspend"))
async def suspend(page: Shown, merchant_id: UUID) -> Response:
    """Show none of its offers any more."""
    return await _moved(page, merchant_id, "suspend", "suspended")


@routes.post("/ops/merchants/{merchant_id}/reopen")
@guarded(does("POST /v1/ops/merchants/{merchant_id}/reopen"))
async def reopen(page: Shown, merchant_id: UUID) -> Response:
    """Show its live offers again."""
    return await _moved(page, merchant_id, "reopen", "reopened")


@routes.post("/ops/merchants/{merchant_id}/periods")
@guarded(does("PUT /v1/ops/merchants/{merchant_id}/settlement-terms"))
async def change_periods(page: Shown, merchant_id: UUID) -> Response:
    """Set how its periods are cut from now on."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"cadence": form.text("cadence", most=20), "timezone": form.text("timezone", most=64)}
        await page.api.send("PUT", f"/v1/ops/merchants/{merchant_id}/settlement-terms", body)
        return f"/ops/merchants/{merchant_id}", "saved"

    return await carried_out(page, lambda error, typed: _merchant(page, merchant_id, error, typed), work)


async def _moved(page: Page, merchant_id: UUID, word: str, said: str) -> Response:
    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=120)}
        await page.api.post(f"/v1/ops/merchants/{merchant_id}/{word}", body)
        return f"/ops/merchants/{merchant_id}", said

    return await carried_out(page, lambda error, typed: _merchant(page, merchant_id, error, typed), work)


async def _new(page: Page, error: Wrong | None = None, typed: Mapping[str, str] | None = None) -> Response:
    return await shown(page, "ops/new_merchant.html", error, typed)


async def _merchant(
    page: Page, merchant_id: UUID, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    codes = [f"merchant:{merchant_id}:{name}" for name in ACCOUNTS]
    found = await page.api.get_all(
        f"/v1/ops/merchants/{merchant_id}", *(f"/v1/ops/accounts/{code}" for code in codes)
    )
    accounts = list(zip(ACCOUNTS.values(), found[1:], strict=True))
    return await shown(
        page, "ops/merchant.html", error, typed, merchant=found[0], accounts=accounts, cadences=CADENCES
    )
