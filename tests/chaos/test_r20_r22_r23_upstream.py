"""R20, R22, R23: providers fail for a minute, in every way, and with everybody asking at once."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import pytest

from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Ok, Outcome
from nerava.platform.cache import Cache, Region
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.platform.outbound import CallPolicy, Lost, NotSent, Outbound, Reply, Result
from nerava.platform.provider_calls import NLR_NEAREST, ProviderCall, every_call
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.helpers.stations import NOON, PATH, QUERY, Stations

SLACK_S = 0.05
MACHINE_S = 0.4
"""What this machine may add, which does other things as well; the long form has it for itself."""

FAULTS: dict[str, dict[str, Any] | None] = {
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "503 + Retry-After": {"kind": "status", "status": 503},
    "429 seconds": {"kind": "rate", "retry_after": "seconds", "seconds": 100},
    "429 date": {"kind": "rate", "retry_after": "date", "seconds": 100},
    "429 garbage": {"kind": "rate", "retry_after": "garbage"},
    "501": {"kind": "status", "status": 501},
    "401": {"kind": "auth"},
    "403": {"kind": "status", "status": 403},
    "404": {"kind": "status", "status": 404},
    "refused": None,
    "black hole": {"kind": "black_hole"},
    "one byte at a time": {"kind": "drip", "seconds": 0.1},
    "reset in the body": {"kind": "cut", "how": "close"},
    "truncated gzip": {"kind": "cut", "how": "gzip"},
    "login page": {"kind": "wrong_type", "how": "login_page"},
    "error in a 200": {"kind": "wrong_type", "how": "error_inside"},
    "100 MB": {"kind": "huge", "how": "sized"},
    "redirect inside": {"kind": "redirect"},
    "drift": {"kind": "drift", "field": "fuel_stations", "how": "missing"},
}
NO_ANSWER = {"refused", "black hole", "one byte at a time", "reset in the body", "100 MB"}
TRIED_AGAIN = {"500", "502", "503 + Retry-After", "black hole", "one byte at a time", "reset in the body"}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators:
        yield simulators


@pytest.fixture
def simulators(running: Simulators) -> Iterator[Simulators]:
    running.reset(7)
    running.faults.heal()
    yield running
    running.faults.heal()


def _http_rows() -> list[ProviderCall]:
    return [one for one in every_call() if one.call.provider != "smtp"]


def _of_each_shape() -> list[ProviderCall]:
    """Return a row for each combination of what a policy decides; numbers apart."""
    found = {
        (one.call.attempts, one.call.is_repeatable, one.call.waits_when_told, one.call.gives_way): one
        for one in _http_rows()
    }
    return list(found.values())


def _scaled(call: CallPolicy, total_s: float) -> CallPolicy:
    """Return the same policy with shorter times, in proportion."""
    share = min(1.0, total_s / call.total_s)
    return replace(
        call, connect_s=call.connect_s * share, read_s=call.read_s * share, total_s=call.total_s * share
    )


def _asked(
    simulators: Simulators, one: ProviderCall, call: CallPolicy, fault: str, pause: Callable[[float], None]
) -> tuple[Result, float]:
    address = simulators.url_of("nlr")
    if FAULTS[fault] is None:
        with socket.create_server(("127.0.0.1", 0)) as closed:
            address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    outbound = Outbound(address, now=lambda: NOON, pause=pause)
    begun = time.monotonic()
    result = outbound.ask(
        "GET", PATH, call, query=QUERY, headers={"x-api-key": simulators.nlr.key, "x-of": one.call.name}
    )
    taken_s = time.monotonic() - begun
    outbound.close()
    return result, taken_s


def _check(one: ProviderCall, call: CallPolicy, fault: str, result: Result, calls: int) -> None:
    """Say whether a result is the documented one: a whole answer to read, or that there was none, and why."""
    told = f"{one.call.name}, {fault}: {result}"
    if fault == "100 MB" and call.bytes_max > 100_000_000:
        assert isinstance(result, Reply), told
    elif fault in NO_ANSWER:
        assert isinstance(result, NotSent if fault == "refused" else Lost), told
    else:
        assert isinstance(result, Reply), told
        is_readable = fault in {"drift", "error in a 200", "501", "401", "403", "404"} or fault[0] in "45"
        assert (result.object() is not None) == is_readable, told
    if fault == "refused":
        assert calls == 0, told
    elif fault in TRIED_AGAIN and call.is_repeatable:
        assert 1 <= calls <= call.attempts, told
    else:
        assert calls == 1, told


@pytest.mark.parametrize("fault", FAULTS)
def test_r22_every_fault_ends_in_time_and_in_the_documented_answer(
    simulators: Simulators, fault: str
) -> None:
    for one in _of_each_shape():
        simulators.reset(7)
        if FAULTS[fault] is not None:
            simulators.faults.add(provider="nlr", **FAULTS[fault])
        call = _scaled(one.call, 0.3)
        result, taken_s = _asked(simulators, one, call, fault, time.sleep)
        assert taken_s <= call.total_s + MACHINE_S, f"{one.call.name}, {fault}"
        _check(one, call, fault, result, len(simulators.requests("nlr")))


@pytest.mark.chaos
@pytest.mark.parametrize("fault", FAULTS)
def test_r22_every_row_of_the_table_with_every_fault(simulators: Simulators, fault: str) -> None:
    if FAULTS[fault] is not None:
        simulators.faults.add(provider="nlr", **FAULTS[fault])
    rows = [(one, _scaled(one.call, 20.0)) for one in _http_rows()]
    with Lag() as idle:
        time.sleep(1)
    with Lag() as lag, ThreadPoolExecutor(8) as pool:
        ended = list(pool.map(lambda row: (*row, *_asked(simulators, *row, fault, time.sleep)), rows))
    for one, call, result, taken_s in ended:
        assert taken_s <= call.total_s + SLACK_S, f"{one.call.name}, {fault}"
        calls = [asked for asked in simulators.requests("nlr") if asked.headers["x-of"] == one.call.name]
        _check(one, call, fault, result, len(calls))
    assert lag.p99_s < 0.1 + idle.p99_s


class Lag:
    """How much longer than it should a thread sleeps beside the calls."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._late: list[float] = []
        self._thread = threading.Thread(target=self._sleep, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def p99_s(self) -> float:
        """The hundredth part was later."""
        return sorted(self._late)[len(self._late) * 99 // 100]

    def _sleep(self) -> None:
        while not self._stop.is_set():
            begun = time.monotonic()
            time.sleep(0.005)
            self._late.append(time.monotonic() - begun - 0.005)


@pytest.mark.chaos
@pytest.mark.parametrize("gives_way", [True, False], ids=["optional", "money"])
def test_r20_a_minute_of_failure_makes_few_more_calls_and_is_over_soon(
    simulators: Simulators, gives_way: bool
) -> None:
    call = replace(NLR_NEAREST.call, gives_way=gives_way, total_s=2)
    asking = Stations(simulators.url_of("nlr"), simulators.nlr.key, call=call)
    simulators.nlr.limit(an_hour=100_000)
    broken = simulators.faults.add("status", provider="nlr", status=503)
    with ThreadPoolExecutor(40) as pool:
        _at_twenty_a_second(pool, asking, 60)
        assert len(simulators.requests("nlr")) <= 60 * 20 * 1.15
        simulators.faults.remove(broken)
        healed = time.monotonic()
        while not isinstance(answer := asking.ask(), Reply) or not answer.is_success:
            assert time.monotonic() - healed < (16 if gives_way else 10)
            time.sleep(0.05)
        simulators.faults.add("status", provider="nlr", status=503, probability=0.05)
        results = _at_twenty_a_second(pool, asking, 60)
    asking.outbound.close()
    failed = [one for one in results if not (isinstance(one, Reply) and one.is_success)]
    assert len(failed) < len(results) * 0.005


def _at_twenty_a_second(pool: ThreadPoolExecutor, asking: Stations, seconds: int) -> list[Result]:
    begun, asked = time.monotonic(), []
    for number in range(seconds * 20):
        time.sleep(max(0.0, begun + number / 20 - time.monotonic()))
        asked.append(pool.submit(asking.ask))
    return [one.result() for one in asked]


@pytest.mark.parametrize(
    ("keys", "callers"),
    [pytest.param(5, 40, id="quick"), pytest.param(100, 200, id="full", marks=pytest.mark.chaos)],
)
def test_r23_cold_or_expired_a_key_is_asked_for_once(keys: int, callers: int) -> None:
    calls: dict[str, int] = {}
    lock = threading.Lock()
    clock = FixedClock(NOON)
    region = Region("flights", "test", "free", fresh=timedelta(seconds=60), stale=timedelta(seconds=600))

    def source(key: str) -> Callable[[], Outcome[str]]:
        def ask() -> Outcome[str]:
            with lock:
                calls[key] = calls.get(key, 0) + 1
            time.sleep(0.02)
            return Ok(f"{key} at {clock.now():%H:%M}")

        return ask

    def everybody(cache: Cache, key: str) -> list[Any]:
        with ThreadPoolExecutor(callers) as pool:
            return list(pool.map(lambda _: cache.get(region, key, source(key)), range(callers)))

    with EmbeddedValkey() as server:
        processes = [Cache(now=clock.now, redis_url=server.url(), chance=lambda: 0.5) for _ in range(2)]
        for key in map(str, range(keys)):
            assert {one.outcome for one in everybody(processes[0], key)} == {Ok(f"{key} at 12:00")}
            assert not any(one.stale for one in everybody(processes[1], key))
        assert _each_once(processes, calls, 1)
        clock.move_to(NOON + timedelta(seconds=70))
        for key in map(str, range(keys)):
            for cache in processes:
                begun = time.monotonic()
                assert cache.get(region, key, source(key)).stale
                assert time.monotonic() - begun < 0.02 + MACHINE_S
                everybody(cache, key)
        deadline = time.monotonic() + 10
        while any(cache.get(region, key, source(key)).stale for key in calls for cache in processes):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert _each_once(processes, calls, 2)
        for cache in processes:
            cache.close()


def _each_once(processes: list[Cache], calls: dict[str, int], times: int) -> bool:
    """Say whether each key was asked for once a time; where Redis was slow on us, once by each process."""
    alone = any(cache.link is not None and cache.link.failures for cache in processes)
    return all(times <= one <= times * (len(processes) if alone else 1) for one in calls.values())
