"""The outer skin of the web process: trace id, headers of every answer, and the last resort."""

from __future__ import annotations

import logging
import re
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nerava.kernel.errors import NeravaError
from nerava.platform import access_log, tracing
from nerava.platform.cors import Cors
from nerava.platform.headers import REQUEST_ID, missing_from
from nerava.platform.log_context import begin_about, end_about
from nerava.platform.problem import (
    REFERENCE,
    REFUSAL,
    Overloaded,
    Reference,
    Unexpected,
    problem_response,
    reference_of,
)

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

COOKIES: Final = "nerava.cookies"
"""Where the scope of a request collects the cookies of its answer."""

STATUS: Final = "nerava.status"
"""Where the scope keeps the status of the answer once that has begun."""

TRACEPARENT: Final = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

WELL_FORMED: Final = re.compile(rb"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""A request id as proxies make them: nothing that could be somebody's name or number, or break a line."""


class Edge:
    """ASGI middleware around everything, and the only one.

    It names the request with a trace id (the caller's, when it sends a W3C `traceparent`) and an id of
    its own (the caller's, when its `X-Request-Id` is well formed), refuses what is too much at once,
    adds the security headers, keeps answers out of caches unless they say otherwise, tells browsers
    which other origins may read them, and turns an exception that nobody handled into a problem
    document without a word of its text. If it `tells`, every request is a line of the log.
    """

    def __init__(
        self, app: ASGIApp, requests_max: int = 1_000, cors: Cors | None = None, *, tells: bool = False
    ) -> None:
        self._app = app
        self._cors = cors or Cors()
        self._requests_max = requests_max
        self._tells = tells
        self._in_progress = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent, request_id = _sent_with(scope)
        reference = Reference.new(None if sent is None else sent[3:35], request_id)
        scope[REFERENCE] = reference
        began = time.perf_counter()
        before = begin_about({"trace_id": reference.trace_id, "request_id": reference.request_id})
        try:
            with tracing.serving(scope, reference.trace_id, sent) as span:
                await self._serve(scope, receive, send, span)
        finally:
            if self._tells:
                access_log.note(scope, scope.get(STATUS, 0), time.perf_counter() - began)
            end_about(before)

    async def _serve(
        self, scope: Scope, receive: Receive, send: Send, span: tracing.RequestSpan | tracing.Nothing
    ) -> None:
        started, reference = False, reference_of(scope)

        async def send_dressed(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started, scope[STATUS] = True, message["status"]
                if span:
                    span.status = message["status"]
                message["headers"] = [*message["headers"], *self._cors.headers(scope)]
                message["headers"] += missing_from(message["headers"], reference.request_id)
                message["headers"] += scope.get(COOKIES, ())
            await send(message)

        self._in_progress += 1
        try:
            await self._admitted(scope, receive, send_dressed)
        except Exception as error:
            if started:
                raise
            if not isinstance(error, NeravaError):
                log.exception("unexpected error, trace id %s", reference.trace_id)
                error = Unexpected()
            scope[REFUSAL] = error
            await problem_response(error, reference)(scope, receive, send_dressed)
        finally:
            self._in_progress -= 1

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._in_progress > self._requests_max:
            raise Overloaded
        preflight = self._cors.preflight(scope)
        if preflight is not None:
            await send({"type": "http.response.start", "status": HTTPStatus.NO_CONTENT, "headers": preflight})
            await send({"type": "http.response.body", "body": b""})
            return
        await self._app(scope, receive, send)


def set_cookie(scope: Scope, name: str, value: str, *, life_s: int | None = None) -> None:
    """Let the answer to this request set a cookie that only this host gets, over TLS, out of scripts' reach.

    Without a life it goes when the browser closes. A life of 0 takes the cookie away.
    """
    age = "" if life_s is None else f"; Max-Age={life_s}"
    line = f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{age}"
    scope.setdefault(COOKIES, []).append((b"set-cookie", line.encode("ascii")))


def _sent_with(scope: Scope) -> tuple[str | None, str | None]:
    """Return the `traceparent` and the request id that the caller sent, as far as they are well formed."""
    trace: str | None = None
    request_id: str | None = None
    for name, value in scope["headers"]:
        if name == b"traceparent" and trace is None:
            found = TRACEPARENT.fullmatch(value)
            if found is not None and found[1] != b"0" * 32:
                trace = bytes(value).decode("ascii")
        elif name == REQUEST_ID and request_id is None and WELL_FORMED.fullmatch(value):
            request_id = bytes(value).decode("ascii")
    return trace, request_id
