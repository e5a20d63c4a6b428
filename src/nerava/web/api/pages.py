"""Serves the pages and the files that they load, all from `nerava.web.pages` and from nowhere else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Final

from fastapi import APIRouter, Path
from starlette.responses import Response

from nerava.platform.policy import GuardedRoute, Policy, guarded
from nerava.platform.problem import NotFound

routes: Final = APIRouter(tags=["pages"], route_class=GuardedRoute)

_PUBLIC: Final = Policy(public="holds nothing; what its link carries stays behind the # in the browser")
_TYPES: Final = {"page.css": "text/css", "ops_invite.js": "text/javascript"}
_HTML: Final = "text/html"
_NO_REFERRER: Final = {"referrer-policy": "no-referrer"}


@routes.get("/ops/invite", include_in_schema=False)
@guarded(_PUBLIC)
async def ops_invite() -> Response:
    """Return the page to which `nerava ops invite` sends: it makes a passkey with the link's token."""
    return Response(_file("ops_invite.html"), media_type=_HTML, headers=_NO_REFERRER)


@routes.get("/pages/{name}", include_in_schema=False)
@guarded(_PUBLIC)
async def page_file(name: Annotated[str, Path(pattern=r"^[a-z_]{1,40}\.(css|js)$")]) -> Response:
    """Return what a page loads.

    Raises:
        NotFound: No page loads this (404).
    """
    if name not in _TYPES:
        raise NotFound
    return Response(_file(name), media_type=_TYPES[name])


@cache
def _file(name: str) -> bytes:
    return files("nerava.web.pages").joinpath("files", name).read_bytes()
