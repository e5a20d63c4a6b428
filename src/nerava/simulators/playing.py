"""Sends answers over the wire: as they are, or in all the ways in which a fault spoils them."""

from __future__ import annotations

import asyncio
import gzip
import json
from datetime import timedelta
from email.utils import format_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.faults import Fault, Kind
from nerava.simulators.wire import Answer, as_json, as_page

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping
    from datetime import datetime

    from starlette.types import Receive, Scope, Send

    from nerava.simulators.chance import Chance
    from nerava.simulators.wire import Call, Provider

HUNDRED_MB: Final = 100_000_000
_CHUNK: Final = b"[" + b"0," * 32_000
_LOGIN_PAGE: Final = "<!doctype html><title>Hotel Wi-Fi</title><h1>Please sign in to use the network</h1>"
LINK_LOCAL: Final = "http://169.254.169.254/latest/meta-data/"
HANG_UP: Final = "nerava.hang_up"
"""The extension of our own server that ends a connection at once, without another byte."""


def spoiled(  # noqa: PLR0911 - one for each kind
    call: Call, fault: Fault, provider: Provider, now: datetime
) -> Answer:
    """Return what is answered instead when a fault keeps a call from being carried out."""
    details = fault.details
    match fault.kind:
        case Kind.STATUS:
            return provider.fail(call, int(details.get("status", 500)), details.get("code"))
        case Kind.RATE:
            answer = provider.fail(call, 429, details.get("code"))
            wait = _retry_after(
                str(details.get("retry_after", "seconds")), int(details.get("seconds", 7)), now
            )
            return answer if wait is None else _with(answer, {"retry-after": wait})
        case Kind.AUTH:
            return provider.fail(call, 401, details.get("code"))
        case Kind.REDIRECT:
            return Answer(302, b"", {"location": str(details.get("to", LINK_LOCAL))})
        case Kind.WRONG_TYPE if details.get("how") == "error_inside":
            inside = provider.fail(call, 500, details.get("code"))
            return Answer(200, inside.body, inside.headers)
        case Kind.WRONG_TYPE:
            return as_page(_LOGIN_PAGE)
        case _:
            return provider.fail(call, 503, None)


def _with(answer: Answer, headers: dict[str, str]) -> Answer:
    return Answer(answer.status, answer.body, {**answer.headers, **headers})


def _retry_after(form: str, seconds: int, now: datetime) -> str | None:
    match form:
        case "date":
            return format_datetime(now + timedelta(seconds=seconds), usegmt=True)
        case "garbage":
            return "soon"
        case "absent":
            return None
        case _:
            return str(seconds)


def waiting_s(fault: Fault, chance: Chance) -> float:
    """Return how many seconds an answer is late."""
    seconds = float(fault.details.get("seconds", 1))
    match fault.details.get("spread", "fixed"):
        case "uniform":
            return chance.between(0, seconds)
        case "long_tailed":
            return chance.long_tailed(seconds)
        case _:
            return seconds


def drifted(answer: Answer, fault: Fault) -> Answer:
    """Return an answer with one field changed, found by its path; `*` means every element of a list."""
    document = answer.document
    if document is None:
        return answer
    path = str(fault.details.get("field", "id")).split(".")
    _change(document, path, str(fault.details.get("how", "missing")))
    return _with(as_json(document, answer.status), answer.headers)


def _change(here: Any, path: list[str], how: str) -> None:  # noqa: ANN401 - whatever JSON it is
    name, *rest = path
    if isinstance(here, list):
        chosen = here if name == "*" else here[int(name) : int(name) + 1] if name.isdigit() else []
        for one in chosen:
            if rest:
                _change(one, rest, how)
        return
    if not isinstance(here, dict) or (name not in here and how != "extra"):
        return
    if rest:
        _change(here[name], rest, how)
        return
    match how:
        case "missing":
            del here[name]
        case "null":
            here[name] = None
        case "unknown":
            here[name] = "something_new"
        case "extra":
            here[name] = {"added_by": "the provider", "since": "today"}
        case _:
            here[name] = [here[name]] if isinstance(here[name], str) else str(here[name])


class Line:
    """The connection of one call."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._hang_up: Callable[[], None] | None = scope.get("extensions", {}).get(HANG_UP)

    async def say(self, answer: Answer) -> None:
        """Send an answer as it is."""
        await self._head(answer, len(answer.body))
        await self._part(answer.body, more=False)

    async def hang_up(self) -> None:
        """End the connection without another byte; on a foreign server wait until the caller does."""
        if self._hang_up is not None:
            self._hang_up()
        await self.wait()

    async def wait(self) -> None:
        """Say nothing until the caller has gone."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _head(self, answer: Answer, length: int | None) -> None:
        headers = dict(answer.headers)
        if length is not None:
            headers["content-length"] = str(length)
        pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": answer.status, "headers": pairs})

    async def _part(self, body: bytes, *, more: bool) -> None:
        message: MutableMapping[str, Any] = {"type": "http.response.body", "body": body, "more_body": more}
        await self._send(message)

    async def say_badly(self, answer: Answer, fault: Fault) -> None:
        """Send an answer as a fault has it."""
        how = fault.details.get("how", "")
        match fault.kind:
            case Kind.ANSWER_LOST if how == "silence":
                await self.wait()
            case Kind.ANSWER_LOST:
                await self.hang_up()
            case Kind.STALL:
                await self._half(answer)
                await self.wait()
            case Kind.CUT if how == "gzip":
                packed = gzip.compress(answer.body)
                await self.say(
                    _with(Answer(answer.status, packed[: len(packed) // 2], answer.headers), _GZIP)
                )
            case Kind.CUT if how == "length":
                await self._head(answer, len(answer.body) + 100)
                await self._part(answer.body, more=True)
                await self.hang_up()
            case Kind.CUT:
                await self._half(answer)
                await self.hang_up()
            case Kind.DRIP:
                await self._drip(answer, float(fault.details.get("seconds", 1)))
            case Kind.HUGE:
                await self._flood(answer, str(how), int(fault.details.get("bytes", HUNDRED_MB)))
            case _:
                await self.say(answer)

    async def _half(self, answer: Answer) -> None:
        await self._head(answer, len(answer.body))
        await self._part(answer.body[: len(answer.body) // 2], more=True)
        await asyncio.sleep(0.01)  # the half is on its way before the line goes dead

    async def _drip(self, answer: Answer, pause_s: float) -> None:
        gone = asyncio.ensure_future(self.wait())
        await self._head(answer, len(answer.body))
        for place in range(len(answer.body)):
            await self._part(answer.body[place : place + 1], more=place + 1 < len(answer.body))
            done, _ = await asyncio.wait({gone}, timeout=pause_s)
            if done:
                return
        gone.cancel()

    async def _flood(self, answer: Answer, how: str, size: int) -> None:
        if how == "gzip_bomb":
            await self.say(_with(Answer(answer.status, _bomb(size), answer.headers), _GZIP))
            return
        gone = asyncio.ensure_future(self.wait())
        await self._head(answer, None)
        sent = 0
        while (sent < size or how == "endless") and not gone.done():
            await self._part(_CHUNK, more=True)
            await asyncio.sleep(0)
            sent += len(_CHUNK)
        if not gone.done():
            await self._part(b"0]", more=False)
            gone.cancel()


_GZIP: Final = {"content-encoding": "gzip"}


@cache
def _bomb(size: int) -> bytes:
    return gzip.compress(json.dumps("0" * size).encode(), compresslevel=9)
