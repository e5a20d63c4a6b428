"""Providers fail in every way; what is asked of them is bounded, and what people see is known and dated.

Against simulators over real sockets, whose journal counts what arrived.
"""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from nerava.integrations.nlr.api import NlrApi
from nerava.integrations.stripe.api import StripeApi
from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Ok
from nerava.platform.cache import Cache, Layer
from nerava.platform.db import Database
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.platform.outbound import (
    Attempt,
    CallPolicy,
    Ending,
    Lost,
    NotSent,
    PausesInDatabase,
    ProviderHealth,
    Reply,
    Surroundings,
    caller_deadline,
)
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.helpers.stations import NOON, Stations

SECOND = timedelta(seconds=1)
SHORT = CallPolicy("nlr nearest", connect_s=0.3, read_s=0.3, total_s=0.6, waits_when_told=False)
PATIENT = CallPolicy("nlr nearest", connect_s=0.3, read_s=5, total_s=0.6)
SLACK_S = 0.25
"""For the machine, which does other things as well."""


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators:
        yield simulators


@pytest.fixture
def simulators(running: Simulators) -> Iterator[Simulators]:
    running.faults.heal()
    running.reset(7)
    yield running
    running.faults.heal()


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def cache(clock: FixedClock) -> Iterator[Cache]:
    made = Cache(now=clock.now, chance=lambda: 0.5)
    yield made
    made.close()


@pytest.fixture(scope="module")
def valkey() -> Iterator[EmbeddedValkey]:
    with EmbeddedValkey() as server:
        yield server


@pytest.fixture
def stations(simulators: Simulators) -> Iterator[Callable[..., Stations]]:
    """Make those who ask; they do not wait between two attempts unless they are told to."""
    made: list[Stations] = []

    def make(**more: Any) -> Stations:
        more.setdefault("pause", lambda _s: None)
        made.append(Stations(simulators.url_of("nlr"), simulators.nlr.key, **more))
        return made[-1]

    yield make
    for one in made:
        one.outbound.close()


def arrived(simulators: Simulators, provider: str = "nlr") -> int:
    return len(simulators.requests(provider))


def status_of(result: object) -> int:
    assert isinstance(result, Reply)
    return result.status


def test_a_hit_costs_nothing_a_miss_one_call_and_what_is_old_one_more(
    simulators: Simulators, stations: Callable[..., Stations], cache: Cache, clock: FixedClock
) -> None:
    asking = stations(cache=cache)
    first = asking.near()
    assert isinstance(first.outcome, Ok)
    assert len(first.outcome.value) == 5
    clock.move_to(NOON + timedelta(minutes=14))
    assert (asking.near().layer, arrived(simulators)) == (Layer.MEMORY, 1)
    asking.near("elsewhere")
    assert arrived(simulators) == 2
    clock.move_to(NOON + timedelta(minutes=16))
    old = asking.near()
    assert (old.outcome, old.stale, old.as_of) == (first.outcome, True, NOON)
    _wait_for(lambda: arrived(simulators) == 3)
    _wait_for(lambda: not asking.near().stale)
    clock.move_to(NOON + timedelta(days=2))
    assert (asking.near().as_of, arrived(simulators)) == (clock.now(), 4)


def test_while_the_provider_is_down_what_is_known_is_served_with_its_age(
    simulators: Simulators, stations: Callable[..., Stations], cache: Cache, clock: FixedClock
) -> None:
    asking = stations(cache=cache)
    known = asking.near()
    simulators.faults.add("status", provider="nlr", status=500)
    clock.move_to(NOON + timedelta(days=20))
    answer = asking.near()
    assert (answer.outcome, answer.as_of, answer.stale) == (known.outcome, NOON, True)
    clock.move_to(NOON + timedelta(days=40))
    assert asking.near().as_of is None


def test_fifty_callers_of_one_process_cause_one_call(
    simulators: Simulators, stations: Callable[..., Stations], cache: Cache
) -> None:
    simulators.faults.add("latency", provider="nlr", seconds=0.2)
    asking = stations(cache=cache)
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: asking.near().outcome, range(50)))
    assert arrived(simulators) == 1
    assert isinstance(answers[0], Ok)
    assert answers == [answers[0]] * 50


