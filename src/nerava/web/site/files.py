"""Serves the style sheet, scripts and pictures that pages load; nothing else of the package."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from nerava.platform.policy import GuardedRoute, Policy, guarded
from nerava.platform.problem import NotFound
from nerava.web.site.rendering import FILE_TYPES, content

routes: Final = APIRouter(tags=["pages"], route_class=GuardedRoute)

_PUBLIC: Final = Policy(public="style sheets and scripts are the same for everybody")
_FOR_EVER: Final = {"cache-control": "public, max-age=31536000, immutable"}
_BRIEFLY: Final = {"cache-control": "public, max-age=300"}


@routes.get("/static/{name}", include_in_schema=False)
@guarded(_PUBLIC)
async def static_file(
    name: Annotated[str, Path(pattern=r"^[a-z_]{1,40}\.(css|mjs|js|svg)$")],
    v: Annotated[str, Query(pattern=r"^[0-9a-f]{0,12}$")] = "",
) -> Response:
    """Return a file that pages load; with its version it may be kept for a year.

    Raises:
        NotFound: No page loads this (404).
    """
    held = content(name)
    if held is None:
        raise NotFound
    kept = _FOR_EVER if v else _BRIEFLY
    return Response(held, media_type=FILE_TYPES[PurePosixPath(name).suffix], headers=kept)
