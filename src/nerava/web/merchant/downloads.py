"""Files that the API makes, handed to a browser byte for byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import Response

from nerava.web.site.calling import Refused

if TYPE_CHECKING:
    from nerava.web.site.page import Page

CSV = "text/csv; charset=utf-8"
PDF = "application/pdf"


async def download(page: Page, path: str, *, query: str = "", media_type: str, name: str) -> Response:
    """Return what the API answers as a file to keep.

    Raises:
        Refused: The API says no.
    """
    status, raw = await page.api.fetch("GET", path, query)
    return as_file(status, raw, media_type=media_type, name=name)


def as_file(status: int, raw: bytes, *, media_type: str, name: str) -> Response:
    """Return an answer of the API as a file to keep.

    Raises:
        Refused: It is a refusal.
    """
    if status >= 400:  # noqa: PLR2004 - by HTTP
        raise Refused(status, json.loads(raw))
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(raw, media_type=media_type, headers=headers)
