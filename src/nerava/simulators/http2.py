"""HTTP/2 without TLS, for providers that speak nothing else: one connection of a caller who knows."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from nerava.simulators.playing import HANG_UP

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from h2.events import Event
    from starlette.types import ASGIApp, Scope

PREFACE: Final = b"PRI * HTTP/2.0\r\n"
"""With what a connection of HTTP/2 begins; no request of HTTP/1.1 does."""


@dataclass(slots=True)
class _Call:
    stream: int
    headers: list[tuple[bytes, bytes]]
    body: bytearray = field(default_factory=bytearray)
    is_read: bool = False
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Http2Line:
    """One connection; its calls are answered by an ASGI application, each in a task of its own."""

    def __init__(
        self, application: ASGIApp, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._application = application
        self._transport = transport
        self._loop = loop
        self._state = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self._calls: dict[int, _Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self._state.initiate_connection()
        self._flush()

    def take(self, data: bytes) -> None:
        """Take what came over the connection."""
        try:
            events = self._state.receive_data(data)
        except ProtocolError:
            self._flush()
            self._transport.close()
            return
        for event in events:
            self._happen(event)
        self._room.set()  # whoever waited for room looks again
        self._flush()

    def lost(self) -> None:
        """End every call that was on its way."""
        for call in self._calls.values():
            call.gone.set()
        self._room.set()

    def _happen(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self._calls[event.stream_id] = _Call(event.stream_id, [(_b(k), _b(v)) for k, v in event.headers])
        elif isinstance(event, DataReceived):
            self._calls[event.stream_id].body += event.data or b""
            self._state.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id)
        elif isinstance(event, StreamEnded):
            task = self._loop.create_task(self._answer(self._calls[event.stream_id]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif isinstance(event, StreamReset) and event.stream_id in self._calls:
            self._calls[event.stream_id].gone.set()

    async def _answer(self, call: _Call) -> None:
        async def receive() -> MutableMapping[str, Any]:
            if call.is_read:
                await call.gone.wait()
                return {"type": "http.disconnect"}
            call.is_read = True
            return {"type": "http.request", "body": bytes(call.body), "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            if call.gone.is_set():
                return
            if message["type"] == "http.response.start":
                status = (b":status", str(message["status"]).encode())
                self._state.send_headers(call.stream, [status, *message["headers"]])
                self._flush()
            else:
                await self._send_body(call, message.get("body", b""), more=message.get("more_body", False))

        try:
            await self._application(self._scope(call), receive, send)
        except ProtocolError:
            self._transport.close()  # the caller ended it while it was answered
        finally:
            self._calls.pop(call.stream, None)

    async def _send_body(self, call: _Call, body: bytes, *, more: bool) -> None:
        while body and not call.gone.is_set():
            window = self._state.local_flow_control_window(call.stream)
            room = min(window, self._state.max_outbound_frame_size)
            if room <= 0:
                self._room.clear()
                await self._room.wait()
                continue
            self._state.send_data(call.stream, body[:room])
            self._flush()
            body = body[room:]
        if not more and not call.gone.is_set():
            self._state.end_stream(call.stream)
            self._flush()

    def _scope(self, call: _Call) -> Scope:
        named = dict(call.headers)
        path, _, query = named[b":path"].partition(b"?")
        plain = [(name, value) for name, value in call.headers if not name.startswith(b":")]
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "2",
            "method": named[b":method"].decode(),
            "scheme": "http",
            "path": path.decode(),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": [(b"host", named.get(b":authority", b"")), *plain],
            "client": None,
            "server": None,
            "extensions": {HANG_UP: self._transport.close},
        }

    def _flush(self) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._state.data_to_send())


def _b(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
