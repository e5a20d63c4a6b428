"""Legal holds, charging networks, and the roles of people, on pages of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.platform.problem import InvalidInput
from nerava.privacy.model import HoldKind
from nerava.web.ops.asking import carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

HOLDS: Final = (
    (HoldKind.DRIVER.value, "A driver"),
    (HoldKind.SESSION.value, "One charging session"),
    (HoldKind.USER.value, "A user with all that is theirs"),
)
GIVEN: Final = tuple(one.value for one in Role if one not in {Role.DRIVER, Role.PARTNER})

Id = Annotated[str, Query(max_length=60)]


@routes.get("/ops/holds")
@guarded(looks("GET /v1/ops/legal-holds"))
async def holds(page: Shown, after: CursorText = None) -> Response:
    """Show what is kept by order, the oldest first."""
    return await _holds(page, after)


@routes.post("/ops/holds")
@guarded(does("POST /v1/ops/legal-holds"))
async def place(page: Shown) -> Response:
    """Order that something be kept."""

    async def work(form: Form) -> tuple[str, str]:
        body = {
            "kind": form.text("kind", most=20),
            "object_id": form.text("object_id", most=60),
            "reason": form.text("reason", most=200),
        }
        await page.api.post("/v1/ops/legal-holds", body)
        return "/ops/holds", "kept"

    return await carried_out(page, lambda error, typed: _holds(page, None, error, typed), work)


@routes.post("/ops/holds/{hold_id}/lift")
@guarded(does("POST /v1/ops/legal-holds/{hold_id}/lift"))
async def lift(page: Shown, hold_id: UUID) -> Response:
    """End a hold that somebody else placed."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=200)}
        await page.api.post(f"/v1/ops/legal-holds/{hold_id}/lift", body)
        return "/ops/holds", "lifted"

    return await carried_out(page, lambda error, typed: _holds(page, None, error, typed), work)


@routes.get("/ops/roaming")
@guarded(looks("GET /v1/ops/roaming/peers"))
async def roaming(page: Shown) -> Response:
    """Show the charging networks, and how far their lists are read."""
    return await _roaming(page)


@routes.post("/ops/roaming/{peer_id}/read")
@guarded(does("POST /v1/ops/roaming/peers/{peer_id}/readings"))
async def read_now(page: Shown, peer_id: UUID) -> Response:
    """Have its lists read at once."""

    async def work(_form: Form) -> tuple[str, str]:
        await page.api.post(f"/v1/ops/roaming/peers/{peer_id}/readings")
        return "/ops/roaming", "reading"

    return await carried_out(page, lambda error, _: _roaming(page, error), work)


@routes.post("/ops/roaming/{peer_id}/end")
@guarded(does("DELETE /v1/ops/roaming/peers/{peer_id}"))
async def end(page: Shown, peer_id: UUID) -> Response:
    """End the connection with a charging network."""

    async def work(_form: Form) -> tuple[str, str]:
        await page.api.send("DELETE", f"/v1/ops/roaming/peers/{peer_id}")
        return "/ops/roaming", "peer-ended"

    return await carried_out(page, lambda error, _: _roaming(page, error), work)


@routes.get("/ops/roles")
@guarded(looks("GET /v1/ops/roles"))
async def roles(page: Shown, user: Id = "") -> Response:
    """Show the roles of the user that is asked for."""
    return await _roles(page, user.strip())


@routes.post("/ops/roles/give")
@guarded(does("POST /v1/ops/roles"))
async def give(page: Shown) -> Response:
    """Give somebody a role."""

    async def work(form: Form) -> tuple[str, str]:
        body: dict[str, Any] = {
            "user_id": form.text("user_id", most=60),
            "give": form.text("give", most=40),
            "reason": form.text("reason", most=120),
        }
        if form.maybe("held_for", most=60):
            body["held_for"] = form.text("held_for", most=60)
        await page.api.post("/v1/ops/roles", body)
        return f"/ops/roles?user={quote(body['user_id'])}", "role-given"

    return await carried_out(
        page, lambda error, typed: _roles(page, typed.get("user_id", ""), error, typed), work
    )


@routes.post("/ops/roles/{role_id}/take")
@guarded(does("DELETE /v1/ops/roles/{role_id}"))
async def take(page: Shown, role_id: UUID) -> Response:
    """Take a role away."""

    async def work(form: Form) -> tuple[str, str]:
        reason, user = form.text("reason", most=120), form.text("user_id", most=60)
        await page.api.send("DELETE", f"/v1/ops/roles/{role_id}", reason=reason)
        return f"/ops/roles?user={quote(user)}", "role-taken"

    return await carried_out(
        page, lambda error, typed: _roles(page, typed.get("user_id", ""), error, typed), work
    )


async def _holds(
    page: Page,
    after: str | None,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    found = await page.api.get("/v1/ops/legal-holds", cursor=after)
    return await shown(page, "ops/holds.html", error, typed, holds=found, kinds=HOLDS)


async def _roaming(page: Page, error: Wrong | None = None) -> Response:
    found = await page.api.get("/v1/ops/roaming/peers")
    return await shown(page, "ops/roaming.html", error, peers=found["peers"])


async def _roles(
    page: Page, user: str, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    held = None
    try:
        held = (await page.api.get("/v1/ops/roles", user_id=str(UUID(user))))["roles"] if user else None
    except ValueError:
        error = error or InvalidInput("an id has 32 digits, as in 0190f3a4-0000-7000-8000-000000000000")
    return await shown(
        page,
        "ops/roles.html",
        error,
        typed,
        user=user,
        held=held,
        given=[(one, one.replace(":", ", ")) for one in GIVEN],
    )
