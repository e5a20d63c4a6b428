"""Connections that end when their client is too slow, or its head too long."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from nerava.kernel.errors import NeravaError
from nerava.platform.headers import missing_from
from nerava.platform.problem import MEDIA_TYPE, Reference, problem_body

if TYPE_CHECKING:
    import asyncio

HEAD_S: Final = 10.0
"""How long a client may take for request line and headers, from its first byte or from connecting."""

BODY_S: Final = 30.0
"""How long it may take for the body."""

HEAD_BYTES_MAX: Final = 16_384


class RequestMalformed(NeravaError):
    """What came is no request of HTTP/1.1, or its head is longer than anybody needs."""

    code = "request-malformed"
    status = HTTPStatus.BAD_REQUEST
    title = "This is no HTTP request"


class HeadTooLong(Exception):
    """Request line and headers are longer than anybody needs; uvicorn answers 400 and hangs up."""


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol with an end to its patience, which by itself begins after the first answer only."""

    _timer: asyncio.TimerHandle | None = None
    _in_head = False
    _in_message = False
    _head_bytes = 0
    _begun = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._wait(HEAD_S)

    def data_received(self, data: bytes) -> None:
        """Read on, unless what came so far is too long for a head."""
        begun = self._begun
        super().data_received(data)
        if self._begun == begun and not self._in_message and self._timer is None:
            self._wait(HEAD_S)  # Empty lines, which begin no request and yet keep a connection alive.
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES_MAX:
                self.transport.close()

    def on_message_begin(self) -> None:
        """Begin to wait for the head."""
        super().on_message_begin()
        self._in_head = self._in_message = True
        self._head_bytes = 0
        self._begun += 1
        self._wait(HEAD_S)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body, and let the application begin."""
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES_MAX:
            raise HeadTooLong
        self._in_head = False
        self._wait(BODY_S)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Wait for nothing: now it is the application's turn."""
        self._in_message = False
        self._stop_waiting()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's signature; ours says it in our way
        """Answer what no application ever saw like everything else that is refused, and hang up."""
        reference = Reference.new()
        body = problem_body(RequestMalformed(), reference)
        said = [
            *self.server_state.default_headers,
            (b"content-type", MEDIA_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        head = [*said, *missing_from(said, reference.request_id), (b"connection", b"close")]
        lines = b"".join(b"%s: %s\r\n" % one for one in head)
        self.transport.write(b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + body)
        self.transport.close()

    def _wait(self, seconds: float) -> None:
        self._stop_waiting()
        self._timer = self.loop.call_later(seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