def test_fifty_callers_of_three_processes_cause_one_call(
    simulators: Simulators, valkey: EmbeddedValkey
) -> None:
    simulators.faults.add("latency", provider="nlr", seconds=0.3)
    asked_by = (simulators.url_of("nlr"), simulators.nlr.key, valkey.url(), "50")
    others = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.helpers.stations", *asked_by],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for other in others:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
    for other in others:
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
    told = [json.loads(other.communicate(timeout=30)[0]) for other in others]
    assert arrived(simulators) == 1
    assert len({json.dumps(one) for answers in told for one in answers}) == 1
    assert len(told[0][0]) == 5


def test_twice_unavailable_and_then_well_takes_three_attempts(
    simulators: Simulators, stations: Callable[..., Stations]
) -> None:
    simulators.faults.add("status", provider="nlr", status=503, times=2)
    seen: list[Attempt] = []
    asking = stations(surroundings=Surroundings(observe=seen.append))
    assert status_of(asking.ask()) == 200
    assert arrived(simulators) == 3
    assert [(one.number, one.ending, one.status) for one in seen] == [
        (1, Ending.FAILED, 503),
        (2, Ending.FAILED, 503),
        (3, Ending.OK, 200),
    ]
    assert {(one.provider, one.operation) for one in seen} == {("nlr", "nearest")}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 408, 409, 422, 425, 429, 501])
def test_what_another_attempt_would_not_change_is_asked_once(
    simulators: Simulators, stations: Callable[..., Stations], status: int
) -> None:
    simulators.faults.add("status", provider="nlr", status=status)
    assert status_of(stations().ask()) == status
    assert arrived(simulators) == 1


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_r21_nobody_asks_before_the_provider_wants_to_be_asked(
    simulators: Simulators, stations: Callable[..., Stations], database: Database, form: str
) -> None:
    clock = FixedClock(NOON)
    simulators.faults.add("rate", provider="nlr", retry_after=form, seconds=7, times=1)

    def process() -> Stations:
        """Begin as after a restart: nothing but the database is known."""
        shared = Surroundings(pauses=PausesInDatabase(database))
        return stations(now=clock.now, surroundings=shared, is_of_resource=_is_of_vehicle)

    first = process()
    assert status_of(first.ask(partition="app", resource="vehicle-1")) == 429
    for at in (0, 3, 6.9):
        clock.move_to(NOON + at * SECOND)
        for asking in (first, process()):
            held = asking.ask(partition="app", resource="vehicle-1")
            assert held == NotSent("told-to-wait", NOON + 7 * SECOND)
    assert arrived(simulators) == 1
    assert status_of(process().ask(partition="app", resource="vehicle-2")) == 200
    clock.move_to(NOON + 7 * SECOND)
    assert status_of(process().ask(partition="app", resource="vehicle-1")) == 200
    assert arrived(simulators) == 3


def _is_of_vehicle(_reply: Reply) -> bool:
    return True


def test_a_retry_after_that_is_garbage_stops_nobody_and_one_of_days_is_an_hour(
    simulators: Simulators,
    stations: Callable[..., Stations],
) -> None:
    asking = stations()
    simulators.faults.add("rate", provider="nlr", retry_after="garbage", times=1)
    assert status_of(asking.ask()) == 429
    simulators.faults.add("rate", provider="nlr", seconds=1_000_000, times=1)
    assert status_of(asking.ask()) == 429
    assert asking.ask() == NotSent("told-to-wait", NOON + timedelta(hours=1))
    assert arrived(simulators) == 2


def test_a_retry_after_that_fits_is_waited_for(
    simulators: Simulators, stations: Callable[..., Stations]
) -> None:
    waited: list[float] = []
    simulators.faults.add("rate", provider="nlr", seconds=2, times=1)
    call = CallPolicy("nlr nearest", connect_s=1, read_s=4, total_s=6)
    assert status_of(stations(call=call, pause=waited.append).ask()) == 200
    assert waited == [2]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "black_hole"},
        {"kind": "stall"},
        {"kind": "drip", "seconds": 0.05},
        {"kind": "latency", "seconds": 3},
        {"kind": "huge", "how": "endless"},
    ],
    ids=lambda fault: fault["kind"],
)
def test_every_call_ends_at_its_deadline(
    simulators: Simulators, stations: Callable[..., Stations], fault: dict[str, Any]
) -> None:
    simulators.faults.add(provider="nlr", **fault)
    begun = time.monotonic()
    result = stations(call=PATIENT, pause=time.sleep).ask()
    assert isinstance(result, Lost)
    assert time.monotonic() - begun <= PATIENT.total_s + SLACK_S


