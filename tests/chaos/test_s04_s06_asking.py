"""S04: however many places ask for SMS to one prefix, twenty go out. S06: asking takes no longer for a friend."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from nerava.platform.db import Database
from nerava.platform.limits import RateLimited
from tests.identity.desk import SignIn, open_desk


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[SignIn]:
    with open_desk(database, tmp_path) as opened:
        yield opened


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_five_thousand_starts_from_five_hundred_addresses_send_twenty_sms_an_hour(desk: SignIn) -> None:
    answers = 0
    for number in range(5_000):
        desk.wait(milliseconds=700)
        with contextlib.suppress(RateLimited):
            desk.ask(f"+1202555{number:04d}", number % 500)
            answers += 1
        if number % 100 == 0:
            desk.deliver()
    while desk.deliver():
        pass
    assert answers > 20
    assert len(desk.pigeon.brought) == 20


@pytest.mark.chaos
@pytest.mark.timeout(900)
def test_asking_takes_as_long_for_strangers_as_for_friends(desk: SignIn, rng: Random) -> None:
    count = 500
    for number in range(count):
        desk.wait(seconds=4)
        desk.enter(f"friend{number}@example.org", number)
    desk.wait(hours=24)
    # Chance alone shows a difference once in a hundred samples, and in three of them once in a million.
    samples = []
    for sample in range(3):
        samples.append(latencies(desk, rng, count, sample))
        desk.wait(hours=24)
    assert all(abs(statistics.fmean(known) - statistics.fmean(other)) < 0.005 for known, other in samples)
    assert any(is_alike(known, other) for known, other in samples)


def latencies(desk: SignIn, rng: Random, count: int, sample: int) -> tuple[list[float], list[float]]:
    """Return how many seconds each start took, for friends and for strangers, in mixed order."""
    known: list[float] = []
    other: list[float] = []
    asks = [(f"friend{number}@example.org", number, known) for number in range(count)]
    asks += [(f"stranger{sample}x{number}@example.org", number, other) for number in range(count)]
    rng.shuffle(asks)
    for to, number, taken in asks:
        desk.wait(seconds=2)
        started = time.perf_counter()
        desk.ask(to, number)
        taken.append(time.perf_counter() - started)
    return known, other


def is_alike(one: list[float], other: list[float]) -> bool:
    """Whether two samples may well have one mean: p above 0.01 in Welch's test, for large samples."""
    error = (statistics.variance(one) / len(one) + statistics.variance(other) / len(other)) ** 0.5
    distance = abs(statistics.fmean(one) - statistics.fmean(other)) / error
    return 2 * (1 - statistics.NormalDist().cdf(distance)) > 0.01
