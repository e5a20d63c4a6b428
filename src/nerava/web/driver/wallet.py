"""The wallet on a page: what is available, what is on its way, and the story of every point."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.site.page import Shown, page_for, pages

routes: Final = pages("driver")

After = Annotated[str, Query(max_length=500)]


@routes.get("/wallet")
@guarded(page_for(Role.DRIVER))
async def wallet(page: Shown, after: After = "") -> Response:
    """Show the balance, the tier and the referral code, and the movements, the newest first."""
    place = f"&{urlencode({'cursor': after})}" if after else ""
    held, statement, tier, referral = await page.api.get_all(
        "/v1/wallet", f"/v1/wallet/statement?limit=20{place}", "/v1/me/tier", "/v1/referral"
    )
    return page.show(
        "driver/wallet.html",
        wallet=held,
        statement=statement,
        tier=tier,
        referral=referral,
        expiring=_by_day(held["expiring"]),
        is_later=bool(after),
    )


def _by_day(expiring: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return what expires, one line a day."""
    days: dict[str, dict[str, Any]] = {}
    for one in expiring:
        day = str(one["expires_at"])[:10]
        before = days.get(day, {"points": 0})
        days[day] = {**one, **before, "points": before["points"] + one["points"]}
    return list(days.values())
