"""`nerava bench identity`: refreshes per second beside an authenticated request that changes nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from nerava import migrations
from nerava.app import create_app
from nerava.bench.result import Result
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.installation import open_installation
from nerava.kernel.ids import new_id
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.settings import DatabaseSettings, LimitSettings, Settings, TokenSettings, WorkerSettings

if TYPE_CHECKING:
    from fastapi import FastAPI
    from sqlalchemy.orm import Session

    from nerava.identity.sessions import Opened
    from nerava.installation import Installation

CALLERS: Final = 8
ROUNDS: Final = 5
PER_FAMILY: Final = 25
"""Refreshes of one session; the product allows 30 an hour."""

NO_OP: Final = "/v1/idempotency-keys/bench/cancel"
"""Signed in, in one transaction, and nothing changes: the key was cancelled before."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How long the benchmark takes: seconds of each of the rounds."""

    seconds: float = 4.0


QUICK: Final = Size(seconds=0.5)


def run(size: Size, tell: Tell) -> Iterator[Result]:
    """Yield one result per database; `tell` is given a line before each step."""
    with tempfile.TemporaryDirectory(prefix="nerava-bench-") as folder:
        tell("starting PostgreSQL with fsync on")
        with EmbeddedPostgres() as server:
            server.create_database("bench")
            yield _on(server.url("bench"), "postgresql", Path(folder) / "postgresql", size, tell)
        yield _on(f"sqlite:///{folder}/bench.sqlite3", "sqlite", Path(folder) / "sqlite", size, tell)


def _on(url: str, name: str, folder: Path, size: Size, tell: Tell) -> Result:
    migrations.upgrade(url)
    with _installed(url, folder) as installation:
        bench = _Bench(installation, size)
        rates: list[tuple[float, float]] = []
        for number in range(ROUNDS):
            tell(f"{name}: round {number + 1} of {ROUNDS}")
            rates.append((bench.rate(bench.refresh_of), bench.rate(bench.no_op_of)))
        refreshes, no_ops = median(one for one, _ in rates), median(two for _, two in rates)
        ratio = median(one / two for one, two in rates)
        return Result("refresh", name, refreshes, "requests/s", no_ops, ratio, ">= 0.5")


@contextmanager
def _installed(url: str, folder: Path) -> Iterator[Installation]:
    installation = open_installation(
        Settings(
            env="test",
            database=DatabaseSettings(url=url, pool_size=CALLERS + 4, pool_wait_ms=10_000),
            tokens=TokenSettings(keys_directory=folder),
            worker=WorkerSettings(in_web_process=False),
            limits=LimitSettings(api=False),
        )
    )
    try:
        yield installation
    finally:
        installation.close()


class _Bench:
    """Calls the application as a server does, without a client that would cost more than it."""

    def __init__(self, installation: Installation, size: Size) -> None:
        self._installation = installation
        self._size = size
        self._app = create_app(installation.settings, installation)
        self._addresses = itertools.count()

    def rate(self, make: Callable[[], Callable[[], Awaitable[None]]]) -> float:
        """Return requests per second of callers that each send one after the other."""
        callers = [make() for _ in range(CALLERS)]
        done = 0

        async def caller(send: Callable[[], Awaitable[None]], deadline: float) -> None:
            nonlocal done
            while time.perf_counter() < deadline:
                await send()
                done += 1

        async def crowd() -> float:
            for send in callers:  # Whatever is made at first use is made now.
                await send()
            started = time.perf_counter()
            await asyncio.gather(*(caller(send, started + self._size.seconds) for send in callers))
            return done / (time.perf_counter() - started)

        return asyncio.run(crowd())

    def refresh_of(self) -> Callable[[], Awaitable[None]]:
        """Return a caller that exchanges each token for the next, and goes on to another session in time."""
        tokens = iter(())  # type: Iterator[int]
        token, address = "", ""

        async def send() -> None:
            nonlocal tokens, token, address
            if next(tokens, None) is None:
                tokens, address = iter(range(PER_FAMILY)), self._address()
                token = (await asyncio.to_thread(self._open)).refresh_token
            answer = await _call(self._app, "/v1/auth/refresh", address, body={"refresh_token": token})
            token = answer["refresh_token"]

        return send

    def no_op_of(self) -> Callable[[], Awaitable[None]]:
        """Return a caller that does nothing, signed in."""
        access, address = self._open().access_token, self._address()

        async def send() -> None:
            await _call(self._app, NO_OP, address, access=access)

        return send

    def _address(self) -> str:
        number = next(self._addresses)
        return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"

    def _open(self) -> Opened:
        user_id, now = new_id(), self._installation.clock.now()

        def unit(session: Session) -> Opened:
            grant_role(session, user_id, Membership(Role.DRIVER, user_id), granted_by="bench", now=now)
            return self._installation.sessions.open(session, user_id, amr=("sms",), now=now)

        return self._installation.database.run(unit)


async def _call(
    app: FastAPI, path: str, address: str, *, body: object = None, access: str = ""
) -> dict[str, Any]:
    """Send one request and return the body of its answer, which must be a success."""
    raw = b"" if body is None else json.dumps(body).encode()
    headers = [(b"content-length", b"%d" % len(raw))]
    headers += [(b"content-type", b"application/json")] if raw else []
    headers += [(b"authorization", f"Bearer {access}".encode())] if access else []
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": (address, 1),
        "server": ("127.0.0.1", 8000),
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: Any) -> None:  # noqa: ANN401 - ASGI's
        sent.append(message)

    await app(scope, receive, send)
    content = b"".join(one.get("body", b"") for one in sent[1:])
    if sent[0]["status"] >= 300:  # noqa: PLR2004 - a success is below
        message = f"{path} answered {sent[0]['status']}: {content[:300].decode()}"
        raise RuntimeError(message)
    answer: dict[str, Any] = json.loads(content or b"{}")
    return answer
