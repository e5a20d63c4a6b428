"""R24: Redis is killed, restarted, frozen, flushed and full under load, and nobody's request fails or is late."""

from __future__ import annotations

import os
import random
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from redis import Redis

from nerava.kernel.clock import SystemClock
from nerava.kernel.outcomes import Ok, Outcome
from nerava.platform.cache import Cache, Region
from nerava.platform.embedded_valkey import EmbeddedValkey
from tests.chaos.conftest import SEED

REGION = Region("load", "test", "free", fresh=timedelta(seconds=60), entries_max=500)
UPSTREAM_S = 0.004
PAUSE_S = 0.002
KEYS = 400
NEW_SHARE = 0.1
"""Of the requests: for something that nobody asked for before, which goes by way of Redis to the source."""


@dataclass
class Load:
    """Requests of a phase, in seconds, and those that were not answered rightly."""

    seconds: list[float] = field(default_factory=list)
    wrong: list[object] = field(default_factory=list)

    @property
    def p99_s(self) -> float:
        """The hundredth part of the requests took longer."""
        return statistics.quantiles(self.seconds, n=100)[98]


class Callers:
    """Threads of two processes' caches that ask all the time; each answer is checked."""

    def __init__(self, caches: list[Cache]) -> None:
        self._load = Load()
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(cache, SEED + number), daemon=True)
            for number, cache in enumerate(caches * 3)
        ]
        for thread in self._threads:
            thread.start()

    def during(self, seconds: float) -> Load:
        """Return what was asked within the next seconds."""
        self._load = mine = Load()
        time.sleep(seconds)
        self._load = Load()
        return mine

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, cache: Cache, seed: int) -> None:
        chance = random.Random(seed)
        while not self._stop.is_set():
            known = chance.random() > NEW_SHARE
            key = f"{chance.randrange(KEYS)}" if known else f"new-{chance.getrandbits(60)}"
            load, begun = self._load, time.monotonic()
            try:
                answer = cache.get(REGION, key, _source(key))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failed request
                load.wrong.append(error)
                continue
            load.seconds.append(time.monotonic() - begun)
            if answer.outcome != Ok(f"of {key}"):
                load.wrong.append(answer)
            time.sleep(PAUSE_S)


def _source(key: str) -> Callable[[], Outcome[str]]:
    def ask() -> Outcome[str]:
        time.sleep(UPSTREAM_S)
        return Ok(f"of {key}")

    return ask


@contextmanager
def _callers(server: EmbeddedValkey, rest_s: float) -> Iterator[tuple[Callers, list[Cache]]]:
    clock = SystemClock()
    caches = [Cache(now=clock.now, redis_url=server.url(), redis_rest_s=rest_s) for _ in range(2)]
    callers = Callers(caches)
    try:
        yield callers, caches
    finally:
        callers.stop()
        for cache in caches:
            cache.close()


@pytest.mark.parametrize(
    ("phase_s", "rest_s"),
    [
        pytest.param(0.8, 0.2, id="quick"),
        pytest.param(12.0, 5.0, id="full", marks=pytest.mark.chaos),
    ],
)
def test_r24_whatever_becomes_of_redis_no_request_fails_and_few_are_late(
    phase_s: float, rest_s: float
) -> None:
    loads: dict[str, Load] = {}
    with EmbeddedValkey() as server, _callers(server, rest_s) as (callers, caches):
        callers.during(phase_s / 2)
        loads["base"] = callers.during(phase_s)

        os.kill(server.pid, signal.SIGSTOP)
        loads["frozen"] = callers.during(phase_s)
        assert not any(cache.link and cache.link.is_used for cache in caches)
        os.kill(server.pid, signal.SIGCONT)
        _until_used(caches, rest_s)
        loads["thawed"] = callers.during(phase_s / 2)

        with Redis.from_url(server.url()) as redis:
            redis.flushall()
            loads["flushed"] = callers.during(phase_s / 2)
            redis.config_set("maxmemory", 1)
            loads["full"] = callers.during(phase_s / 2)
            redis.config_set("maxmemory", 0)
        _until_used(caches, rest_s)

        server.kill()
        loads["killed"] = callers.during(phase_s / 2)
        server.start()
        _until_used(caches, rest_s)
        loads["restarted"] = callers.during(phase_s / 2)
    for name, load in loads.items():
        sys.stdout.write(f"{name}: {len(load.seconds)} requests, p99 {load.p99_s * 1_000:.1f} ms\n")
        assert load.wrong == [], name
        assert len(load.seconds) > 100, name
    slowest = max(load.p99_s for name, load in loads.items() if name != "base")
    assert loads["frozen"].p99_s <= 2 * loads["base"].p99_s + 0.005
    assert slowest <= loads["base"].p99_s + 0.1


def _until_used(caches: list[Cache], rest_s: float) -> None:
    deadline = time.monotonic() + 2 * rest_s + 2
    while not all(cache.link and cache.link.is_used for cache in caches):
        assert time.monotonic() < deadline, "Redis is there and nobody uses it"
        time.sleep(0.02)
