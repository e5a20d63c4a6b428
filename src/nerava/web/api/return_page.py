"""What people see who come back from a provider's page of consent: on to the app, or a page that says so."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlencode

from fastapi import Query
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

Word = Annotated[str | None, Query(max_length=512)]
"""A part of the address that a provider puts there."""

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


def sent_on(app_url: str, came: Mapping[str, str | None]) -> Response:
    """Send somebody on to the app with what came back; only the app can hand it in."""
    query = urlencode({name: value for name, value in came.items() if value is not None})
    return Response(status_code=HTTPStatus.SEE_OTHER, headers={**_HEADERS, "location": f"{app_url}?{query}"})


def page(title: str, text: str) -> Response:
    """Return a page that says what to do."""
    body = _PAGE.format(title=escape(title), text=escape(text))
    return Response(body, media_type="text/html", headers=_HEADERS)
