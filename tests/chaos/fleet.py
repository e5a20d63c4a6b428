"""Two web processes and two workers on one PostgreSQL, and clients that spread over them as behind a balancer."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2

from tests.chaos.nursery import Nursery
from tests.http.conftest import House, opened_house
from tests.http.test_serving import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PATIENCE_S: Final = 60
END_MAX_S: Final = 30
WEB, WORK = "serve", "work"
LOOK_EVERY_S: Final = 0.1
WIDE: Final = httpx2.Limits(max_connections=200, max_keepalive_connections=64)


@dataclass
class Member:
    """One process of the fleet, which may be ended and started again."""

    nursery: Nursery
    kind: str
    environment: dict[str, str]
    output: Path
    port: int = 0
    pid: int = 0
    ends: list[tuple[int, float]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it serves."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it is ready."""
        said = self.output.read_text() if self.output.exists() else ""
        self.pid = self.nursery.start([self.kind], self.environment, self.output)
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_up(len(said)):
            assert time.monotonic() < deadline, self.output.read_text()
            time.sleep(0.05)

    def end(self) -> None:
        """Ask it to end and wait until it has."""
        started = time.monotonic()
        os.kill(self.pid, signal.SIGTERM)
        code = self.nursery.wait(self.pid)
        self.ends.append((code, time.monotonic() - started))

    def restart(self) -> None:
        """End it and start it again, at the same port."""
        self.end()
        self.start()

    def _is_up(self, skipped: int) -> bool:
        if self.kind == WORK:
            return self.output.exists() and "works in the background" in self.output.read_text()[skipped:]
        with contextlib.suppress(httpx2.HTTPError):
            return httpx2.get(f"{self.address}/readyz", timeout=5).status_code == 200
        return False


class Spread:
    """A client that goes round over several processes, and asks again with the same key when one is not there.

    With `looks` it first looks, as a load balancer does, which processes say that they are ready.
    It has the methods of the test client that tests of the API use, so they can be run against a fleet.
    """

    def __init__(self, addresses: Sequence[str], *, looks: bool = False) -> None:
        self._clients = [httpx2.Client(base_url=one, timeout=30, limits=WIDE) for one in addresses]
        self._round = itertools.count()
        self._ready = list(range(len(addresses)))
        self._ended = threading.Event()
        self.served: Counter[int] = Counter()
        self.repeated: Counter[str] = Counter()
        self._looking = threading.Thread(target=self._look, daemon=True) if looks else None
        if self._looking is not None:
            self._looking.start()

    def get(self, path: str, **more: Any) -> Any:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> Any:
        return self.request("POST", path, **more)

    def delete(self, path: str, **more: Any) -> Any:
        return self.request("DELETE", path, **more)

    def request(self, method: str, path: str, **more: Any) -> Any:
        """Ask one process after the other until one has an answer that is not `503`; for a minute at most."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            number = self._next()
            why = "none is ready"
            if number is not None:
                try:
                    answer = self._clients[number].request(method, path, **more)
                except httpx2.TransportError as error:
                    why = type(error).__name__
                else:
                    if answer.status_code != 503:
                        self.served[number] += 1
                        return answer
                    why = f"503 {answer.json().get('code')}"
            self.repeated[why] += 1
            assert time.monotonic() < deadline, f"{method} {path}: no answer, at last {why}"
            time.sleep(0.05)

    def close(self) -> None:
        self._ended.set()
        if self._looking is not None:
            self._looking.join()
        for one in self._clients:
            one.close()

    def _next(self) -> int | None:
        ready = self._ready
        return ready[next(self._round) % len(ready)] if ready else None

    def _look(self) -> None:
        while not self._ended.wait(LOOK_EVERY_S):
            self._ready = [number for number in range(len(self._clients)) if self._says_ready(number)]

    def _says_ready(self, number: int) -> bool:
        with contextlib.suppress(httpx2.HTTPError):
            return self._clients[number].get("/readyz", timeout=2).status_code == 200
        return False


@dataclass
class Fleet:
    """The processes, and a house on the same database whose callers go to them."""

    members: list[Member]
    house: House

    @property
    def addresses(self) -> list[str]:
        """Where the web processes serve."""
        return [one.address for one in self.members if one.kind == WEB]


@contextlib.contextmanager
def opened_fleet(url: str, folder: Path, *, drain_s: int = 1) -> Iterator[Fleet]:
    """Start two web processes and two workers on a migrated PostgreSQL; they are ended afterwards."""
    with Nursery() as nursery, opened_house(url, folder) as house:
        house.installation.tokens.keys.signing()  # One key for all, made before they start.
        members = []
        for number, kind in enumerate((WEB, WEB, WORK, WORK)):
            port = free_port() if kind == WEB else 0
            environment = {
                "NERAVA_ENV": "test",
                "NERAVA_DATABASE__URL": url,
                "NERAVA_DATABASE__POOL_SIZE": "16",
                "NERAVA_TOKENS__KEYS_DIRECTORY": str(folder / "keys"),
                "NERAVA_SERVER__PORT": str(port),
                "NERAVA_SERVER__DRAIN_S": str(drain_s),
                "PYTHONUNBUFFERED": "1",
            }
            members.append(Member(nursery, kind, environment, folder / f"{kind}-{number}.log", port))
        for one in members:
            one.start()
        yield Fleet(members, house)
        for one in members:
            one.end()
        assert [code for one in members for code, _ in one.ends if code != 0] == []
        assert max(took for one in members for _, took in one.ends) < END_MAX_S


@contextlib.contextmanager
def spread_over(fleet: Fleet, *, looks: bool = False) -> Iterator[tuple[House, Spread]]:
    """Yield the house with a client that goes round over the web processes."""
    client = Spread(fleet.addresses, looks=looks)
    try:
        yield replace(fleet.house, client=client), client  # type: ignore[arg-type]
    finally:
        client.close()
