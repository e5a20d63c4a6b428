"""Who works for a sponsor: people, open invitations, and how one lets somebody in or out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from uuid import UUID

from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.platform.problem import InvalidInput
from nerava.web.site.calling import Refused
from nerava.web.site.page import Page, Shown, page_for, pages
from nerava.web.sponsor.asking import kept_key

if TYPE_CHECKING:
    from nerava.web.site.forms import Form
    from nerava.web.site.page import Wrong

routes: Final = pages("sponsor", "/sponsor/team")

_CHANGES: Final = page_for(Role.SPONSOR, repeats=Repeats.BY_MEANING)
_ADDRESS_MAX: Final = 254


@routes.get("")
@guarded(page_for(Role.SPONSOR))
async def team(page: Shown) -> Response:
    """Show who works here and who is invited."""
    return await _drawn(page)


@routes.post("/invite")
@guarded(_CHANGES)
async def invite(page: Shown) -> Response:
    """Send an invitation, once for each form."""
    form = await page.form()
    try:
        to = form.text("to", most=_ADDRESS_MAX)
        body = {"invited_as": Role.SPONSOR.value, "channel": "email" if "@" in to else "sms", "to": to}
        await page.api.post("/v1/invites", body, key=form.key or None)
    except (Refused, InvalidInput) as error:
        return await _drawn(page, error, form)
    return page.go("/sponsor/team", "invited")


@routes.post("/invites/{invite_id}/withdraw")
@guarded(_CHANGES)
async def withdraw(page: Shown, invite_id: UUID) -> Response:
    """Take an invitation back."""
    return await _ended(page, f"/v1/invites/{invite_id}", "invite-withdrawn")


@routes.post("/{role_id}/dismiss")
@guarded(_CHANGES)
async def dismiss(page: Shown, role_id: UUID) -> Response:
    """Take somebody's role away."""
    return await _ended(page, f"/v1/staff/{role_id}", "colleague-out")


async def _ended(page: Page, path: str, said: str) -> Response:
    await page.form()
    try:
        await page.api.send("DELETE", path)
    except Refused as error:
        return await _drawn(page, error)
    return page.go("/sponsor/team", said)


async def _drawn(page: Page, error: Wrong | None = None, typed: Form | None = None) -> Response:
    staff, invites = await page.api.get_all("/v1/staff", "/v1/invites")
    return page.show(
        "sponsor/team.html",
        error=error,
        staff=staff["staff"],
        invites=invites["invites"],
        me="" if page.principal is None else str(page.principal.subject),
        typed={} if typed is None else typed.fields,
        key=None if typed is None else kept_key(error, typed),
    )