def test_a_call_ends_at_the_deadline_of_its_caller_if_that_is_earlier(
    simulators: Simulators, stations: Callable[..., Stations]
) -> None:
    simulators.faults.add("black_hole", provider="nlr")
    begun = time.monotonic()
    with caller_deadline(0.2), caller_deadline(5):
        assert isinstance(stations().ask(), Lost)
        assert time.monotonic() - begun <= 0.2 + SLACK_S
        assert stations().ask() == NotSent("no-time-left")
    assert arrived(simulators) == 1


def test_the_breaker_opens_lets_exactly_one_probe_go_and_closes(
    simulators: Simulators, stations: Callable[..., Stations]
) -> None:
    ticks = [0.0]
    broken = simulators.faults.add("status", provider="nlr", status=500)
    simulators.faults.add("latency", provider="nlr", seconds=0.1)
    health = ProviderHealth(lambda: ticks[0])
    asking = stations(health=health, call=SHORT)
    while health.breakers.circuits().get("") != "open":
        asking.ask()
    opened_after = arrived(simulators)
    assert opened_after == 20
    for _ in range(30):
        assert asking.ask() == NotSent("circuit-open")
    assert arrived(simulators) == opened_after
    assert status_of(asking.ask(partition="another account")) == 500
    opened_after = arrived(simulators)

    ticks[0] = 15.0
    simulators.faults.remove(broken)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: asking.ask(), range(8)))
    assert arrived(simulators) == opened_after + 1
    assert [isinstance(one, Reply) for one in results].count(True) == 1
    assert {status_of(asking.ask()) for _ in range(5)} == {200}


def test_4xx_opens_no_breaker(simulators: Simulators, stations: Callable[..., Stations]) -> None:
    simulators.faults.add("status", provider="nlr", status=404)
    asking = stations()
    for _ in range(40):
        assert status_of(asking.ask()) == 404


def test_r20_a_storm_of_errors_makes_few_calls_more_than_there_are_requests(
    simulators: Simulators, stations: Callable[..., Stations]
) -> None:
    simulators.faults.add("status", provider="nlr", status=503)
    stubborn = CallPolicy("nlr nearest", connect_s=1, read_s=4, total_s=6, gives_way=False)
    asking = stations(call=stubborn)
    for _ in range(300):
        asking.ask()
    assert 300 < arrived(simulators) <= 300 * 1.15


def test_the_ninth_call_at_once_is_answered_at_once(
    simulators: Simulators, stations: Callable[..., Stations]
) -> None:
    simulators.faults.add("latency", provider="nlr", seconds=0.5)
    asking = stations()
    with ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(asking.ask) for _ in range(8)]
        _wait_for(lambda: arrived(simulators) == 8)
        begun = time.monotonic()
        assert asking.ask() == NotSent("too-many-at-once")
        assert time.monotonic() - begun < 0.1
    assert {status_of(one.result()) for one in slow} == {200}


def test_a_redirect_leads_nowhere(simulators: Simulators, stations: Callable[..., Stations]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as canary:
        canary.setblocking(False)
        address = f"http://127.0.0.1:{canary.getsockname()[1]}/latest/meta-data/"
        simulators.faults.add("redirect", provider="nlr", to=address)
        assert status_of(stations().ask()) == 302
        with pytest.raises(BlockingIOError):
            canary.accept()


def test_no_secret_stands_in_a_log_or_an_error(
    simulators: Simulators, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    told: list[object] = []
    nlr = NlrApi(
        simulators.nlr.key, base_url=simulators.url_of("nlr"), now=lambda: NOON, pause=lambda _s: None
    )
    stripe = StripeApi(
        simulators.stripe.key, base_url=simulators.url_of("stripe"), is_live=False, now=lambda: NOON
    )
    query = [("latitude", "34.053712"), ("longitude", "-118.242812")]
    for fault in ("cut", "auth", "wrong_type", "rate", "drift", "answer_lost"):
        simulators.faults.heal()
        simulators.faults.add(fault)
        with caller_deadline(0.3):
            told.append(nlr.get(SHORT, "/v1/nearest.json", query))
            told.append(stripe.post("/v1/transfers", {"description": "canary text"}, key="k"))
    nlr.close()
    stripe.close()
    written = caplog.text + repr(told) + repr([vars(record) for record in caplog.records])
    assert "external call" in written
    for secret in (simulators.nlr.key, simulators.stripe.key, "34.0537", "118.2428", "canary text"):
        assert secret not in written


def _wait_for(fact: Any, within_s: float = 5) -> None:
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.005)
