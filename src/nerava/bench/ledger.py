"""`nerava bench ledger`: postings per second beside `pgbench` TPC-B, on both databases, fsync on.

`submit` is asked by 64 tasks of one event loop, as the endpoints that post money are, and
`submit_threads` by 64 threads, as the endpoints that do more than post. `inline` is asked by eight
threads in two processes, because pgbench, too, drives its eight clients by two jobs, and two of
Python's threads do not run at once.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from nerava import migrations
from nerava.bench.result import Result
from nerava.kernel.clock import SystemClock
from nerava.ledger import AccountSpec, Asset, Ledger, LedgerOptions, Status, chain, transfer
from nerava.platform.db import Database, EngineOptions
from nerava.platform.db.embedded_postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Chain

CALLERS: Final = 64
INLINE_CALLERS: Final = 8
JOBS: Final = 2
READY_S: Final = 10.0
"""How long the processes of the inline scenario may take to start."""
BATCH: Final = 1_000
FUNDS: Final = 10**9
PGBENCH_SERVER: Final = {"max_connections": "120", "shared_buffers": "512MB"}

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How long the benchmark takes.

    Attributes:
        seconds: Length of each timed scenario.
        accounts: How many accounts the random scenarios draw from.
        entries: Transfers on the account whose balance is read.
        scale: Scale of pgbench; 1 is 100,000 rows.
    """

    seconds: float = 8.0
    accounts: int = 20_000
    entries: int = 1_000_000
    scale: int = 50


QUICK: Final = Size(seconds=2.0, accounts=2_000, entries=20_000, scale=5)


def run(size: Size, tell: Tell) -> Iterator[Result]:
    """Yield one result per scenario; `tell` is given a line before each step."""
    tell("starting PostgreSQL with fsync on")
    with EmbeddedPostgres(settings=PGBENCH_SERVER) as server:
        peer = _Pgbench(server, size)
        tell(f"pgbench: filling {size.scale * 100_000:,} rows")
        peer.prepare()
        server.create_database("bench")
        yield from _on(server.url("bench"), "postgresql", size, peer, tell)
        with _sqlite_url() as url:
            yield from _on(url, "sqlite", size, peer, tell)


def _on(url: str, name: str, size: Size, peer: _Pgbench, tell: Tell) -> Iterator[Result]:
    migrations.upgrade(url)
    database = Database(url, EngineOptions(pool_size=INLINE_CALLERS + 4, pool_wait_ms=30_000))
    ledger = Ledger(database, SystemClock(), LedgerOptions(wait_max_ms=60_000))
    try:
        bench = _Bench(url, name, database, ledger, size, peer, tell)
        bench.prepare()
        yield from bench.scenarios()
    finally:
        ledger.close()
        database.close()


