"""`nerava bench money`: codes shown and taken over HTTP beside a bare hello world, and 10,000 grants.

The server is `nerava serve`, one process, called by 64 connections from another process. API limits
are on; no number of theirs is widened, there are enough callers instead, each with a token and an
address of their own. What production refuses on one machine is as while developing: no TLS on the
way to PostgreSQL, secrets made by itself, and a log for people.
"""

from __future__ import annotations

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from nerava import migrations
from nerava.bench.load import Load, Told, drive
from nerava.bench.result import Result
from nerava.bench.serving import Served, hello_served, served
from nerava.bench.town import Town, close_sessions, found_town, open_campaign
from nerava.installation import Installation, open_installation
from nerava.kernel.ids import new_id
from nerava.ledger.audit import audit
from nerava.ledger.verify import verify
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.settings import DatabaseSettings, Settings, TokenSettings, WorkerSettings
from nerava.web.checks import CHECKS
from nerava.worker import jobs

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.bench.town import Person

CALLERS: Final = 64
CODES_PER_DRIVER: Final = 10
"""In an hour; the product's own limit."""

GRANTS_S: Final = 3.0
"""How long 10,000 grants may take."""

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        callers: Connections at once.
        rounds: How often every scenario takes its turn; the median counts.
        requests: Of each scenario in a round; of the bare application three times as many.
        grants: Sessions that are closed and earn.
    """

    callers: int = CALLERS
    rounds: int = 5
    requests: int = 2_000
    grants: int = 10_000

    @property
    def shown(self) -> int:
        """How many codes are shown in all, the first ones unmeasured."""
        return (self.rounds + 1) * self.requests


QUICK: Final = Size(rounds=1, requests=200, grants=500)
GOALS: Final = {"show": ">= 0.15", "capture": ">= 0.15", "wallet": ">= 0.3"}


@dataclass(slots=True)
class _Measured:
    """What the rounds of one scenario came to, each beside the bare application's just before it."""

    rates: list[float] = field(default_factory=list)
    hellos: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    hello_cpu_ms: list[float] = field(default_factory=list)
    load_cpu_ms: list[float] = field(default_factory=list)


def run(size: Size, tell: Tell) -> Iterator[Result]:
    """Yield the results of both databases; `tell` is given a line before each step."""
    spawn = multiprocessing.get_context("spawn")
    with (
        tempfile.TemporaryDirectory(prefix="nerava-bench-") as folder,
        ProcessPoolExecutor(1, mp_context=spawn) as callers,
        hello_served() as peer,
    ):
        tell("starting PostgreSQL with fsync on")
        with EmbeddedPostgres() as server:
            server.create_database("bench")
            url = server.url("bench")
            yield from _on(_Place("postgresql", url, Path(folder) / "postgresql"), peer, callers, size, tell)
        url = f"sqlite:///{folder}/bench.sqlite3"
        yield from _on(_Place("sqlite", url, Path(folder) / "sqlite"), peer, callers, size, tell)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one installation is."""

    name: str
    url: str
    keys: Path

    def opened(self) -> Installation:
        return open_installation(
            Settings(
                env="development",
                database=DatabaseSettings(url=self.url),
                tokens=TokenSettings(keys_directory=self.keys, life_s=900),
                worker=WorkerSettings(in_web_process=False),
            )
        )

    @property
    def environment(self) -> dict[str, str]:
        """The settings of `nerava serve`."""
        return {
            "NERAVA_ENV": "development",
            "NERAVA_DATABASE__URL": self.url,
            "NERAVA_TOKENS__KEYS_DIRECTORY": str(self.keys),
            "NERAVA_LIMITS__API": "true",
            "NERAVA_SERVER__PORT": "0",
            "NERAVA_SERVER__DRAIN_S": "0",
            "NERAVA_SERVER__TRUSTED_PROXIES": "127.0.0.0/8",
        }


def _on(
    place: _Place, peer: Served, callers: ProcessPoolExecutor, size: Size, tell: Tell
) -> Iterator[Result]:
    migrations.upgrade(place.url)
    tell(f"{place.name}: founding a town")
    with closing(place.opened()) as installation:
        town = found_town(
            installation,
            drivers_count=-(-size.shown // CODES_PER_DRIVER),
            shops_count=20,
            tills_count=-(-size.shown // 2_000),
        )
    with served(place.environment) as server:
        bench = _Bench(town, server, peer, callers, size)
        for number in range(-1, size.rounds):
            tell(f"{place.name}: round {number + 1} of {size.rounds}" if number >= 0 else "warming up")
            bench.round(counts=number >= 0)
        yield from bench.results(place.name)
        yield from bench.load(place.name)
    with closing(place.opened()) as installation:
        _require_clean(installation)
        tell(f"{place.name}: {size.grants:,} sessions that earn")
        yield _grants(installation, place.name, size.grants)
        _require_clean(installation)


class _Bench:
    """Calls both servers in turns."""

    def __init__(
        self, town: Town, server: Served, peer: Served, callers: ProcessPoolExecutor, size: Size
    ) -> None:
        self._server = server
        self._peer = peer
        self._callers = callers
        self._size = size
        # Next to each other in the load are different drivers, and with every turn another shop.
        self._showing = iter(
            (driver, shop) for turn in range(CODES_PER_DRIVER) for driver, shop in _pairs(town, turn)
        )
        self._readers = cycle(town.drivers)
        self._taking = {
            str(one.offer_id): cycle([(till, one.register_id) for till in one.tills]) for one in town.shops
        }
        self._measured = {name: _Measured() for name in GOALS}

    def round(self, *, counts: bool) -> None:
        """Let every scenario take its turn, each after the bare application."""
        count = self._size.requests
        shows = [_show(driver, shop.offer_id) for driver, shop in islice(self._showing, count)]
        codes = [json.loads(one) for one in self._beside("show", shows, keep=True, counts=counts).bodies]
        captures = [_capture(*next(self._taking[one["offer_id"]]), one["code"]) for one in codes]
        self._beside("capture", captures, counts=counts)
        self._beside("wallet", [_wallet(one) for one in islice(self._readers, count)], counts=counts)

    def results(self, database: str) -> Iterator[Result]:
        """Yield rate, tail and CPU of every scenario."""
        for name, goal in GOALS.items():
            found = self._measured[name]
            rate, hello = median(found.rates), median(found.hellos)
            ratio = median(one / two for one, two in zip(found.rates, found.hellos, strict=True))
            yield Result(name, database, rate, "requests/s", hello, ratio, goal)
            p50, p99 = median(found.p50_ms), median(found.p99_ms)
            yield Result(f"{name}_p99", database, p99, "ms", p50, p99 / p50, "<= 3")
            cpu, hello = median(found.cpu_ms), median(found.hello_cpu_ms)
            if hello:
                most = 1 / float(goal.split()[1])
                yield Result(f"{name}_cpu", database, cpu, "ms/request", hello, cpu / hello, f"<= {most:.2f}")

    def load(self, database: str) -> Iterator[Result]:
        """Yield what the callers cost beside the bare application: they must not be what is measured."""
        every = self._measured.values()
        callers = median(one for found in every for one in found.load_cpu_ms)
        hello = median(one for found in every for one in found.hello_cpu_ms)
        if hello:
            yield Result("load_cpu", database, callers, "ms/request", hello, callers / hello, "<= 0.5")

    def _beside(self, name: str, requests: Sequence[bytes], *, counts: bool, keep: bool = False) -> Told:
        hello, hello_cpu_ms = self._send(
            self._peer, Load(self._peer.port, [_HELLO] * len(requests), self._size.callers, 3)
        )
        told, cpu_ms = self._send(
            self._server, Load(self._server.port, requests, self._size.callers, keep=keep)
        )
        if counts:
            waits = sorted(told.waits_s)
            found = self._measured[name]
            found.rates.append(len(waits) / told.seconds)
            found.hellos.append(len(hello.waits_s) / hello.seconds)
            found.p50_ms.append(median(waits) * 1_000)
            found.p99_ms.append(waits[int(len(waits) * 0.99)] * 1_000)
            found.cpu_ms.append(cpu_ms)
            found.hello_cpu_ms.append(hello_cpu_ms)
            found.load_cpu_ms.append(hello.cpu_s / len(hello.waits_s) * 1_000)
        return told

    def _send(self, server: Served, load: Load) -> tuple[Told, float]:
        """Send a load; return what came of it and milliseconds of the server's CPU per request."""
        before = server.cpu_s()
        told = self._callers.submit(drive, load).result()
        used_s = server.cpu_s() - before
        if told.refused:
            message = f"a request was refused: {told.refused}"
            raise RuntimeError(message)
        return told, used_s / len(told.waits_s) * 1_000


