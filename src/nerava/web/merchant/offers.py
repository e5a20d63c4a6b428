"""A merchant's offers on pages: drafted from a template, published, paused, ended."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput, NotFound
from nerava.web.merchant.local_times import maybe_instant, typed_time
from nerava.web.merchant.scan import HOUSE
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, page_for, pages

routes: Final = pages("merchant")

BASE: Final = "/merchant/offers"
STATES: Final = ("live", "paused", "draft", "ended")
KINDS: Final = ("discount", "perk")
MOVES: Final = {"publish": "offer-live", "pause": "offer-paused", "end": "offer-ended"}
_ALL: Final = 200


@routes.get(BASE)
@guarded(page_for(*HOUSE))
async def offers(
    page: Shown,
    state: Annotated[str, Query(pattern=r"^(live|paused|draft|ended)?$")] = "",
    after: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Show the offers: all of them, or those in one state."""
    merchant = await page.api.get("/v1/merchant")
    found = await page.api.get(f"/v1{BASE}", limit=_ALL, cursor=after)
    order = {one: place for place, one in enumerate(STATES)}
    shown = [one for one in found["items"] if state in {"", one["state"]}]
    return page.show(
        "merchant/offers.html",
        merchant=merchant,
        offers=sorted(shown, key=lambda one: order[one["state"]]),
        counts={one: sum(each["state"] == one for each in found["items"]) for one in STATES},
        state=state,
        next_cursor=found["next_cursor"],
    )


@routes.get(f"{BASE}/new")
@guarded(page_for(*HOUSE))
async def new(
    page: Shown,
    kind: Annotated[str, Query(pattern=r"^(discount|perk)?$")] = "",
    like: UUID | None = None,
) -> Response:
    """Show the two templates, or the form of one; `like` fills it in after an offer that is there."""
    if like is not None:
        known = await page.api.get(f"/v1{BASE}/{like}")
        return await _form(page, typed=await _typed(page, known) | {"starts_at": "", "ends_at": ""})
    if not kind:
        merchant = await page.api.get("/v1/merchant")
        return page.show("merchant/offer_templates.html", merchant=merchant)
    return await _form(page, typed={"kind": kind})


@routes.post(BASE)
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def draft(page: Shown) -> Response:
    """Draft an offer."""
    form = await page.form()
    try:
        made = await page.api.post(f"/v1{BASE}", await _body(page, form), key=form.key or None)
    except (Refused, InvalidInput) as error:
        return await _form(page, error=error, typed=form.fields)
    return page.go(f"{BASE}/{made['id']}", "offer-drafted")


@routes.get(f"{BASE}/{{offer_id}}")
@guarded(page_for(*HOUSE))
async def offer(page: Shown, offer_id: UUID) -> Response:
    """Show an offer as drivers see it, what can be done with it, and its codes."""
    return await drawn(page, offer_id)


@routes.get(f"{BASE}/{{offer_id}}/edit")
@guarded(page_for(*HOUSE))
async def edit(page: Shown, offer_id: UUID) -> Response:
    """Show the form of a draft."""
    known = await page.api.get(f"/v1{BASE}/{offer_id}")
    return await _form(page, typed=await _typed(page, known), offer_id=offer_id)


@routes.post(f"{BASE}/{{offer_id}}/edit")
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def edited(page: Shown, offer_id: UUID) -> Response:
    """Replace what a draft says."""
    form = await page.form()
    try:
        await page.api.send("PUT", f"/v1{BASE}/{offer_id}", await _body(page, form))
    except (Refused, InvalidInput) as error:
        return await _form(page, error=error, typed=form.fields, offer_id=offer_id)
    return page.go(f"{BASE}/{offer_id}", "offer-drafted")


@routes.post(f"{BASE}/{{offer_id}}/{{move}}")
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def moved(page: Shown, offer_id: UUID, move: str) -> Response:
    """Publish, pause or end an offer.

    Raises:
        NotFound: Nothing else can be done with one (404).
    """
    form = await page.form()
    if move not in MOVES:
        raise NotFound
    try:
        await page.api.post(f"/v1{BASE}/{offer_id}/{move}", key=form.key or None)
    except Refused as error:
        return await drawn(page, offer_id, error)
    return page.go(f"{BASE}/{offer_id}", MOVES[move])


async def drawn(
    page: Page, offer_id: UUID, error: Wrong | None = None, typed: dict[str, str] | None = None
) -> Response:
    """Return the page of one offer.

    Raises:
        Refused: It is not there.
    """
    merchant, sites, one, batches = await page.api.get_all(
        "/v1/merchant",
        f"/v1/merchant/sites?limit={_ALL}",
        f"/v1{BASE}/{offer_id}",
        f"/v1{BASE}/{offer_id}/code-batches?limit={_ALL}",
    )
    return page.show(
        "merchant/offer.html",
        error=error,
        merchant=merchant,
        one=one,
        place=next((site for site in sites["items"] if site["id"] == one["site_id"]), None),
        batches=batches["items"],
        typed=typed or {},
    )


async def _form(
    page: Page, *, typed: dict[str, Any], error: Wrong | None = None, offer_id: UUID | None = None
) -> Response:
    merchant, sites = await page.api.get_all("/v1/merchant", f"/v1/merchant/sites?limit={_ALL}")
    kept = isinstance(error, Refused) and error.problem.get("outcome") == "unknown"
    shown = {name: value for name, value in typed.items() if kept or name != "idempotency_key"}
    kind = shown.get("kind", "")
    return page.show(
        "merchant/offer_form.html",
        error=error,
        merchant=merchant,
        sites=sites["items"],
        typed=shown,
        kind=kind if kind in KINDS else KINDS[0],
        offer_id=offer_id,
    )


async def _typed(page: Page, one: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """Return an offer as its form would have been filled in."""
    merchant = await page.api.get("/v1/merchant")
    words = {
        name: one[name] or "" for name in ("kind", "title", "terms", "price_nova", "site_id", "daily_stock")
    }
    times = {name: typed_time(one[name], merchant["timezone"]) for name in ("starts_at", "ends_at")}
    return words | times


async def _body(page: Page, form: Form) -> dict[str, object]:
    """Return what the form asks of the API; without a start it begins now."""
    timezone = (await page.api.get("/v1/merchant"))["timezone"]
    kind = form.text("kind", most=20)
    return {
        "kind": kind,
        "title": form.text("title", most=120),
        "terms": form.maybe("terms", most=200) or None,
        "price_nova": form.whole("price_nova") if kind == "discount" else None,
        "site_id": form.maybe("site_id", most=40) or None,
        "starts_at": maybe_instant(form, "starts_at", timezone) or page.wired.clock.now().isoformat(),
        "ends_at": maybe_instant(form, "ends_at", timezone),
        "daily_stock": form.maybe_whole("daily_stock"),
    }
