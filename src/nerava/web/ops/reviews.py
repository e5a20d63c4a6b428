"""Cars that wait for a decision, why a session earned or not, and everything about one driver, on pages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from starlette.responses import Response

from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.platform.problem import InvalidInput
from nerava.web.api.corrections import ClawbackReason
from nerava.web.api.presents import GoodwillReason
from nerava.web.ops.asking import ASKED, OPS, asked, carried_out, does, looks, said_of, shown
from nerava.web.site.forms import Form
from nerava.web.site.page import Page, Shown, Wrong, page_for, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

PRESENTS: Final = {
    GoodwillReason.THANKS: "Thanks",
    GoodwillReason.COMPLAINT: "A complaint",
    GoodwillReason.OUTAGE: "Something did not work",
    GoodwillReason.WRONG_DECISION: "A wrong decision",
}
TAKEN: Final = {
    ClawbackReason.MISTAKE: "A mistake",
    ClawbackReason.CREDITED: "The charge was credited",
    ClawbackReason.FRAUD: "Fraud",
}

Id = Annotated[str, Query(max_length=60)]


@routes.get("/ops/reviews")
@guarded(page_for(*OPS))
async def reviews(page: Shown, session: Id = "", driver: Id = "") -> Response:
    """Show the cars that wait, or go to the session or the driver that is asked for."""
    for kind, given in (("sessions", session), ("drivers", driver)):
        if given:
            try:
                return page.go(f"/ops/{kind}/{UUID(given.strip())}")
            except ValueError:
                message = "an id has 32 digits, as in 0190f3a4-0000-7000-8000-000000000000"
                return await _reviews(page, InvalidInput(message))
    return await _reviews(page)


@routes.post("/ops/reviews/{link_id}")
@guarded(does("POST /v1/ops/vehicle-reviews/{link_id}/decision"))
async def decide(page: Shown, link_id: UUID) -> Response:
    """Give a car to the connection that waits, or end that."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"accepted": form.text("accepted") == "yes", "reason": form.text("reason", most=200)}
        await page.api.post(f"/v1/ops/vehicle-reviews/{link_id}/decision", body)
        return "/ops/reviews", "decided"

    return await carried_out(page, lambda error, typed: _reviews(page, error, typed), work)


@routes.get("/ops/sessions/{session_id}")
@guarded(looks("GET /v1/ops/sessions/{session_id}/decision"))
async def why(
    page: Shown, session_id: UUID, evaluation: Annotated[int | None, Query(ge=1, le=100)] = None
) -> Response:
    """Show why a session earned or not, campaign by campaign and rule by rule."""
    path = f"/v1/ops/sessions/{session_id}/decision"
    decision = await page.api.get(path, evaluation=evaluation)
    return await shown(page, "ops/session.html", decision=decision, is_earlier=evaluation is not None)


@routes.get("/ops/drivers/{driver_id}")
@guarded(looks("GET /v1/ops/drivers/{driver_id}/grants"))
async def driver(
    page: Shown, driver_id: UUID, grants: CursorText = None, after: CursorText = None
) -> Response:
    """Show what a driver was granted, what was decided about their sessions, and what they hold."""
    return await _driver(page, driver_id, (grants, after))


@routes.post("/ops/drivers/{driver_id}/present")
@guarded(does("POST /v1/ops/goodwill-grants"))
async def give(page: Shown, driver_id: UUID) -> Response:
    """Give a driver points from the house, or ask a second person to."""

    async def work(form: Form) -> tuple[str, str]:
        body = {
            "driver_id": str(driver_id),
            "points": form.whole("points"),
            "reason": form.text("reason", most=40),
        }
        answer = await page.api.post("/v1/ops/goodwill-grants", body, key=form.key)
        return f"/ops/drivers/{driver_id}", said_of(answer, "given")

    return await carried_out(
        page, lambda error, typed: _driver(page, driver_id, error=error, typed=typed), work
    )


@routes.post("/ops/drivers/{driver_id}/grants/{grant_id}")
@guarded(does("POST /v1/ops/grants/{grant_id}/clawbacks"))
async def claw_back(page: Shown, driver_id: UUID, grant_id: UUID) -> Response:
    """Take what was not earned back to its campaign, or ask a second person to."""

    async def work(form: Form) -> tuple[str, str]:
        body = {"points": form.whole("points"), "reason": form.text("reason", most=40)}
        answer = await page.api.post(f"/v1/ops/grants/{grant_id}/clawbacks", body, key=form.key)
        if said_of(answer, "taken-back") == ASKED:
            return f"/ops/drivers/{driver_id}", ASKED
        return f"/ops/drivers/{driver_id}", "taken-back-owed" if answer["owed"] else "taken-back"

    return await carried_out(
        page, lambda error, typed: _driver(page, driver_id, error=error, typed=typed), work
    )


async def _reviews(
    page: Page, error: Wrong | None = None, typed: Mapping[str, str] | None = None
) -> Response:
    calls = ("GET /v1/ops/vehicle-reviews", "/v1/ops/vehicle-reviews", {"limit": 100})
    found = await asked(page, cars=calls)
    cars = None if found["cars"] is None else found["cars"]["links"]
    return await shown(page, "ops/reviews.html", error, typed, cars=cars)


async def _driver(
    page: Page,
    driver_id: UUID,
    cursors: tuple[str | None, str | None] = (None, None),
    *,
    error: Wrong | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:
    path, account = f"/v1/ops/drivers/{driver_id}", f"driver:{driver_id}:nova"
    found = await asked(
        page,
        grants=(
            "GET /v1/ops/drivers/{driver_id}/grants",
            f"{path}/grants",
            {"cursor": cursors[0], "limit": 20},
        ),
        decisions=(
            "GET /v1/ops/drivers/{driver_id}/decisions",
            f"{path}/decisions",
            {"cursor": cursors[1], "limit": 20},
        ),
        held=("GET /v1/ops/accounts/{code}", f"/v1/ops/accounts/{account}", {}),
    )
    return await shown(
        page,
        "ops/driver.html",
        error,
        typed,
        driver_id=str(driver_id),
        grants=found["grants"],
        decisions=found["decisions"],
        held=found["held"],
        presents=[(one.value, text) for one, text in PRESENTS.items()],
        taken=[(one.value, text) for one, text in TAKEN.items()],
    )
