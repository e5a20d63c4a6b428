"""A merchant's first page: the day so far, what is owed, what was taken last, and what to do next."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.merchant.scan import HOUSE
from nerava.web.site.page import Shown, page_for, pages

routes: Final = pages("merchant")

_ALL: Final = 200


class _Step(NamedTuple):
    """One thing that a merchant needs before the first code can be taken."""

    text: str
    href: str
    label: str
    is_done: bool


@routes.get("/merchant")
@guarded(page_for(*HOUSE))
async def today(page: Shown) -> Response:
    """Show the day so far; somebody new sees what is missing before the first code."""
    merchant, day, latest, sites, registers, offers, settlements, invoices = await page.api.get_all(
        "/v1/merchant",
        "/v1/merchant/today",
        "/v1/merchant/redemptions?limit=8",
        "/v1/merchant/sites?limit=1",
        f"/v1/merchant/registers?limit={_ALL}",
        f"/v1/merchant/offers?limit={_ALL}",
        "/v1/merchant/settlements?limit=1",
        "/v1/merchant/invoices?limit=50",
    )
    steps = _steps(sites["items"], registers["items"], offers["items"])
    is_owner = page.principal is not None and page.principal.acting.role is Role.MERCHANT_OWNER
    return page.show(
        "merchant/today.html",
        merchant=merchant,
        day=day,
        latest=latest["items"],
        steps=[] if all(one.is_done for one in steps) else steps,
        todo=[
            *_of_invoices(invoices["items"]),
            *_of_settlements(settlements["items"], is_owner=is_owner),
        ],
        live=sum(one["state"] == "live" for one in offers["items"]),
    )


def _steps(sites: list[Any], registers: list[Any], offers: list[Any]) -> list[_Step]:
    drafts = [one for one in offers if one["state"] == "draft"]
    publishing = f"/merchant/offers/{drafts[0]['id']}" if drafts else "/merchant/offers/new"
    return [
        _Step("Say where your shop is", "/merchant/places", "Add a place", bool(sites)),
        _Step(
            "Name the till where codes are taken",
            "/merchant/places",
            "Add a till",
            any(one["state"] == "active" for one in registers),
        ),
        _Step(
            "Offer drivers something for their Nova",
            publishing,
            "Publish your draft" if drafts else "Make an offer",
            any(one["state"] in {"live", "paused", "ended"} for one in offers),
        ),
    ]


def _of_invoices(invoices: list[Any]) -> list[tuple[str, str]]:
    late = [one for one in invoices if one["state"] == "overdue"]
    return [(f"Invoice {one['number']} is overdue.", f"/merchant/invoices/{one['id']}") for one in late]


def _of_settlements(settlements: list[Any], *, is_owner: bool) -> list[tuple[str, str]]:
    waits = any(one["waits_for"] == "method" for one in settlements)
    if not waits:
        return []
    text = "Say where you are paid" if is_owner else "Ask the owner to say where the shop is paid"
    return [(f"{text}. The last settlement waits for it.", "/merchant/settlements")]
