"""Callers from a process of their own: many connections, each sending one request after the other."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, cast

import uvloop

PATIENCE_S: Final = 120.0
"""How long one load may take."""

_HEAD_END: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length: "


@dataclass(frozen=True, slots=True)
class Load:
    """Requests to be sent to one server.

    Attributes:
        requests: Whole requests as bytes, over all connections each sent once.
        times: How often all of them are sent.
        keep: Whether the bodies of the answers are wanted.
    """

    port: int
    requests: Sequence[bytes]
    callers: int
    times: int = 1
    keep: bool = False


@dataclass(slots=True)
class Told:
    """What came of a load.

    Attributes:
        seconds: From the first request to the last answer; the connections stood already.
        waits_s: How long each answer took.
        cpu_s: What this process, not the server, used of a processor meanwhile.
        bodies: In no order.
        refused: The first answer that was no success, if any.
    """

    seconds: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    bodies: list[bytes] = field(default_factory=list)
    refused: str = ""


def drive(load: Load) -> Told:
    """Send a load and return what came of it; runs in the process of the callers."""
    return uvloop.run(_drive(load))


async def _drive(load: Load) -> Told:
    loop, told = asyncio.get_running_loop(), Told()
    waiting = deque(request for _ in range(load.times) for request in load.requests)
    callers = [
        (
            await loop.create_connection(
                lambda: _Caller(waiting, told, keep=load.keep), "127.0.0.1", load.port
            )
        )[1]
        for _ in range(load.callers)
    ]
    started, used = time.perf_counter(), time.process_time()
    for one in callers:
        one.send_next()
    await asyncio.wait_for(asyncio.gather(*(one.over for one in callers)), PATIENCE_S)
    told.seconds, told.cpu_s = time.perf_counter() - started, time.process_time() - used
    return told


class _Caller(asyncio.Protocol):
    """One connection. A client library would cost more than many an answer."""

    def __init__(self, waiting: deque[bytes], told: Told, *, keep: bool) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting = waiting
        self._told = told
        self._keep = keep
        self._answer = b""
        self._sent_at = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are no subclasses of it.

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server hung up"))

    def send_next(self) -> None:
        """Send the next request that waits; where none does, this caller is done."""
        if self._transport is None:
            raise AssertionError("a caller sends once it is connected")
        if not self._waiting:
            self.over.set_result(None)
            self._transport.close()
            return
        self._answer = b""
        self._sent_at = time.perf_counter()
        self._transport.write(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        self._answer += data
        end = self._answer.find(_HEAD_END)
        if end < 0:
            return
        at = self._answer.find(_LENGTH, 0, end)
        if at < 0:
            self.over.set_exception(ConnectionError("an answer does not say how long it is"))
            return
        start = end + len(_HEAD_END)
        stop = self._answer.find(b"\r", at)
        if len(self._answer) < start + int(self._answer[at + len(_LENGTH) : stop]):
            return
        self._told.waits_s.append(time.perf_counter() - self._sent_at)
        if int(self._answer[9:12]) >= HTTPStatus.MULTIPLE_CHOICES and not self._told.refused:
            self._told.refused = self._answer[:2_000].decode("utf-8", "replace")
        if self._keep:
            self._told.bodies.append(self._answer[start:])
        self.send_next()
