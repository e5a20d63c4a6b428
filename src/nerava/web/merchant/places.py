"""Where a merchant's shops are, and the tills in them at which codes are taken."""

from __future__ import annotations

import re
from typing import Final
from uuid import UUID

from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InputError, InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, page_for, pages

routes: Final = pages("merchant")

BASE: Final = "/merchant/places"
HOUSE: Final = (Role.MERCHANT_OWNER, Role.MERCHANT_MANAGER)
CHANGES: Final = page_for(*HOUSE, repeats=Repeats.BY_MEANING)

_DEGREES: Final = re.compile(r"-?\d{1,3}(?:\.\d{1,9})?", re.ASCII)
_LIMIT: Final = 200


@routes.get(BASE)
@guarded(page_for(*HOUSE))
async def places(page: Shown) -> Response:
    """Show the shops, the tills of each, and how to add one."""
    return await _drawn(page)


@routes.post(BASE)
@guarded(CHANGES)
async def add_place(page: Shown) -> Response:
    """Add a shop."""
    form = await page.form()
    try:
        body = {
            "name": form.text("name", most=120),
            "address": form.text("address", most=200),
            "latitude": _degrees(form, "latitude", 90),
            "longitude": _degrees(form, "longitude", 180),
        }
        await page.api.post("/v1/merchant/sites", body, key=form.key)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, error, form.fields)
    return page.go(BASE, "place-added")


@routes.post(f"{BASE}/tills")
@guarded(CHANGES)
async def add_till(page: Shown) -> Response:
    """Add a till to a shop."""
    form = await page.form()
    try:
        body = {"name": form.text("till", most=120), "site_id": form.text("site_id", most=36)}
        await page.api.post("/v1/merchant/registers", body, key=form.key)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, error, form.fields)
    return page.go(BASE, "till-added")


@routes.post(f"{BASE}/tills/{{register_id}}/close")
@guarded(CHANGES)
async def close_till(page: Shown, register_id: UUID) -> Response:
    """Close a till for good; it takes no more codes."""
    try:
        await page.api.post(f"/v1/merchant/registers/{register_id}/close")
    except Refused as error:
        return await _drawn(page, error)
    return page.go(BASE, "till-closed")


async def _drawn(page: Page, error: Wrong | None = None, typed: dict[str, str] | None = None) -> Response:
    sites, registers = await page.api.get_all(
        f"/v1/merchant/sites?limit={_LIMIT}", f"/v1/merchant/registers?limit={_LIMIT}"
    )
    shown = {"sites": sites["items"], "registers": registers["items"], "typed": typed or {}}
    return page.show("merchant/places.html", error=error, **shown)


def _degrees(form: Form, name: str, most: int) -> float:
    typed = form.text(name, most=20).replace(",", ".")
    if not _DEGREES.fullmatch(typed) or abs(float(typed)) > most:
        message = f"degrees between -{most} and {most}, as in 60.1690"
        error = InputError(pointer=f"form/{name}", message=message, kind="degrees")
        raise InvalidInput(message, errors=[error])
    return float(typed)
