"""The page on which owners and managers take codes."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.web.merchant import scanning
from nerava.web.site.page import Shown, page_for, pages

routes: Final = pages("merchant")

BASE: Final = "/merchant/scan"
HOUSE: Final = (Role.MERCHANT_OWNER, Role.MERCHANT_MANAGER)


@routes.get(BASE)
@guarded(page_for(*HOUSE))
async def scan(page: Shown, register_id: scanning.RegisterId = "", taken: scanning.TakenId = "") -> Response:
    """Show where a code is typed or scanned, and what was taken at this till today."""
    return await scanning.drawn(page, BASE, typed={"register_id": register_id}, taken=taken)


@routes.post(BASE)
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def take(page: Shown) -> Response:
    """Take a code."""
    return await scanning.take(page, BASE)


@routes.post(f"{BASE}/undo")
@guarded(page_for(*HOUSE, repeats=Repeats.BY_MEANING))
async def undo(page: Shown) -> Response:
    """Take a capture back within its minute."""
    return await scanning.undo(page, BASE)
