"""Redis lets processes share what they know; whatever becomes of it, no request fails and few are late."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis import Redis

from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Ok, Outcome, RetryLater
from nerava.platform.cache import Cache, Counted, Layer, Region
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.platform.outbound import caller_deadline

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REGION = Region("stations", "nlr", "public", fresh=15 * MINUTE, on_error=60 * MINUTE)
SECRET = Region("tokens", "smartcar", "secret", fresh=15 * MINUTE, is_shared=False)
REST_S = 0.2


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as running:
        yield running


@pytest.fixture
def redis(server: EmbeddedValkey) -> Iterator[Redis]:
    with Redis.from_url(server.url()) as client:
        client.flushall()
        yield client


@pytest.fixture
def process(server: EmbeddedValkey) -> Iterator[Callable[[], Cache]]:
    """Make caches as different processes have them: nothing in common but Redis."""
    made: list[Cache] = []
    clock = FixedClock(NOW)

    def make() -> Cache:
        made.append(Cache(now=clock.now, redis_url=server.url(), redis_rest_s=REST_S))
        return made[-1]

    yield make
    for one in made:
        one.close()


def never() -> Outcome[Any]:
    raise AssertionError("it is known")


def until_true(fact: Callable[[], bool], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.005)


def test_what_one_process_learned_the_others_know(redis: Redis, process: Callable[[], Cache]) -> None:
    process().get(REGION, "30.2,-97.7", lambda: Ok([1, 2]))
    other = process()
    answer = other.get(REGION, "30.2,-97.7", never)
    assert (answer.outcome, answer.as_of, answer.layer) == (Ok([1, 2]), NOW, Layer.SHARED)
    assert other.get(REGION, "30.2,-97.7", never).layer is Layer.MEMORY
    [key] = redis.keys("*")
    assert key.startswith(b"nerava:stations:1:")
    assert b"30.2" not in key
    stored = redis.get(key)
    assert isinstance(stored, bytes)
    assert json.loads(stored.partition(b"|")[2])["value"] == [1, 2]
    assert 0 < redis.ttl(key) <= (15 * 1.1 + 60) * 60


def test_secrets_never_leave_the_process(redis: Redis, process: Callable[[], Cache]) -> None:
    process().get(SECRET, "app", lambda: Ok("token"))
    assert redis.keys("*") == []
    assert process().get(SECRET, "app", lambda: Ok("another")).outcome == Ok("another")


def test_who_waits_for_another_process_gets_what_it_brings(
    redis: Redis, process: Callable[[], Cache]
) -> None:
    def slow() -> Outcome[int]:
        time.sleep(0.15)
        return Ok(7)

    first, second = process(), process()
    with ThreadPoolExecutor(2) as pool:
        led = pool.submit(first.get, REGION, "here", slow)
        until_true(lambda: bool(redis.keys("*:lock")))
        assert second.get(REGION, "here", never).outcome == Ok(7)
        assert led.result().outcome == Ok(7)
    assert redis.keys("*:lock") == []


def test_a_failure_elsewhere_wakes_who_waits_with_its_outcome(
    redis: Redis, process: Callable[[], Cache]
) -> None:
    failure = RetryLater("status-503", NOW + MINUTE)

    def failing() -> Outcome[int]:
        time.sleep(0.15)
        return failure

    first, second = process(), process()
    with ThreadPoolExecutor(2) as pool:
        led = pool.submit(first.get, REGION, "here", failing)
        until_true(lambda: bool(redis.keys("*:lock")))
        assert second.get(REGION, "here", never).outcome == failure
        assert led.result().outcome == failure
    assert process().get(REGION, "here", lambda: Ok(1)).outcome == Ok(1), "and is not kept"


def test_a_lock_is_released_by_its_owner_alone_and_ends_by_itself(
    redis: Redis, process: Callable[[], Cache]
) -> None:
    cache = process()
    assert cache.link is not None
    place = REGION.place_of("here")
    assert cache.link.take_lock(place, "of somebody who died")
    assert cache.link.take_lock(place, "mine") is False
    cache.link.release_lock(place, "mine")
    assert 4_000 < redis.pttl(f"{place}:lock") <= 5_000
    begun = time.monotonic()
    with caller_deadline(0.2):
        assert cache.get(REGION, "here", lambda: Ok(1)).outcome == Ok(1)
    assert 0.09 < time.monotonic() - begun < 0.5, "half of the time is waited, the other half is for a call"
    assert redis.get(f"{place}:lock") == b"of somebody who died"


@pytest.mark.parametrize("text", [b"", b"|", b"{}|{}", b"\x80\x04K\x01.", b'{"ct":1,"v":2}|[1]', b"not|json"])
def test_what_is_not_ours_in_redis_is_nothing(
    redis: Redis, process: Callable[[], Cache], text: bytes
) -> None:
    redis.set(REGION.place_of("here"), text)
    assert process().get(REGION, "here", lambda: Ok(1)).outcome == Ok(1)
    assert process().get(REGION, "here", never).outcome == Ok(1)


def test_a_flush_forgets_nothing_that_a_process_has(redis: Redis, process: Callable[[], Cache]) -> None:
    cache = process()
    cache.get(REGION, "here", lambda: Ok(1))
    redis.flushall()
    assert cache.get(REGION, "here", never).outcome == Ok(1)


def test_without_anybody_at_the_address_everything_works(process: Callable[[], Cache]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    cache = Cache(now=lambda: NOW, redis_url=f"redis://127.0.0.1:{port}/0")
    assert cache.get(REGION, "here", lambda: Ok(1)).outcome == Ok(1)
    assert cache.get(REGION, "here", never).outcome == Ok(1)
    assert cache.link is not None
    assert not cache.link.is_used
    assert cache.link.failures == 1, "one failure, then it is left alone"
    cache.get(REGION, "there", lambda: Ok(1))
    assert cache.counts.read()["stations", "shared", Counted.ERROR] == 2
    cache.close()


def test_a_frozen_redis_costs_a_tenth_of_a_second_once_and_is_used_again_later(
    server: EmbeddedValkey, redis: Redis, process: Callable[[], Cache]
) -> None:
    cache = process()
    cache.get(REGION, "warm", lambda: Ok(0))
    assert cache.link is not None
    os.kill(server.pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert cache.get(REGION, "first", lambda: Ok(1)).outcome == Ok(1)
        assert 0.09 < time.monotonic() - begun < 0.4
        begun = time.monotonic()
        for number in range(50):
            assert cache.get(REGION, f"next {number}", lambda: Ok(2)).outcome == Ok(2)
        assert time.monotonic() - begun < 0.2
        time.sleep(2 * REST_S)
        assert not cache.link.is_used
    finally:
        os.kill(server.pid, signal.SIGCONT)
    until_true(lambda: cache.link is not None and cache.link.is_used)
    cache.get(REGION, "after", lambda: Ok(3))
    assert process().get(REGION, "after", never).layer is Layer.SHARED


def test_a_full_redis_is_left_alone_and_fails_nobody(redis: Redis, process: Callable[[], Cache]) -> None:
    before = redis.config_get("maxmemory")
    redis.config_set("maxmemory", 1)
    try:
        cache = process()
        for number in range(20):
            assert cache.get(REGION, str(number), lambda: Ok("x")).outcome == Ok("x")
            assert cache.get(REGION, str(number), never).outcome == Ok("x")
        assert cache.link is not None
        assert not cache.link.is_used
    finally:
        redis.config_set("maxmemory", before["maxmemory"])
