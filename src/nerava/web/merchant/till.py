"""The pages of somebody at a till, who takes codes and sees what was taken there today; nothing else."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Query
from starlette.responses import Response

from nerava.identity.roles import Role
from nerava.platform.policy import Repeats, guarded
from nerava.web.merchant import scanning
from nerava.web.site.page import Shown, page_for, pages

routes: Final = pages("till")

BASE: Final = "/till"


@routes.get(BASE)
@guarded(page_for(Role.MERCHANT_REGISTER))
async def till(page: Shown, register_id: scanning.RegisterId = "", taken: scanning.TakenId = "") -> Response:
    """Show where a code is typed or scanned."""
    return await scanning.drawn(page, BASE, typed={"register_id": register_id}, taken=taken)


@routes.post(BASE)
@guarded(page_for(Role.MERCHANT_REGISTER, repeats=Repeats.BY_MEANING))
async def take(page: Shown) -> Response:
    """Take a code."""
    return await scanning.take(page, BASE)


@routes.post(f"{BASE}/undo")
@guarded(page_for(Role.MERCHANT_REGISTER, repeats=Repeats.BY_MEANING))
async def undo(page: Shown) -> Response:
    """Take a capture back within its minute."""
    return await scanning.undo(page, BASE)


@routes.get(f"{BASE}/today")
@guarded(page_for(Role.MERCHANT_REGISTER))
async def today(
    page: Shown,
    register_id: scanning.RegisterId = "",
    after: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Show what was taken at this till today."""
    return await scanning.today(page, BASE, register_id, after)
