"""A process of `nerava bench overhead`: the product, called as a server calls it, and the CPU that takes.

Its settings are in the environment. It reads how many codes there will be in all, then a number a line,
and answers each with what so many requests of every kind took of the processors, all threads together
but the one that sends spans, which is told beside. So its peers can be called in turns, a moment apart.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Final

from nerava import migrations
from nerava.app import create_app
from nerava.bench.town import found_town
from nerava.installation import open_installation
from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.platform.tracing import THREAD
from nerava.settings import Settings
from nerava.telemetry import recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastapi import FastAPI

    from nerava.bench.town import Person, Town

CODES_PER_DRIVER: Final = 10
"""In an hour; the product's own limit."""

_Request = tuple[dict[str, Any], bytes]


def main() -> None:
    """Do what is asked until the input ends, then say what became of the spans."""
    settings = Settings()
    migrations.upgrade(settings.database.url)
    codes = int(sys.stdin.readline())
    with recorded(settings, SystemClock(), "bench") as export:
        installation = open_installation(settings)
        town = found_town(
            installation,
            drivers_count=-(-codes // CODES_PER_DRIVER),
            shops_count=5,
            tills_count=-(-codes // 500),
        )
        calls = _Calls(create_app(settings, installation), town)
        _say({"ready": True})
        asyncio.run(_answer(calls))
        installation.close()
    _say({"dropped": 0 if export is None else export.counts.dropped})


async def _answer(calls: _Calls) -> None:
    # In one loop from beginning to end, as in a server: with a loop end its threads.
    while line := await asyncio.to_thread(sys.stdin.readline):
        _say(await calls.round(int(line)))


def _say(what: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


class _Calls:
    """Calls the application without a client or a server, which would cost as much as it."""

    def __init__(self, app: FastAPI, town: Town) -> None:
        self._app = app
        self._showing = iter(
            (driver, town.shops[(number + turn) % len(town.shops)].offer_id)
            for turn in range(CODES_PER_DRIVER)
            for number, driver in enumerate(town.drivers)
        )
        self._readers = cycle(town.drivers)
        self._taking = {
            str(one.offer_id): cycle([(till, one.register_id) for till in one.tills]) for one in town.shops
        }

    async def round(self, count: int) -> dict[str, float]:
        """Read so many wallets, show so many codes and take them; return milliseconds of CPU per request.

        One after the other: how many are gathered into one batch must not depend on the machine.
        """
        sending = _sending_ns()
        wallets = [_request("GET", "/v1/wallet", driver) for driver in islice(self._readers, count)]
        shows = [
            _request("POST", f"/v1/offers/{offer}/redemptions", driver, keyed=True)
            for driver, offer in islice(self._showing, count)
        ]
        wallet_ms, _ = await self._timed(wallets)
        show_ms, bodies = await self._timed(shows)
        captures = []
        for code in map(json.loads, bodies):
            till, register_id = next(self._taking[code["offer_id"]])
            taken = {"code": code["code"], "register_id": str(register_id), "bill_minor": 1_250}
            path = "/v1/merchant/redemptions/capture"
            captures.append(_request("POST", path, till, keyed=True, body=json.dumps(taken).encode()))
        capture_ms, _ = await self._timed(captures)
        beside_ms = (_sending_ns() - sending) / 1e6 / count / 3
        return {"wallet": wallet_ms, "show": show_ms, "capture": capture_ms, "beside": beside_ms}

    async def _timed(self, requests: Sequence[_Request]) -> tuple[float, list[bytes]]:
        began, sending = time.process_time_ns(), _sending_ns()
        bodies = [await self._answer(scope, body) for scope, body in requests]
        used = time.process_time_ns() - began - (_sending_ns() - sending)
        return used / 1e6 / len(requests), bodies

    async def _answer(self, scope: dict[str, Any], body: bytes) -> bytes:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:  # noqa: ANN401 - ASGI's
            sent.append(message)

        await self._app(scope, receive, send)
        content = b"".join(one.get("body", b"") for one in sent[1:])
        if sent[0]["status"] >= 300:  # noqa: PLR2004 - a success is below
            message = f"{scope['path']} answered {sent[0]['status']}: {content[:300].decode()}"
            raise RuntimeError(message)
        return content


def _sending_ns() -> int:
    """Return what the thread that sends spans has used of a processor; 0 where there is none."""
    for one in threading.enumerate():
        if one.name == THREAD and one.ident is not None:
            return time.clock_gettime_ns(time.pthread_getcpuclockid(one.ident))
    return 0


def _request(method: str, path: str, caller: Person, *, keyed: bool = False, body: bytes = b"") -> _Request:
    headers = [(b"host", b"bench"), (b"authorization", f"Bearer {caller.token}".encode())]
    headers += (
        [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")] if body else []
    )
    headers += [(b"idempotency-key", str(new_id()).encode())] if keyed else []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": (caller.address, 1),
        "server": ("127.0.0.1", 8000),
    }
    return scope, body
