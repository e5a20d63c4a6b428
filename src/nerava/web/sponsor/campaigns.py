"""The campaigns of a sponsor on one page: state, budget and pace of each, and what is free to fund with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.site.page import Shown, page_for, pages
from nerava.web.sponsor.pace import pace_of

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("sponsor", "/sponsor")

After = Annotated[str, Query(max_length=400)]
"""Where a list goes on: a cursor of the API."""

_LIMIT: Final = 20
_ORDER: Final = ("active", "paused", "draft", "ended")


@routes.get("")
@guarded(page_for(Role.SPONSOR))
async def campaigns(page: Shown, after: After = "") -> Response:
    """Show the campaigns, those that run first, and the deposits."""
    found = await page.api.get("/v1/campaigns", cursor=after, limit=_LIMIT)
    listed = sorted(found["items"], key=lambda one: _ORDER.index(one["state"]))
    running = [one["id"] for one in listed if one["state"] == "active"]
    deposits, *answers = await page.api.get_all(
        "/v1/sponsor",
        *(f"/v1/campaigns/{one['id']}/budget" for one in listed),
        *(f"/v1/campaigns/{one}/burn-down" for one in running),
    )
    burnt = dict(zip(running, answers[len(listed) :], strict=True))
    rows = [_row(one, budget, burnt.get(one["id"])) for one, budget in zip(listed, answers, strict=False)]
    return page.show(
        "sponsor/campaigns.html",
        deposits=deposits,
        rows=rows,
        next_cursor=found["next_cursor"],
        is_first=not after,
    )


def _row(
    campaign: Mapping[str, Any], budget: Mapping[str, Any], burnt: Mapping[str, Any] | None
) -> dict[str, Any]:
    forecast = None if burnt is None else burnt["forecast"]
    return {"campaign": campaign, "budget": budget, "pace": pace_of(campaign, budget, forecast)}
