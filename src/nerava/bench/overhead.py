"""`nerava bench overhead`: what traces and metrics cost a request, off and on, beside a product without them.

All three are in one process and take their turns within milliseconds, because two processes that do the
same differ by more than what is measured: by where they lie in memory, and by what else the machine does
at that moment. Each turn is compared with its neighbours alone, and the median counts. What sending
spans takes comes in bursts; it is measured in its own thread, and of that the mean is added.
"""

from __future__ import annotations

import asyncio
import gc
import random
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

from nerava import migrations
from nerava.bench import calls, without_hooks
from nerava.bench.result import Result
from nerava.kernel.clock import SystemClock
from nerava.platform import tracing
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.settings import Settings, TracingSettings
from nerava.telemetry import recorded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from nerava.bench.calls import Calls
    from nerava.platform.otlp import Export

    Tell = Callable[[str], None]

PLAIN, OFF, ON = "plain", "off", "on"
GOALS: Final = {OFF: "<= 1.01", ON: "<= 1.08"}
KINDS: Final = 3
"""How many requests a turn has for each that is asked for."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured: turns of each of the three, after some that count for nothing."""

    turns: int = 800
    warming: int = 40

    @property
    def codes(self) -> int:
        """How many codes are shown in all."""
        return self.turns + self.warming


QUICK: Final = Size(turns=40, warming=10)


def run(size: Size, tell: Tell) -> Iterator[Result]:
    """Yield the results of both databases; `tell` is given a line before each step."""
    with tempfile.TemporaryDirectory(prefix="nerava-bench-") as name, _collector() as collector:
        folder = Path(name)
        tell("starting PostgreSQL with fsync on")
        with EmbeddedPostgres() as server:
            for peer in (PLAIN, OFF, ON):
                server.create_database(peer)
            urls = {peer: server.url(peer) for peer in (PLAIN, OFF, ON)}
            yield from _on(_Place("postgresql", urls, folder, collector), size, tell)
        urls = {peer: f"sqlite:///{folder}/{peer}.sqlite3" for peer in (PLAIN, OFF, ON)}
        yield from _on(_Place("sqlite", urls, folder, collector), size, tell)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the three have their databases and keys, and who takes the spans."""

    name: str
    urls: Mapping[str, str]
    folder: Path
    collector: str


@dataclass(slots=True)
class _Measured:
    """Milliseconds of CPU per request, turn by turn, and what sending the spans of one took."""

    took: dict[str, list[float]] = field(default_factory=lambda: {PLAIN: [], OFF: [], ON: []})
    sending: float = 0.0

    def result(self, peer: str, database: str) -> Result:
        """Return what one of them takes beside the plain one."""
        sending, plain_ms = self.sending if peer == ON else 0.0, median(self.took[PLAIN])
        ratios = [one / two for one, two in zip(self.took[peer], self.took[PLAIN], strict=True)]
        value_ms, ratio = median(self.took[peer]) + sending, median(ratios) + sending / plain_ms
        return Result(f"request_cpu_{peer}", database, value_ms, "ms/request", plain_ms, ratio, GOALS[peer])


def _on(place: _Place, size: Size, tell: Tell) -> Iterator[Result]:
    settings = Settings(env="test", tracing=TracingSettings(enabled=True, endpoint=place.collector))
    for url in place.urls.values():
        migrations.upgrade(url)
    with recorded(settings, SystemClock(), "bench") as export, ExitStack() as stack:
        if export is None:
            raise AssertionError("it was turned on")
        tell(f"{place.name}: founding three towns")
        peers = {}
        for peer in (ON, OFF, PLAIN):  # The first one opens its connections while traces are on.
            # Whatever is imported first costs less or more than the same code a second time. Neither
            # of the two that are compared to within a hundredth may be it.
            module = calls if peer == ON else without_hooks.imported(calls.__name__, with_hooks=peer == OFF)
            keys = place.folder / place.name / peer
            peers[peer] = module.opened(place.urls[peer], keys, codes=size.codes, measures=peer == ON)
            stack.callback(peers[peer].close)
            tracing.turn_off()
        tell(f"{place.name}: {size.turns} turns")
        measured = asyncio.run(_turns(peers, export, size))
    if export.counts.dropped:
        message = f"{export.counts.dropped} spans were dropped, so the rest cost less than all would"
        raise RuntimeError(message)
    for peer in GOALS:
        yield measured.result(peer, place.name)


async def _turns(peers: Mapping[str, Calls], export: Export, size: Size) -> _Measured:
    measured, order, sending_ns = _Measured(), list(peers), 0
    chance = random.Random(size.turns)  # noqa: S311 - an order that repeats
    gc.collect()
    gc.freeze()  # What is there by now is not looked through again, in nobody's turn.
    try:
        for turn in range(-size.warming, size.turns):
            if turn == 0:
                sending_ns = calls.sending_ns()
            chance.shuffle(order)
            for peer in order:
                if peer == ON:
                    tracing.turn_on(export.take)
                took_ms = await peers[peer].round(1)
                tracing.turn_off()
                if turn >= 0:
                    measured.took[peer].append(took_ms)
        await asyncio.to_thread(export.wait)
    finally:
        gc.unfreeze()
    measured.sending = (calls.sending_ns() - sending_ns) / 1e6 / size.turns / KINDS
    return measured


@contextmanager
def _collector() -> Iterator[str]:
    """Take spans and read none; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
