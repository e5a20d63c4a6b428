"""The page to which a provider of vehicle data sends people back: on to the app, with what came."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

from nerava.platform.policy import Policy, guarded
from nerava.web.api.wiring import Wired, router

routes: Final = router("vehicles", prefix="")

Word = Annotated[str | None, Query(max_length=512)]

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="robots" content="noindex">
<title>{title} &ndash; Nerava</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/pages/page.css">
</head>
<body><main><p class="brand">Nerava</p><h1>{title}</h1><p>{text}</p></main></body>
</html>
"""
_HEADERS: Final = {"cache-control": "no-store", "referrer-policy": "no-referrer"}


@routes.get("/vehicles/return", include_in_schema=False)
@guarded(Policy(public="what comes back is worth nothing without the sign-in that went there"))
def come_back(  # noqa: PLR0917 - what providers put into addresses
    wired: Wired,
    state: Word = None,
    code: Word = None,
    user_id: Word = None,
    error: Word = None,
    error_description: Word = None,  # noqa: ARG001 - somebody's text, which nobody is shown
    vin: Word = None,  # noqa: ARG001 - says which car is not compatible
    make: Word = None,  # noqa: ARG001 - as above
    model: Word = None,  # noqa: ARG001 - as above
    year: Word = None,  # noqa: ARG001 - as above
    mode: Word = None,  # noqa: ARG001 - what we asked for
    status_code: Word = None,  # noqa: ARG001 - of an error
    request_id: Word = None,  # noqa: ARG001 - of an error
    virtual_key_url: Word = None,  # noqa: ARG001 - for some makers
) -> Response:
    """Send the driver on to the app, which hands in what came (`/v1/vehicle-connections/return`).

    Nothing is decided here: the state is good once, for 15 minutes, on the sign-in that it began on.
    """
    came = {"state": state, "code": code, "user_id": user_id, "error": error}
    if wired.app_url is not None and state is not None:
        query = urlencode({name: value for name, value in came.items() if value is not None})
        return Response(
            status_code=HTTPStatus.SEE_OTHER, headers={**_HEADERS, "location": f"{wired.app_url}?{query}"}
        )
    if error is not None:
        return _page("Your car was not connected", "Go back to the app; you can try again there.")
    if state is None:
        return _page("Nothing to do here", "Connect a car in the app.")
    return _page("Almost done", "Go back to the app to finish connecting your car.")


def _page(title: str, text: str) -> Response:
    body = _PAGE.format(title=escape(title), text=escape(text))
    return Response(body, media_type="text/html", headers=_HEADERS)
