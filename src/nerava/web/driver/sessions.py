"""Charging sessions on pages: by month with their totals, and of each one why it earned what it earned."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.site.calling import Refused
from nerava.web.site.page import Shown, page_for, pages

if TYPE_CHECKING:
    from nerava.web.site.calling import Api

routes: Final = pages("driver")

_READS: Final = page_for(Role.DRIVER)
ASKED: Final = 100
"""How many sessions a page asks for; it shows whole months of them."""

PROOFS: Final = (
    "Your phone says that you were there",
    "A partner of ours reported the charge",
    "Your car told of the charge",
    "Your car and the charger agree about it",
    "The operator's own record proves it",
    "The operator's record with signed meter values proves it",
)
"""By level of evidence."""

Until = Annotated[str, Query(max_length=40, pattern=r"^[0-9T:.+Z-]*$")]


@routes.get("/sessions")
@guarded(_READS)
async def sessions(page: Shown, until: Until = "") -> Response:
    """Show the sessions by month, the latest first, each month whole with its totals."""
    found = await page.api.get("/v1/sessions", limit=ASKED, until=until)
    months = _months(found["items"])
    is_cut = found["next_cursor"] is not None
    if is_cut and len(months) > 1:
        months.pop()
    earlier = quote(months[-1]["sessions"][-1]["started_at"]) if is_cut else ""
    return page.show(
        "driver/sessions.html",
        months=months,
        earlier=earlier,
        is_later=bool(until),
        is_partial=is_cut and len(months) == 1,
    )


@routes.get("/s/{session_id}")
@guarded(_READS)
async def one_session(page: Shown, session_id: UUID) -> Response:
    """Show one session: what proves it, and campaign by campaign why it earned what it earned."""
    path = f"/v1/sessions/{session_id}"
    found = await page.api.get(path)
    decision = await _maybe(page.api, f"{path}/decision")
    charger = await _maybe(page.api, f"/v1/chargers/{found['location_id']}")
    return page.show(
        "driver/session.html",
        session=found,
        decision=decision,
        campaigns=[] if decision is None else sorted(decision["campaigns"], key=_worth),
        charger=charger,
        seconds=_seconds(found),
        local=_local(found),
        proof=PROOFS[found["evidence_level"]],
        is_live=found["state"] in {"open", "closed"} or found["pending"] > 0,
    )


async def _maybe(api: Api, path: str) -> Any:  # noqa: ANN401 - JSON
    """Return what is there, None if it is not."""
    try:
        return await api.get(path)
    except Refused as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return None


def _months(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return sessions by the month of their place's own calendar, with what each month came to."""
    by_month = groupby(found, key=lambda one: f"{_local(one):%B %Y}")
    months = []
    for name, each in by_month:
        held = [{**one, "local": _local(one), "seconds": _seconds(one)} for one in each]
        sums = {field: sum(one[field] for one in held) for field in ("energy_wh", "points", "pending")}
        months.append({"name": name, "sessions": held, **sums})
    return months


def _local(session: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(session["started_at"]).astimezone(ZoneInfo(session["timezone"]))


def _seconds(session: dict[str, Any]) -> int | None:
    if session["ended_at"] is None:
        return None
    lasted = datetime.fromisoformat(session["ended_at"]) - datetime.fromisoformat(session["started_at"])
    return int(lasted.total_seconds())


def _worth(campaign: dict[str, Any]) -> tuple[int, str]:
    """Order campaigns: the one that gave most first, then by name."""
    return -campaign["points"], campaign["name"]
