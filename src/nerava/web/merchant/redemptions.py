"""What was redeemed at a merchant: by day, till and offer, one by one with refunds, and as CSV."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.merchant.downloads import CSV, download
from nerava.web.merchant.scan import HOUSE
from nerava.web.site.calling import Refused
from nerava.web.site.page import Page, Shown, Wrong, page_for, pages

routes: Final = pages("merchant")

BASE: Final = "/merchant/redemptions"

Day = Annotated[str, Query(pattern=r"^(\d{4}-\d{2}-\d{2})?$")]
Named = Annotated[str, Query(pattern=r"^([0-9a-f-]{36})?$")]
"""A form that is sent with an empty field sends an empty text."""


@routes.get(BASE)
@guarded(page_for(*HOUSE))
async def redemptions(
    page: Shown,
    day: Day = "",
    register_id: Named = "",
    offer_id: Named = "",
    after: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Show what was redeemed, the latest first, as far as it is asked for."""
    merchant, registers, offers = await page.api.get_all(
        "/v1/merchant", "/v1/merchant/registers?limit=200", "/v1/merchant/offers?limit=200"
    )
    asked = {"day": day, "register_id": register_id, "offer_id": offer_id}
    asked = {name: value for name, value in asked.items() if value}
    error: Wrong | None = None
    found: dict[str, Any] = {"items": [], "next_cursor": None}
    try:
        found = await page.api.get(f"/v1{BASE}", cursor=after, limit=50, **asked)
    except Refused as refused:
        error = refused
    return page.show(
        "merchant/redemptions.html",
        error=error,
        merchant=merchant,
        registers=registers["items"],
        offers=offers["items"],
        found=found,
        asked=asked,
        chips=_chips(asked, registers["items"], offers["items"]),
        exported=f"{BASE}.csv?{urlencode(asked)}" if asked else f"{BASE}.csv",
        older=f"{BASE}?{urlencode({**asked, 'after': found['next_cursor']})}" if found["next_cursor"] else "",
        is_first=after is None,
    )


@routes.get(f"{BASE}.csv")
@guarded(page_for(*HOUSE))
async def exported(page: Shown, day: Day = "", register_id: Named = "", offer_id: Named = "") -> Response:
    """Return exactly what the list shows, as CSV."""
    asked = {"day": day, "register_id": register_id, "offer_id": offer_id}
    query = urlencode({name: value for name, value in asked.items() if value})
    name = f"redemptions-{day}.csv" if day else "redemptions.csv"
    return await download(page, f"/v1{BASE}.csv", query=query, media_type=CSV, name=name)


@routes.get(f"{BASE}/{{redemption_id}}")
@guarded(page_for(*HOUSE))
async def redemption(page: Shown, redemption_id: UUID) -> Response:
    """Show one redemption: what was taken, what went back, and the order that proves it."""
    return await _drawn(page, redemption_id)


@routes.post(f"{BASE}/{{redemption_id}}/refunds")
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def refund(page: Shown, redemption_id: UUID) -> Response:
    """Give Nova of it back to the driver."""
    form = await page.form()
    try:
        points = form.maybe_whole("points")
        body = {} if points is None else {"points": points}
        await page.api.post(f"/v1{BASE}/{redemption_id}/refunds", body, key=form.key)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, redemption_id, error, form.fields)
    return page.go(f"{BASE}/{redemption_id}", "shop-refunded")


async def _drawn(
    page: Page, redemption_id: UUID, error: Wrong | None = None, typed: dict[str, str] | None = None
) -> Response:
    merchant, registers, one = await page.api.get_all(
        "/v1/merchant", "/v1/merchant/registers?limit=200", f"/v1{BASE}/{redemption_id}"
    )
    typed = dict(typed or {})
    if not (isinstance(error, Refused) and error.problem.get("outcome") == "unknown"):
        typed.pop("idempotency_key", None)
    acting = None if page.principal is None else page.principal.acting.role
    return page.show(
        "merchant/redemption.html",
        error=error,
        merchant=merchant,
        one=one,
        till=next((reg["name"] for reg in registers["items"] if reg["id"] == one["register_id"]), ""),
        left=(one["points"] or 0) - one["refunded"],
        typed=typed,
        is_manager=acting is Role.MERCHANT_MANAGER,
    )


def _chips(asked: dict[str, str], registers: list[Any], offers: list[Any]) -> list[tuple[str, str]]:
    """Return each filter in words, and the address of the list without it."""
    words = {one["id"]: one["name"] for one in registers} | {one["id"]: one["title"] for one in offers}
    chips = []
    for name, value in asked.items():
        without = urlencode({other: kept for other, kept in asked.items() if other != name})
        shown = _day(value) if name == "day" else words.get(value, "Unknown")
        chips.append((shown, f"{BASE}?{without}" if without else BASE))
    return chips


def _day(text: str) -> str:
    try:
        on = date.fromisoformat(text)
    except ValueError:
        return text
    return f"{on.day} {on:%b %Y}"
