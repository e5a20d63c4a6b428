"""What is kept is given out while it is fresh, shown as old after that, and asked for once at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.cache import Cache, Counted, Layer, Region
from nerava.platform.cache.entries import entry_of
from nerava.platform.outbound import caller_deadline

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REGION = Region(
    "stations",
    "nlr",
    "public-domain",
    fresh=15 * MINUTE,
    stale=60 * MINUTE,
    on_error=600 * MINUTE,
    empty=10 * MINUTE,
    refusals={"not-found": 5 * MINUTE, "misconfigured": MINUTE},
)


class Source:
    """Answers one outcome after the other, the last one for ever, and counts."""

    def __init__(self, *outcomes: Outcome[Any]) -> None:
        self.outcomes = list(outcomes)
        self.calls = 0

    def __call__(self) -> Outcome[Any]:
        self.calls += 1
        return self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOW)


@pytest.fixture
def cache(clock: FixedClock) -> Iterator[Cache]:
    made = Cache(now=clock.now, chance=lambda: 0.5)
    yield made
    made.close()


def until_true(fact: Callable[[], bool], within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.002)


def test_a_miss_asks_and_a_hit_does_not(cache: Cache, clock: FixedClock) -> None:
    source = Source(Ok({"a": [1]}))
    first = cache.get(REGION, "here", source)
    clock.move_to(clock.now() + 14 * MINUTE)
    second = cache.get(REGION, "here", source)
    assert (first.outcome, first.layer, first.stale) == (Ok({"a": [1]}), Layer.ORIGIN, False)
    assert (second.outcome, second.layer, second.as_of) == (Ok({"a": [1]}), Layer.MEMORY, NOW)
    assert source.calls == 1
    cache.get(REGION, "there", source)
    assert source.calls == 2
    assert cache.counts.read()["stations", "memory", Counted.HIT] == 1
    assert cache.counts.read()["stations", "memory", Counted.MISS] == 2


def test_what_is_old_is_given_out_at_once_and_asked_for_anew_once(cache: Cache, clock: FixedClock) -> None:
    cache.get(REGION, "here", Source(Ok(1)))
    clock.move_to(clock.now() + 16 * MINUTE)
    go_on, calls = threading.Event(), []

    def stalled() -> Outcome[int]:
        calls.append(1)
        go_on.wait(5)
        return Ok(2)

    begun = time.monotonic()
    answers = [cache.get(REGION, "here", stalled) for _ in range(100)]
    assert time.monotonic() - begun < 1
    assert {(answer.outcome, answer.as_of, answer.stale) for answer in answers} == {(Ok(1), NOW, True)}
    go_on.set()
    until_true(lambda: not cache.get(REGION, "here", stalled).stale)
    assert cache.get(REGION, "here", stalled).outcome == Ok(2)
    assert len(calls) == 1


def test_what_is_too_old_is_asked_for_and_given_out_only_when_nobody_answers(
    cache: Cache, clock: FixedClock
) -> None:
    cache.get(REGION, "here", Source(Ok(1)))
    clock.move_to(clock.now() + 100 * MINUTE)
    down = Source(RetryLater("status-503"))
    answer = cache.get(REGION, "here", down)
    assert (answer.outcome, answer.as_of, answer.stale) == (Ok(1), NOW, True)
    assert cache.get(REGION, "here", down).stale
    assert down.calls == 1, "after a failure what is kept is given out for a while without another call"
    clock.move_to(clock.now() + 600 * MINUTE)
    answer = cache.get(REGION, "here", down)
    assert (answer.outcome, answer.as_of) == (RetryLater("status-503"), None)


@pytest.mark.parametrize("failure", [RetryLater("status-503"), Unknown("read-timeout")])
def test_failures_are_not_kept(cache: Cache, failure: Outcome[Any]) -> None:
    source = Source(failure, Ok(1))
    assert cache.get(REGION, "here", source).outcome == failure
    assert cache.get(REGION, "here", source).outcome == Ok(1)


@pytest.mark.parametrize(
    ("outcome", "minutes"), [(Refused("NOT_FOUND", "no such place"), 5), (Ok([]), 10), (Ok(None), 10)]
)
def test_a_refusal_and_nothing_are_kept_for_a_shorter_time(
    cache: Cache, clock: FixedClock, outcome: Outcome[Any], minutes: int
) -> None:
    source = Source(outcome)
    for _ in range(3):
        assert cache.get(REGION, "here", source).outcome == outcome
    assert source.calls == 1
    clock.move_to(clock.now() + minutes * MINUTE)
    assert not cache.get(REGION, "here", source).stale
    assert source.calls == 2


def test_a_refusal_that_is_not_named_is_not_kept(cache: Cache) -> None:
    source = Source(Refused("gone"))
    cache.get(REGION, "here", source)
    cache.get(REGION, "here", source)
    assert source.calls == 2


def test_a_wrong_key_is_not_tried_with_every_request(cache: Cache) -> None:
    source = Source(Misconfigured("API_KEY_INVALID"))
    for _ in range(3):
        assert cache.get(REGION, "here", source).outcome == Misconfigured("API_KEY_INVALID")
    assert source.calls == 1


def test_a_value_may_say_itself_how_long_it_is_fresh(cache: Cache, clock: FixedClock) -> None:
    source = Source(Ok({"expires_in": 120}))
    for _ in range(2):
        cache.get(REGION, "token", source, fresh_for=lambda value: timedelta(seconds=value["expires_in"]))
    assert source.calls == 1
    clock.move_to(clock.now() + timedelta(seconds=121))
    assert cache.get(REGION, "token", source).stale


def test_what_is_forgotten_is_asked_for(cache: Cache) -> None:
    source = Source(Ok(1))
    cache.get(REGION, "here", source)
    cache.forget(REGION, "here")
    cache.get(REGION, "here", source)
    assert source.calls == 2


@pytest.mark.parametrize("chance", [0.0, 0.25, 1.0])
def test_ends_are_spread_by_a_tenth_and_a_limit_of_the_terms_is_never_passed(chance: float) -> None:
    free = entry_of(REGION, Ok(1), NOW, None, lambda: chance)
    limited = Region("places", "places", "google", fresh=5 * MINUTE, fresh_is_limit=True)
    bound = entry_of(limited, Ok(1), NOW, None, lambda: chance)
    assert free is not None
    assert bound is not None
    assert (free.fresh_until - free.fetched_at) / 900_000 == pytest.approx(0.9 + 0.2 * chance)
    assert (bound.fresh_until - bound.fetched_at) / 300_000 == pytest.approx(1 - 0.1 * chance)
    assert bound.error_until == bound.fresh_until


def test_two_hundred_who_miss_at_once_make_one_call(cache: Cache) -> None:
    calls = []

    def slow() -> Outcome[int]:
        calls.append(1)
        time.sleep(0.1)
        return Ok(7)

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda _: cache.get(REGION, "here", slow).outcome, range(200)))
    assert answers == [Ok(7)] * 200
    assert len(calls) == 1


def test_who_waits_is_woken_by_a_failure_with_its_outcome(cache: Cache) -> None:
    calls, entered = [], threading.Event()

    def failing() -> Outcome[int]:
        calls.append(1)
        entered.wait(0.2)
        return RetryLater("status-502")

    together = threading.Barrier(20)

    def ask(_: int) -> Outcome[int]:
        together.wait(30)  # However long it takes to start so many threads.
        return cache.get(REGION, "here", failing).outcome

    with ThreadPoolExecutor(20) as pool:
        begun = time.monotonic()
        answers = list(pool.map(ask, range(20)))
    assert answers == [RetryLater("status-502")] * 20
    assert time.monotonic() - begun < 1
    assert len(calls) == 1


def test_nobody_waits_past_the_own_deadline(cache: Cache) -> None:
    go_on = threading.Event()

    def stalled() -> Outcome[int]:
        go_on.wait(5)
        return Ok(1)

    with ThreadPoolExecutor(1) as pool:
        led = pool.submit(cache.get, REGION, "here", stalled)
        until_true(lambda: bool(cache._flights._flying))  # noqa: SLF001 - the other one leads
        begun = time.monotonic()
        with caller_deadline(0.1):
            answer = cache.get(REGION, "here", stalled)
        assert 0.09 < time.monotonic() - begun < 0.5
        assert answer.outcome == RetryLater("waited-too-long")
        go_on.set()
        assert led.result().outcome == Ok(1)


def test_a_mistake_in_the_loader_is_raised_and_wakes_who_waits(cache: Cache) -> None:
    def broken() -> Outcome[int]:
        raise LookupError

    with pytest.raises(LookupError):
        cache.get(REGION, "here", broken)
    assert cache.get(REGION, "here", Source(Ok(1))).outcome == Ok(1)
    with pytest.raises(TypeError):
        cache.get(REGION, "datetime", Source(Ok({"at": NOW})))


def test_memory_is_bounded_by_entries_and_by_bytes(clock: FixedClock) -> None:
    cache = Cache(now=clock.now)
    few = Region("few", "x", "free", fresh=MINUTE, entries_max=10)
    short = Region("short", "x", "free", fresh=MINUTE, bytes_max=5_000, entry_bytes_max=1_000)
    source = Source(Ok("x" * 300))
    for region in (few, short):
        for number in range(50):
            cache.get(region, str(number), source)
        before = source.calls
        cache.get(region, "49", source)
        assert source.calls == before
        cache.get(region, "0", source)
        assert source.calls == before + 1
    huge = Source(Ok("x" * 2_000))
    assert cache.get(short, "huge", huge).outcome == Ok("x" * 2_000)
    cache.get(short, "huge", huge)
    assert huge.calls == 2
    cache.close()
