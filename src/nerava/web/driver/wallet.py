"""The wallet on a page: what is available, what is on its way, and the story of every point."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import guarded
from nerava.web.site.page import Shown, page_for, pages

routes: Final = pages("driver")


@routes.get("/wallet")
@guarded(page_for(Role.DRIVER))
async def wallet(page: Shown) -> Response:
    """Show the balance and the latest entries, the newest first."""
    held, statement = await page.api.get_all("/v1/wallet", "/v1/wallet/statement?limit=30")
    return page.show("driver/wallet.html", wallet=held, statement=statement)
