"""`nerava bench overhead`: what traces and metrics cost a request, off and on, beside a product without.

What else goes on on the machine adds to the CPU time of a request, by caches that are cold, and for a
while at a time. So the peers take a great many turns of a few requests, each is compared with its
neighbours alone, and the median counts. What sending spans takes comes in bursts; it is measured in its
own thread, and of that the mean is added.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import fmean, median
from typing import IO, TYPE_CHECKING, Any, Final

from nerava.bench.result import Result
from nerava.platform.db.embedded_postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Tell = Callable[[str], None]

KINDS: Final = ("wallet", "show", "capture")
GOALS: Final = {"off": "<= 1.01", "on": "<= 1.08"}
PLAIN: Final = "plain"

_CALLS: Final = "from nerava.bench.calls import main; main()"
_CALLS_WITHOUT: Final = f"from nerava.bench.without_hooks import install; install(); {_CALLS}"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured.

    Attributes:
        starts: How often every peer is started anew: where one happens to lie in memory is worth a percent.
        rounds: In which the peers take turns.
        requests: Of every kind, of every peer, in a round.
    """

    starts: int = 3
    rounds: int = 400
    requests: int = 2


QUICK: Final = Size(starts=1, rounds=20)
WARMING: Final = 20
"""Rounds before the first one that counts: whatever is made at first use is made in them."""


def run(size: Size, tell: Tell) -> Iterator[Result]:
    """Yield the results of both databases; `tell` is given a line before each step."""
    with tempfile.TemporaryDirectory(prefix="nerava-bench-") as folder, _collector() as collector:
        tell("starting PostgreSQL with fsync on")
        with EmbeddedPostgres() as server:

            def postgresql(name: str) -> str:
                server.create_database(name)
                return server.url(name)

            yield from _on(_Place("postgresql", Path(folder), collector, postgresql), size, tell)

        def sqlite(name: str) -> str:
            return f"sqlite:///{folder}/{name}.sqlite3"

        yield from _on(_Place("sqlite", Path(folder), collector, sqlite), size, tell)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where databases are made, and who takes the spans."""

    name: str
    folder: Path
    collector: str
    database: Callable[[str], str]

    def environment(self, peer: str, number: int) -> dict[str, str]:
        """The settings of one peer, which has a database and keys of its own."""
        on = "true" if peer == "on" else "false"
        name = f"{peer}_{number}"
        return {
            "NERAVA_ENV": "development",
            "NERAVA_DATABASE__URL": self.database(name),
            "NERAVA_TOKENS__KEYS_DIRECTORY": str(self.folder / self.name / name),
            "NERAVA_TOKENS__LIFE_S": "900",
            "NERAVA_WORKER__IN_WEB_PROCESS": "false",
            "NERAVA_LIMITS__API": "true",
            "NERAVA_METRICS__ENABLED": on,
            "NERAVA_TRACING__ENABLED": on,
            "NERAVA_TRACING__ENDPOINT": self.collector,
        }


@dataclass(slots=True)
class _Measured:
    """Milliseconds of CPU per request of one peer since it was started, round by round."""

    took: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)

    @property
    def cpu_ms(self) -> float:
        """What a request takes, and what sending its spans takes."""
        return median(self.took) + fmean(self.beside)

    def ratio(self, plain: _Measured) -> float:
        """Return the part of the plain product's that it takes, round by round."""
        beside = fmean(self.beside) / median(plain.took)
        return beside + median(one / two for one, two in zip(self.took, plain.took, strict=True))


def _on(place: _Place, size: Size, tell: Tell) -> Iterator[Result]:
    starts = []
    for number in range(size.starts):
        tell(f"{place.name}: {number + 1} of {size.starts}")
        starts.append(_take_turns(place, number, size))
    plain_ms = median(one[PLAIN].cpu_ms for one in starts)
    for name, goal in GOALS.items():
        ratio = median(one[name].ratio(one[PLAIN]) for one in starts)
        value_ms = median(one[name].cpu_ms for one in starts)
        yield Result(f"request_cpu_{name}", place.name, value_ms, "ms/request", plain_ms, ratio, goal)


def _take_turns(place: _Place, number: int, size: Size) -> dict[str, _Measured]:
    codes = (size.rounds + WARMING) * size.requests
    order = [PLAIN, *GOALS]
    measured = {name: _Measured() for name in order}
    chance = random.Random(number)  # noqa: S311 - an order that repeats
    with ExitStack() as stack:
        peers = {
            name: stack.enter_context(_peer(name, place.environment(name, number), codes)) for name in order
        }
        for turn in range(-WARMING, size.rounds):
            chance.shuffle(order)
            for name in order:
                told = peers[name].ask(size.requests)
                if turn >= 0:
                    measured[name].took.append(fmean(told[kind] for kind in KINDS))
                    measured[name].beside.append(told["beside"])
    return measured


class _Peer:
    """A process that is asked for rounds."""

    def __init__(self, name: str, asked: IO[str], told: IO[str]) -> None:
        self._name = name
        self._asked = asked
        self._told = told

    def ask(self, number: int) -> Mapping[str, Any]:
        """Write a number and return what is answered."""
        self._asked.write(f"{number}\n")
        self._asked.flush()
        return self.hear()

    def hear(self) -> Mapping[str, Any]:
        """Return the next answer."""
        line = self._told.readline()
        if not line:
            message = f"the process of {self._name} ended"
            raise RuntimeError(message)
        answer: Mapping[str, Any] = json.loads(line)
        return answer


@contextmanager
def _peer(name: str, environment: Mapping[str, str], codes: int) -> Iterator[_Peer]:
    """Run a peer until the block ends; it must have lost no span, which would have cost too little."""
    kept = {one: value for one, value in os.environ.items() if not one.startswith(("NERAVA_", "OTEL_"))}
    command = [sys.executable, "-c", _CALLS_WITHOUT if name == PLAIN else _CALLS]
    process = subprocess.Popen(
        command,
        env={**kept, **environment, "PYTHONHASHSEED": "0"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for")
        peer = _Peer(name, process.stdin, process.stdout)
        try:
            peer.ask(codes)
            yield peer
            process.stdin.close()
            dropped = peer.hear()["dropped"]
        finally:
            if not process.stdin.closed:
                process.stdin.close()
            process.terminate()
    if dropped:
        message = f"{dropped} spans were dropped, so the rest cost less than all would"
        raise RuntimeError(message)


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
