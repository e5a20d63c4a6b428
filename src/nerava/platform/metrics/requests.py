"""Measures the requests of a web process, by the templates of their addresses."""

from __future__ import annotations

import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from nerava.platform.metrics.catalogue import HTTP_DURATION, HTTP_REFUSALS, HTTP_REQUESTS, RATE_LIMITED
from nerava.platform.problem import REFUSAL
from nerava.platform.request_kinds import method_of, route_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from nerava.platform.metrics.meter import Meter

NO_ANSWER: Final = "none"
"""The status of a request that ended without an answer: its caller went away."""

CODE: Final = re.compile(rb'"code": ?"([a-z0-9-]{1,60})"')
"""Where a problem document has its code; a text within it cannot look so, because its quotes are escaped."""


class _Limited(Protocol):
    limit: _Named


class _Named(Protocol):
    id: str


class Measured:
    """ASGI middleware outside of everything; it is there only where somebody measures."""

    def __init__(self, app: ASGIApp, meter: Meter, in_progress: InProgress) -> None:
        self._app = app
        self._meter = meter
        self._in_progress = in_progress

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection and measure it if it is a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status, code = 0, b""

        async def send_noted(message: Message) -> None:
            nonlocal status, code
            if message["type"] == "http.response.start":
                status = message["status"]
            elif status >= HTTPStatus.BAD_REQUEST and not code:
                # Refusals that are kept under a key are answered from there, as they were written then.
                found = CODE.search(message.get("body", b""))
                code = found[1] if found else b""
            await send(message)

        self._in_progress.requests += 1
        try:
            await self._app(scope, receive, send_noted)
        finally:
            self._in_progress.requests -= 1
            self._note(scope, status, code, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, code: bytes, took_s: float) -> None:
        method, route = method_of(scope), route_of(scope)
        self._meter.count(HTTP_REQUESTS, method, route, str(status) if status else NO_ANSWER)
        self._meter.observe(HTTP_DURATION, took_s, method, route)
        if code:
            self._meter.count(HTTP_REFUSALS, code.decode())
        refused: tuple[_Limited, ...] = getattr(scope.get(REFUSAL), "violated", ())
        for one in refused:
            self._meter.count(RATE_LIMITED, one.limit.id)


class InProgress:
    """How many requests have no whole answer yet; changed on the event loop alone."""

    def __init__(self) -> None:
        self.requests = 0
