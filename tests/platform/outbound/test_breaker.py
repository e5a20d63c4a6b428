"""Who keeps failing is left alone for a while and then asked once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from nerava.platform.outbound.breaker import PARTITIONS_MAX, Breaker, Breakers, Circuit, Passage


class Ticks:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def opened(ticks: Ticks) -> Breaker:
    breaker = Breaker(ticks)
    for _ in range(20):
        breaker.note(Passage.CALL, failed=True)
    assert breaker.circuit is Circuit.OPEN
    return breaker


@pytest.mark.parametrize(
    ("good", "bad", "circuit"),
    [(0, 19, "closed"), (0, 20, "open"), (10, 10, "open"), (11, 10, "closed"), (200, 199, "closed")],
)
def test_half_of_at_least_twenty_have_to_fail(good: int, bad: int, circuit: str) -> None:
    breaker = Breaker(Ticks())
    for failed in [False] * good + [True] * bad:
        breaker.note(Passage.CALL, failed=failed)
    assert breaker.circuit == circuit


def test_failures_of_half_a_minute_ago_do_not_count() -> None:
    ticks = Ticks()
    breaker = Breaker(ticks)
    for _ in range(19):
        breaker.note(Passage.CALL, failed=True)
    ticks.at = 30.1
    breaker.note(Passage.CALL, failed=True)
    assert breaker.circuit is Circuit.CLOSED


def test_after_fifteen_seconds_exactly_one_of_many_goes() -> None:
    ticks = Ticks()
    breaker = opened(ticks)
    ticks.at = 14.9
    assert breaker.let_pass() is None
    ticks.at = 15
    assert breaker.circuit is Circuit.HALF_OPEN
    with ThreadPoolExecutor(16) as pool:
        passages = list(pool.map(lambda _: breaker.let_pass(), range(100)))
    assert passages.count(Passage.PROBE) == 1
    assert passages.count(None) == 99


def test_a_probe_that_succeeds_closes_and_one_that_fails_opens_for_as_long() -> None:
    ticks = Ticks()
    breaker = opened(ticks)
    ticks.at = 15
    assert breaker.let_pass() is Passage.PROBE
    breaker.note(Passage.PROBE, failed=True)
    ticks.at = 29.9
    assert breaker.let_pass() is None
    ticks.at = 30
    assert breaker.let_pass() is Passage.PROBE
    breaker.note(Passage.PROBE, failed=False)
    assert breaker.circuit is Circuit.CLOSED
    assert breaker.let_pass() is Passage.CALL


def test_a_call_that_was_on_its_way_when_it_opened_decides_nothing() -> None:
    ticks = Ticks()
    breaker = opened(ticks)
    ticks.at = 15
    assert breaker.let_pass() is Passage.PROBE
    breaker.note(Passage.CALL, failed=False)
    assert breaker.circuit is not Circuit.CLOSED
    assert breaker.let_pass() is None


def test_a_probe_that_says_nothing_lets_another_one_go() -> None:
    ticks = Ticks()
    breaker = opened(ticks)
    ticks.at = 15
    assert breaker.let_pass() is Passage.PROBE
    breaker.note(Passage.PROBE, failed=None)
    assert breaker.let_pass() is Passage.PROBE


def test_partitions_fail_alone_and_are_bounded() -> None:
    breakers = Breakers(Ticks())
    for _ in range(20):
        breakers.of("seller-1").note(Passage.CALL, failed=True)
    assert breakers.of("seller-2").let_pass() is Passage.CALL
    assert breakers.circuits() == {"seller-1": Circuit.OPEN, "seller-2": Circuit.CLOSED}
    for number in range(PARTITIONS_MAX + 10):
        breakers.of(str(number))
    assert len(breakers.circuits()) == PARTITIONS_MAX