class _Pgbench:
    """The peer: TPC-B with 8 clients on the same server, a short run around every scenario."""

    def __init__(self, server: EmbeddedPostgres, size: Size) -> None:
        self._server = server
        self._size = size

    def prepare(self) -> None:
        self._server.create_database("pgbench")
        self._call("--initialize", "--quiet", f"--scale={self._size.scale}")

    def tps(self) -> float:
        """Return transactions per second of one run."""
        seconds = max(2, round(self._size.seconds / 2))
        out = self._call("--client=8", "--jobs=2", f"--time={seconds}", "--no-vacuum")
        found = re.search(r"tps = ([0-9.]+)", out)
        if found is None:
            message = f"pgbench said something else: {out[-300:]}"
            raise RuntimeError(message)
        return float(found.group(1))

    def _call(self, *options: str) -> str:
        conninfo = self._server.conninfo("pgbench")
        command = [str(self._server.bin("pgbench")), *options, conninfo]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class _Bench:
    def __init__(  # noqa: PLR0917 - what one database's scenarios share
        self,
        url: str,
        name: str,
        database: Database,
        ledger: Ledger,
        size: Size,
        peer: _Pgbench,
        tell: Tell,
    ) -> None:
        self.url = url
        self.name = name
        self.database = database
        self.ledger = ledger
        self.size = size
        self.peer = peer
        self.tell = tell
        self.random = random.Random(7)  # noqa: S311 - a repeatable load, not a secret
        self.codes = [f"bench:{number}" for number in range(size.accounts)]
        self.facts = iter(range(10**12))

    def prepare(self) -> None:
        self.tell(f"{self.name}: opening {self.size.accounts:,} accounts")
        specs = [
            AccountSpec(code, "USD", "bench", floor=0) for code in (*self.codes, "bench:hot", "bench:long")
        ]

        def open_all(session: Session) -> None:
            self.ledger.define(session, [Asset("USD", 2, "cash")])
            self.ledger.open(session, [AccountSpec("external:bench", "USD", "external", floor=None), *specs])

        self.database.run(open_all)
        self.post_all(
            [self.chain("external:bench", code, FUNDS) for code in (*self.codes, "bench:hot", "bench:long")]
        )

    def scenarios(self) -> Iterator[Result]:
        random_rate, tps = self.beside(
            lambda: self.batches(self.random_chain), f"{self.name}: batches of {BATCH}"
        )
        yield self.result("batch", random_rate, tps, ">= 6")
        hot, again = self.interleaved(self.hot_chain, self.random_chain)
        yield self.result("batch_hot", hot, again, ">= 1")
        for scenario, callers in (("submit", self.tasks), ("submit_threads", self.threads)):
            rate, p99_ms, tps = self.submit(scenario, callers)
            yield self.result(scenario, rate, tps, ">= 4")
            yield Result(f"{scenario}_p99", self.name, p99_ms, "ms", 30.0, p99_ms / 30.0, "<= 1")
        if self.name == "postgresql":
            rate, tps = self.beside(
                self.inline, f"{self.name}: inline, one chain a transaction, {INLINE_CALLERS} callers"
            )
            yield self.result("inline", rate, tps, ">= 1")
        yield self.balance()

    def result(self, scenario: str, value: float, baseline: float, goal: str) -> Result:
        return Result(scenario, self.name, value, "transfers/s", baseline, value / baseline, goal)

    def beside(self, measure: Callable[[], float], title: str) -> tuple[float, float]:
        """Return the median of three measurements and of the pgbench runs around them."""
        self.tell(title)
        rates, peers = [], [self.peer.tps()]
        for _ in range(3):
            rates.append(measure())
            peers.append(self.peer.tps())
        return median(rates), median(peers)

    def interleaved(self, one: Callable[[], Chain], other: Callable[[], Chain]) -> tuple[float, float]:
        self.tell(f"{self.name}: one hot campaign beside random accounts")
        pairs = [(self.batches(one), self.batches(other)) for _ in range(5)]
        return median(first for first, _ in pairs), median(second for _, second in pairs)

    def batches(self, make: Callable[[], Chain]) -> float:
        """Post batches of 1,000 until the time is over; return transfers per second."""
        chains = [make() for _ in range(BATCH * max(4, int(self.size.seconds * 4)))]
        done = 0
        started = time.perf_counter()
        while time.perf_counter() - started < self.size.seconds / 3 and done < len(chains):
            self.post_all(chains[done : done + BATCH])
            done += BATCH
        return done / (time.perf_counter() - started)

    def submit(self, scenario: str, callers: Callable[[list[float]], float]) -> tuple[float, float, float]:
        """Return transfers per second, the 99th percentile of the waits in ms, and pgbench's rate."""
        waits: list[float] = []

        def measure() -> float:
            waits.clear()
            return callers(waits)

        rate, tps = self.beside(measure, f"{self.name}: {scenario} from {CALLERS} callers")
        return rate, sorted(waits)[int(len(waits) * 0.99)] * 1_000, tps

    def tasks(self, waits: list[float]) -> float:
        """Submit from tasks of one event loop; return transfers per second."""

        async def caller(deadline: float) -> None:
            while (started := time.perf_counter()) < deadline:
                await self.ledger.submit_async(self.random_chain())
                waits.append(time.perf_counter() - started)

        async def all_callers() -> None:
            deadline = time.perf_counter() + self.size.seconds / 2
            await asyncio.gather(*(caller(deadline) for _ in range(CALLERS)))

        started = time.perf_counter()
        asyncio.run(all_callers())
        return len(waits) / (time.perf_counter() - started)

    def threads(self, waits: list[float]) -> float:
        """Submit from threads; return transfers per second."""
        deadline = time.perf_counter() + self.size.seconds / 2

        def caller() -> None:
            mine = []
            while (started := time.perf_counter()) < deadline:
                self.ledger.submit(self.random_chain())
                mine.append(time.perf_counter() - started)
            waits.extend(mine)

        return _rate(caller, CALLERS, waits)

    def inline(self) -> float:
        """Post one chain a transaction from all jobs at once; return transfers per second."""
        spawn = multiprocessing.get_context("spawn")
        begin_s = time.monotonic() + READY_S
        jobs = [
            _Job(self.url, len(self.codes), next(self.facts), begin_s, self.size.seconds / 2)
            for _ in range(JOBS)
        ]
        with ProcessPoolExecutor(JOBS, mp_context=spawn) as pool:
            return sum(pool.map(_post_inline, jobs))

    def balance(self) -> Result:
        self.tell(f"{self.name}: an account of {self.size.entries:,} entries")
        missing = self.size.entries - self.ledger.balance("bench:long").sequence
        for start in range(0, missing, 2_000):
            self.post_all(
                [self.chain("bench:long", self.any_code(), 1) for _ in range(min(2_000, missing - start))]
            )
        pairs = [(self.read_us("bench:long"), self.read_us("bench:3")) for _ in range(7)]
        long_us, short_us = median(one for one, _ in pairs), median(two for _, two in pairs)
        return Result("balance_read", self.name, long_us, "us", short_us, long_us / short_us, "<= 1.5")

    def read_us(self, code: str) -> float:
        started = time.perf_counter()
        for _ in range(200):
            self.ledger.balance(code)
        return (time.perf_counter() - started) / 200 * 1e6

    def post_all(self, chains: list[Chain]) -> None:
        refused = [one.status for one in self.ledger.submit_many(chains) if one.status is not Status.POSTED]
        if refused:
            message = f"{len(refused)} postings refused, the first as {refused[0]}"
            raise RuntimeError(message)

    def any_code(self) -> str:
        return self.codes[self.random.randrange(len(self.codes))]

    def random_chain(self) -> Chain:
        first, second = self.random.sample(range(len(self.codes)), 2)
        return self.chain(self.codes[first], self.codes[second], 1)

    def hot_chain(self) -> Chain:
        return self.chain("bench:hot", self.any_code(), 1)

    def chain(self, debit: str, credit: str, amount: int) -> Chain:
        return chain(f"bench:{next(self.facts)}", transfer(debit, credit, amount))


