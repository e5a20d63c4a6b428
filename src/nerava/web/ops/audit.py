"""The audit log on a page: who did what, with its filters in the address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

from nerava.platform.pagination import CursorText
from nerava.platform.policy import guarded
from nerava.web.ops.asking import looks, shown
from nerava.web.site.calling import Refused
from nerava.web.site.page import Shown, pages

if TYPE_CHECKING:
    from collections.abc import Mapping

routes: Final = pages("ops")

FILTERS: Final = {
    "action": "What",
    "actor_id": "Who",
    "object_kind": "Kind of thing",
    "object_id": "Which thing",
}
"""By what entries are found, and how that is called."""

Word = Annotated[str, Query(max_length=100)]


@routes.get("/ops/audit")
@guarded(looks("GET /v1/ops/audit-log"))
async def audit(
    page: Shown,
    *,
    action: Word = "",
    actor_id: Word = "",
    object_kind: Word = "",
    object_id: Word = "",
    after: CursorText = None,
) -> Response:
    """Show entries, the newest first."""
    given = dict(zip(FILTERS, (action, actor_id, object_kind, object_id), strict=True))
    wanted = {name: text.strip() for name, text in given.items() if text.strip()}
    chips = [(f"{FILTERS[name]}: {text}", _without(wanted, name)) for name, text in wanted.items()]
    error, entries = None, None
    try:
        entries = await page.api.get("/v1/ops/audit-log", **wanted, cursor=after)
    except Refused as refused:
        error = refused
    return await shown(
        page,
        "ops/audit.html",
        error,
        entries=entries or {"items": [], "next_cursor": None},
        filters=FILTERS,
        wanted=wanted,
        chips=chips,
    )


def _without(wanted: Mapping[str, str], name: str) -> str:
    """Return the address of the page with all filters but one."""
    left = urlencode({one: text for one, text in wanted.items() if one != name})
    return f"/ops/audit?{left}" if left else "/ops/audit"