def _pairs(town: Town, turn: int) -> Iterator[tuple[Person, Any]]:
    for number, driver in enumerate(town.drivers):
        yield driver, town.shops[(number + turn) % len(town.shops)]


def _grants(installation: Installation, database: str, count: int) -> Result:
    """Let the job of the product evaluate closed sessions, all of which earn from one campaign."""
    open_campaign(installation, count)
    close_sessions(installation, count)
    work = jobs(installation.database, installation.ledger, installation.settings.worker)
    evaluate = next(one for one in work if one.name == "evaluate closed sessions")
    started, evaluated = time.perf_counter(), 0
    while done := evaluate.run(installation.clock.now()):
        evaluated += done
    seconds = time.perf_counter() - started
    if evaluated != count:
        message = f"{evaluated} of {count} sessions were evaluated"
        raise RuntimeError(message)
    most = GRANTS_S * count / 10_000
    return Result("grants", database, seconds, "s", most, seconds / most, "<= 1")


def _require_clean(installation: Installation) -> None:
    """Compute every invariant and the whole hash chain."""
    while installation.ledger.seal():
        pass
    for proof in (lambda session: audit(session, CHECKS), verify):
        found = installation.database.read(proof, patient=True)
        if found:
            message = f"the books are broken: {found[0]}"
            raise RuntimeError(message)


_HELLO: Final = b"GET / HTTP/1.1\r\nhost: bench\r\n\r\n"


def _show(driver: Person, offer_id: UUID) -> bytes:
    return _request("POST", f"/v1/offers/{offer_id}/redemptions", driver, keyed=True)


def _capture(till: Person, register_id: UUID, code: str) -> bytes:
    body = {"code": code, "register_id": str(register_id), "bill_minor": 1_250}
    return _request("POST", "/v1/merchant/redemptions/capture", till, keyed=True, body=json.dumps(body))


def _wallet(driver: Person) -> bytes:
    return _request("GET", "/v1/wallet", driver)


def _request(method: str, path: str, caller: Person, *, keyed: bool = False, body: str = "") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: bench",
        f"x-forwarded-for: {caller.address}",
        f"authorization: Bearer {caller.token}",
    ]
    if keyed:
        lines.append(f"idempotency-key: {new_id()}")
    if body:
        lines.append("content-type: application/json")
    if method == "POST":
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", body]).encode()
