"""What runs and what is stopped, on pages: switches, and what providers told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Path, Query
from starlette.responses import Response

from nerava.inbound.model import EventState
from nerava.kernel.switch_names import ADJUST, EARN, FUNDING, MONEY_ALL, PAYOUT, READONLY, REDEEM
from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.platform.problem import InvalidInput
from nerava.web.ops.asking import carried_out, does, looks, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

SWITCHES: Final = (
    (EARN, "New rewards"),
    (REDEEM, "New codes and claims"),
    (PAYOUT, "Payouts"),
    (FUNDING, "New deposits and budgets"),
    (ADJUST, "Corrections by hand"),
    (MONEY_ALL, "Everything that moves money"),
    (READONLY, "Everything that changes anything"),
    ("signup", "Signing up"),
    ("sms", "Text messages"),
    ("webhooks.out", "Webhooks to others"),
)
"""What can be stopped by one name, and what that is."""

EVENTS: Final = (
    (EventState.DEAD.value, "Given up"),
    (EventState.RETRY.value, "Tried again"),
    (EventState.RECEIVED.value, "Received"),
    (EventState.DONE.value, "Done"),
    (EventState.IGNORED.value, "Ignored"),
)

SwitchName = Annotated[str, Path(max_length=80, pattern="^[a-z][0-9a-z.:_-]*$")]


@routes.get("/ops/system")
@guarded(looks("GET /v1/ops/switches"))
async def system(page: Shown) -> Response:
    """Show every switch, those that are on first."""
    return await _system(page)


@routes.post("/ops/system")
@guarded(does("POST /v1/ops/switches/{name}/on"))
async def stop(page: Shown) -> Response:
    """Stop something everywhere, at once."""

    async def work(form: Form) -> tuple[str, str]:
        name = form.maybe("party", most=80) or form.text("name", most=80)
        if not name.isascii() or not name.replace(".", "").replace(":", "").replace("-", "").isalnum():
            message = "a switch is named as in driver:0190f3a4-0000-7000-8000-000000000000"
            raise InvalidInput(message)
        body = {"reason": form.text("reason", most=200)}
        await page.api.post(f"/v1/ops/switches/{name}/on", body)
        return "/ops/system", "stopped"

    return await carried_out(page, lambda error, typed: _system(page, error, typed), work)


@routes.post("/ops/system/{name}/release")
@guarded(does("POST /v1/ops/switches/{name}/releases"))
async def ask_release(page: Shown, name: SwitchName) -> Response:
    """Ask a second person to let it work again."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"reason": form.text("reason", most=200)}
        await page.api.post(f"/v1/ops/switches/{name}/releases", body)
        return "/ops/system", "release-asked"

    return await carried_out(page, lambda error, typed: _system(page, error, typed), work)


@routes.post("/ops/releases/{release_id}/approve")
@guarded(does("POST /v1/ops/switch-releases/{release_id}/approve"))
async def approve_release(page: Shown, release_id: UUID) -> Response:
    """Let work again what somebody else asked for."""

    async def work(_form: Form) -> tuple[str, str]:
        await page.api.post(f"/v1/ops/switch-releases/{release_id}/approve")
        return "/ops/system", "released"

    return await carried_out(page, lambda error, typed: _system(page, error, typed), work)


@routes.get("/ops/events")
@guarded(looks("GET /v1/ops/provider-events"))
async def events(
    page: Shown, state: Annotated[EventState, Query()] = EventState.DEAD, after: CursorText = None
) -> Response:
    """Show what providers told, in one state, the newest first."""
    return await _events(page, state, after)


@routes.post("/ops/events/{event_id}/retry")
@guarded(does("POST /v1/ops/provider-events/{event_id}/retry"))
async def retry(page: Shown, event_id: UUID) -> Response:
    """Give an event that was given up another day."""

    async def work(_form: Form) -> tuple[str, str]:
        await page.api.post(f"/v1/ops/provider-events/{event_id}/retry")
        return "/ops/events", "retried"

    return await carried_out(page, lambda error, _: _events(page, EventState.DEAD, None, error), work)


async def _system(page: Page, error: Wrong | None = None, typed: Mapping[str, str] | None = None) -> Response:
    found = await page.api.get("/v1/ops/switches")
    return await shown(
        page,
        "ops/system.html",
        error,
        typed,
        on=[one for one in found["switches"] if one["is_on"]],
        before=[one for one in found["switches"] if not one["is_on"]],
        names=SWITCHES,
        called=dict(SWITCHES),
    )


async def _events(page: Page, state: EventState, after: str | None, error: Wrong | None = None) -> Response:
    found = await page.api.get("/v1/ops/provider-events", state=state.value, cursor=after)
    return await shown(page, "ops/events.html", error, events=found, state=state.value, states=EVENTS)