@dataclass(frozen=True, slots=True)
class _Job:
    """One process that posts inline.

    Attributes:
        accounts: Among how many accounts it moves money.
        number: In which no other job of the run is its like, so that its facts are its own.
        starts_at_s: When all jobs begin, by the machine's monotonic clock.
    """

    url: str
    accounts: int
    number: int
    starts_at_s: float
    seconds: float


def _post_inline(job: _Job) -> float:
    """Post one chain a transaction from the threads of this process; return transfers per second."""
    threads = INLINE_CALLERS // JOBS
    draw = random.Random(job.number)  # noqa: S311 - a repeatable load, not a secret
    facts = iter(range(10**12))
    done: list[float] = []
    with (
        closing(Database(job.url, EngineOptions(pool_size=threads))) as database,
        closing(Ledger(database, SystemClock())) as ledger,
    ):

        def post() -> None:
            first, second = draw.sample(range(job.accounts), 2)
            fact = f"bench:inline:{job.number}:{next(facts)}"
            one = chain(fact, transfer(f"bench:{first}", f"bench:{second}", 1))
            database.run(partial(ledger.post, chain=one))

        def caller() -> None:
            mine = []
            while time.perf_counter() < deadline:
                post()
                mine.append(0.0)
            done.extend(mine)

        post()  # The first one opens the database and imports what it needs.
        early_s = job.starts_at_s - time.monotonic()
        if early_s < 0:
            message = "a job was not ready when all were to begin"
            raise RuntimeError(message)
        time.sleep(early_s)
        deadline = time.perf_counter() + job.seconds
        return _rate(caller, threads, done)


def _rate(caller: Callable[[], None], callers: int, done: list[float]) -> float:
    threads = [threading.Thread(target=caller) for _ in range(callers)]
    started = time.perf_counter()
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return len(done) / (time.perf_counter() - started)


@contextmanager
def _sqlite_url() -> Iterator[str]:
    folder = Path(tempfile.mkdtemp(prefix="nerava-bench-"))
    try:
        yield f"sqlite:///{folder / 'bench.sqlite3'}"
    finally:
        shutil.rmtree(folder)
