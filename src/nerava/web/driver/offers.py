"""Offers on pages: what Nova are good for, and getting a code or a perk."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query
from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.web.site.calling import Refused
from nerava.web.site.page import Shown, page_for, pages
from nerava.web.site.qr import qr_svg

if TYPE_CHECKING:
    from nerava.web.site.page import Page, Wrong

routes: Final = pages("driver")

_READS: Final = page_for(Role.DRIVER)
_CHANGES: Final = page_for(Role.DRIVER, repeats=Repeats.BY_MEANING)
_BROKEN: Final = HTTPStatus.INTERNAL_SERVER_ERROR

After = Annotated[str, Query(max_length=500)]


@routes.get("/offers")
@guarded(_READS)
async def offers(page: Shown, after: After = "") -> Response:
    """Show what can be redeemed now, and the driver's own codes."""
    place = f"&{urlencode({'cursor': after})}" if after else ""
    found, codes, wallet = await page.api.get_all(
        f"/v1/offers?limit=30{place}", "/v1/redemptions?limit=10", "/v1/wallet"
    )
    return page.show("driver/offers.html", offers=found, codes=codes, wallet=wallet)


@routes.get("/redemptions")
@guarded(_READS)
async def redemptions(page: Shown, after: After = "") -> Response:
    """Show every code the driver had, the latest first."""
    found = await page.api.get("/v1/redemptions", limit=30, cursor=after)
    return page.show("driver/redemptions.html", codes=found)


@routes.get("/o/{offer_id}")
@guarded(_READS)
async def offer(page: Shown, offer_id: UUID) -> Response:
    """Show one offer: what one gets, for how many Nova, and where."""
    return await _drawn(page, offer_id)


@routes.post("/o/{offer_id}/redeem")
@guarded(_CHANGES)
async def redeem(page: Shown, offer_id: UUID) -> Response:
    """Set the Nova aside and get a code."""
    form = await page.form()
    try:
        made = await page.api.post(f"/v1/offers/{offer_id}/redemptions", key=form.key)
    except Refused as error:
        return await _drawn(page, offer_id, error, form.key)
    return page.go(f"/redeem/{made['id']}")


@routes.post("/o/{offer_id}/claim")
@guarded(_CHANGES)
async def claim(page: Shown, offer_id: UUID) -> Response:
    """Claim a perk while the car charges nearby."""
    form = await page.form()
    try:
        await page.api.post(f"/v1/offers/{offer_id}/claims", key=form.key)
    except Refused as error:
        return await _drawn(page, offer_id, error, form.key)
    return page.go(f"/o/{offer_id}", "perk-claimed")


@routes.get("/redeem/{redemption_id}")
@guarded(_READS)
async def redemption(page: Shown, redemption_id: UUID) -> Response:
    """Show a code to be taken at the counter, and what became of it."""
    return await _code(page, redemption_id)


@routes.post("/redeem/{redemption_id}/withdraw")
@guarded(_CHANGES)
async def withdraw(page: Shown, redemption_id: UUID) -> Response:
    """End a code that nobody took."""
    try:
        await page.api.send("DELETE", f"/v1/redemptions/{redemption_id}")
    except Refused as error:
        if error.status == HTTPStatus.NOT_FOUND:
            raise
        return await _code(page, redemption_id, error)
    return page.go(f"/redeem/{redemption_id}", "code-withdrawn")


async def _code(page: Page, redemption_id: UUID, error: Wrong | None = None) -> Response:
    found = await page.api.get(f"/v1/redemptions/{redemption_id}")
    qr = None
    if found["code"] is not None:
        qr = await run_in_threadpool(qr_svg, found["code"], "QR code of the code below")
    return page.show("driver/redemption.html", error=error, code=found, qr=qr)


async def _drawn(page: Page, offer_id: UUID, error: Refused | None = None, key: str = "") -> Response:
    found, wallet = await page.api.get_all(f"/v1/offers/{offer_id}", "/v1/wallet")
    open_code = None
    if error is not None and error.code == "code-already-shown":
        codes = await page.api.get("/v1/redemptions", limit=10)
        held = (one for one in codes["items"] if one["state"] == "held")
        open_code = next((one for one in held if one["merchant_id"] == found["merchant_id"]), None)
    return page.show(
        "driver/offer.html",
        error=error,
        offer=found,
        wallet=wallet,
        open_code=open_code,
        # Whoever does not know what became of a request asks under its key again.
        key=key if error is not None and error.status >= _BROKEN else None,
    )
