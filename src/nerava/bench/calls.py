"""Calls of `nerava bench overhead`: one application, called as a server calls it, and the CPU that takes."""

from __future__ import annotations

import json
import threading
import time
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any, Final

from nerava.app import create_app
from nerava.bench.town import found_town
from nerava.installation import open_installation
from nerava.kernel.ids import new_id
from nerava.platform.tracing import THREAD
from nerava.settings import (
    DatabaseSettings,
    LimitSettings,
    MetricsSettings,
    Settings,
    TokenSettings,
    WorkerSettings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fastapi import FastAPI

    from nerava.bench.town import Person, Town
    from nerava.installation import Installation

CODES_PER_DRIVER: Final = 10
"""In an hour; the product's own limit."""

_Request = tuple[dict[str, Any], bytes]


class Calls:
    """Calls the application without a client or a server, which would cost as much as it.

    What is returned is milliseconds of CPU per request, all threads together but the one that sends spans.
    """

    def __init__(self, installation: Installation, app: FastAPI, town: Town) -> None:
        self._installation = installation
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

    async def round(self, count: int) -> float:
        """Read so many wallets, show so many codes and take them, one after the other."""
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
        return (wallet_ms + show_ms + capture_ms) / 3

    def close(self) -> None:
        """Close the installation."""
        self._installation.close()

    async def _timed(self, requests: Sequence[_Request]) -> tuple[float, list[bytes]]:
        began = time.process_time_ns() - sending_ns()
        bodies = [await self._answer(scope, body) for scope, body in requests]
        return (time.process_time_ns() - sending_ns() - began) / 1e6 / len(requests), bodies

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


def opened(url: str, keys: Path, *, codes: int, measures: bool) -> Calls:
    """Open an installation on a database that has its schema, with people for so many codes."""
    settings = Settings(
        env="development",
        database=DatabaseSettings(url=url),
        tokens=TokenSettings(keys_directory=keys, life_s=900),
        worker=WorkerSettings(in_web_process=False),
        limits=LimitSettings(api=True),
        metrics=MetricsSettings(enabled=measures),
    )
    installation = open_installation(settings)
    drivers, tills = -(-codes // CODES_PER_DRIVER), -(-codes // 500)
    town = found_town(installation, drivers_count=drivers, shops_count=5, tills_count=tills)
    return Calls(installation, create_app(settings, installation), town)


def sending_ns() -> int:
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
