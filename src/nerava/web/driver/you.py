"""Oneself on a page: how one is reached, where one is signed in, cars, consents, and one's own data."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.web.api.exports import ZIP
from nerava.web.site.calling import Refused
from nerava.web.site.page import Shown, page_for, pages

if TYPE_CHECKING:
    from nerava.web.site.page import Page, Wrong

routes: Final = pages("driver")

_READS: Final = page_for(Role.DRIVER)
_CHANGES: Final = page_for(Role.DRIVER, repeats=Repeats.BY_MEANING)

PURPOSES: Final = {
    "terms": "The terms of use",
    "privacy": "The privacy notice",
    "marketing": "News and offers from us",
    "research": "My charges in research, without my name",
}
CLIENTS: Final = {"ios": "iPhone", "android": "Android", "web": "A browser", "command": "A command"}


@routes.get("/you")
@guarded(_READS)
async def you(page: Shown) -> Response:
    """Show what is kept about oneself, with a button for each thing that can be changed."""
    return await _drawn(page)


@routes.post("/you/sign-ins/{sign_in_id}/end")
@guarded(_CHANGES)
async def end_sign_in(page: Shown, sign_in_id: UUID) -> Response:
    """Sign out somewhere else."""
    return await _done(page, "DELETE", f"/v1/me/sessions/{sign_in_id}", "sign-in-ended")


@routes.post("/you/sign-out-everywhere")
@guarded(_CHANGES)
async def sign_out_everywhere(page: Shown) -> Response:
    """End every session, this one included."""
    await page.api.post("/v1/auth/logout-all")
    return page.go("/sign-in", "signed-out")


@routes.post("/you/cars/{vehicle_id}/disconnect")
@guarded(_CHANGES)
async def disconnect(page: Shown, vehicle_id: UUID) -> Response:
    """Let a car go: nothing more is read from it."""
    return await _done(page, "DELETE", f"/v1/vehicles/{vehicle_id}", "car-gone")


@routes.post("/you/consents")
@guarded(_CHANGES)
async def consent(page: Shown) -> Response:
    """Agree to one text, or take it back."""
    form = await page.form()
    said = {
        "purpose": form.maybe("purpose", most=40),
        "text_id": form.maybe("text_id", most=64),
        "given": form.ticked("given"),
    }
    return await _done(page, "PUT", "/v1/me/consents", "saved", {"consents": [said]})


@routes.post("/you/exports")
@guarded(_CHANGES)
async def ask_for_export(page: Shown) -> Response:
    """Have a copy of one's data made."""
    try:
        asked = await page.api.post("/v1/me/exports")
    except Refused as error:
        return await _drawn(page, error)
    return page.go(f"/you/exports/{asked['id']}")


@routes.get("/you/exports/{export_id}")
@guarded(_READS)
async def export(page: Shown, export_id: UUID) -> Response:
    """Show how far a copy is."""
    return page.show("driver/export.html", export=await page.api.get(f"/v1/me/exports/{export_id}"))


@routes.get("/you/exports/{export_id}/archive")
@guarded(_READS)
async def fetch_export(page: Shown, export_id: UUID) -> Response:
    """Return the copy as a zip file."""
    path = f"/v1/me/exports/{export_id}"
    status, body = await page.api.fetch("GET", f"{path}/archive")
    if status != HTTPStatus.OK:
        # Asked once more as JSON, so that the refusal is drawn with its words.
        await page.api.get(f"{path}/archive")
    named = {"content-disposition": f'attachment; filename="nerava-{export_id}.zip"'}
    return Response(body, media_type=ZIP, headers=named)


@routes.post("/you/erasure")
@guarded(_CHANGES)
async def ask_for_erasure(page: Shown) -> Response:
    """Ask to be forgotten; until it has begun that can be undone."""
    form = await page.form()
    body = {"gives_up_points": form.ticked("gives_up_points")}
    return await _done(page, "POST", "/v1/me/erasure", "erasure-asked", body)


@routes.post("/you/erasure/undo")
@guarded(_CHANGES)
async def undo_erasure(page: Shown) -> Response:
    """Go back on it."""
    return await _done(page, "DELETE", "/v1/me/erasure", "erasure-undone")


async def _done(page: Page, method: str, path: str, said: str, body: object = None) -> Response:
    """Ask the API for a change, then show the page anew, with its words if it was refused."""
    try:
        await page.api.send(method, path, body)
    except Refused as error:
        return await _drawn(page, error)
    return page.go("/you", said)


async def _drawn(page: Page, error: Wrong | None = None) -> Response:
    contacts, sign_ins, cars, consents = await page.api.get_all(
        "/v1/me/contacts", "/v1/me/sessions", "/v1/vehicles", "/v1/me/consents"
    )
    return page.show(
        "driver/you.html",
        error=error,
        contacts=contacts["contacts"],
        sign_ins=sign_ins["sessions"],
        cars=[one for one in cars["vehicles"] if one["state"] != "ended"],
        consents=consents["consents"],
        erasure=await _erasure(page),
        purposes=PURPOSES,
        clients=CLIENTS,
    )


async def _erasure(page: Page) -> dict[str, Any] | None:
    """Return the erasure that is under way, None where there is none."""
    try:
        found: dict[str, Any] = await page.api.get("/v1/me/erasure")
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None
    return found if found["state"] in {"cooling", "held", "running"} else None
