"""R32: a collector that swallows everything and somebody who looks at the metrics all the time make nobody late."""

from __future__ import annotations

import socket
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx2
import pytest

from tests.chaos.fleet import WEB, Member
from tests.chaos.nursery import Nursery
from tests.http.conftest import opened_house
from tests.http.test_serving import free_port

BLOCKS: Final = 6
BLOCK_S: Final = 3.0
SCRAPED_EVERY_S: Final = 0.1
TOKEN: Final = "r32-operator-token"  # noqa: S105 - of a process of this test
LATE_MAX: Final = 2.0
"""A wedge costs a hundred times as much; the tail of a shared machine alone differs by a half."""

_TAKEN: Final = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class Sink:
    """A collector that takes what comes, or swallows it and says nothing for ever."""

    def __init__(self) -> None:
        self.swallows = False
        self.bodies = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as heard:
            while line := heard.readline():
                length = 0
                while line.strip():
                    name, _, value = line.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                    line = heard.readline()
                heard.read(length)
                self.bodies += 1
                if not self.swallows:
                    connection.sendall(_TAKEN)


@contextmanager
def scraped(address: str) -> Iterator[list[int]]:
    """Look at the metrics ten times a second; the list gets each status."""
    over, statuses = threading.Event(), list[int]()

    def look() -> None:
        with httpx2.Client(
            trust_env=False, timeout=30, headers={"Authorization": f"Bearer {TOKEN}"}
        ) as client:
            while not over.wait(SCRAPED_EVERY_S):
                statuses.append(client.get(f"{address}/metrics").status_code)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield statuses
    finally:
        over.set()
        looking.join()


def p99_s(ask: Callable[[], None]) -> float:
    """Ask one after the other for a block; the hundredth part took longer than what is returned."""
    until, took = time.monotonic() + BLOCK_S, list[float]()
    while (begun := time.monotonic()) < until:
        ask()
        took.append(time.monotonic() - begun)
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.chaos
def test_r32_nobody_is_late_because_of_telemetry(
    database_url: Callable[[str], object], tmp_path: Path
) -> None:
    sink, port = Sink(), free_port()
    with (
        database_url("postgresql") as url,  # type: ignore[attr-defined]
        Nursery() as nursery,
        opened_house(url, tmp_path) as house,
        httpx2.Client(trust_env=False, timeout=30) as client,
    ):
        headers = house.driver().headers()
        environment = {
            "NERAVA_ENV": "test",
            "NERAVA_DATABASE__URL": url,
            "NERAVA_TOKENS__KEYS_DIRECTORY": str(tmp_path / "keys"),
            "NERAVA_SERVER__PORT": str(port),
            "NERAVA_METRICS__ENABLED": "true",
            "NERAVA_METRICS__TOKEN": TOKEN,
            "OTEL_ENABLED": "true",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.port}",
        }
        server = Member(nursery, WEB, environment, tmp_path / "serve.log", port)
        server.start()

        def ask() -> None:
            assert client.get(f"{server.address}/v1/wallet", headers=headers).status_code == 200

        p99_s(ask)
        took: dict[str, list[float]] = {"calm": [], "swallowed": [], "scraped, too": []}
        for _ in range(BLOCKS):
            sink.swallows = False
            took["calm"].append(p99_s(ask))
            sink.swallows, before = True, sink.bodies
            took["swallowed"].append(p99_s(ask))
            with scraped(server.address) as statuses:
                took["scraped, too"].append(p99_s(ask))
            assert set(statuses) == {200}
            assert sink.bodies > before, "something was swallowed"
        server.end()
    sink.close()
    base_s = statistics.median(took["calm"])
    for name, found in took.items():
        seen_s = statistics.median(found)
        told = f"{name}: p99 {seen_s * 1_000:.1f} ms, {seen_s / base_s - 1:+.1%}"
        sys.stdout.write(f"{told}\n")
        assert seen_s <= base_s * LATE_MAX, told
