"""How often a unit of work runs, how long it rests in between, and what the last failure is told as."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy import exc

from nerava.platform.db import Database, DatabaseUnavailable, LostRace, StorageFull, unit_of_work

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

RACE = psycopg.errors.SerializationFailure("another was faster")
GONE = psycopg.OperationalError("server closed the connection unexpectedly")


class Troubled:
    """Work that fails as it is told, one failure for each attempt, and then returns how often it ran."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.made = 0

    def __call__(self, _session: Session) -> int:
        self.made += 1
        if self.failures:
            raise self.failures.pop(0)
        return self.made


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A file that nothing is ever written to: what fails is the work, so one engine speaks for both."""
    opened = Database(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    yield opened
    opened.close()


@pytest.fixture
def rests(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """The bounds between which each pause was drawn; none of them is waited for."""
    bounds: list[tuple[float, float]] = []

    def drawn(low: float, high: float) -> float:
        bounds.append((low, high))
        return high

    slept: list[float] = []
    monkeypatch.setattr(random, "uniform", drawn)
    monkeypatch.setattr(time, "sleep", slept.append)
    return bounds


def test_the_pauses_between_attempts_double_and_begin_at_nothing(
    database: Database, rests: list[tuple[float, float]]
) -> None:
    assert database.run(Troubled(RACE, GONE, RACE, RACE)) == 5

    assert rests == [(0, 0.04), (0, 0.08), (0, 0.16), (0, 0.32)]


@pytest.mark.parametrize(
    ("failure", "told_as"), [(RACE, LostRace), (GONE, DatabaseUnavailable)], ids=["race", "gone"]
)
def test_the_fifth_failure_is_the_last_and_is_told_with_its_cause(
    database: Database, rests: list[tuple[float, float]], failure: Exception, told_as: type[Exception]
) -> None:
    work = Troubled(*[failure] * 9)

    with pytest.raises(told_as) as told:
        database.run(work)

    assert (work.made, len(rests)) == (5, 4)
    assert told.value.__cause__ is failure


@pytest.mark.parametrize(("took_s", "attempts"), [(5.0, 2), (5.25, 1)])
def test_another_attempt_begins_within_five_seconds_and_not_after(
    database: Database,
    rests: list[tuple[float, float]],
    monkeypatch: pytest.MonkeyPatch,
    took_s: float,
    attempts: int,
) -> None:
    passed = iter([0.0, took_s])
    clock = SimpleNamespace(monotonic=lambda: next(passed, 99.0), sleep=time.sleep)
    monkeypatch.setattr(unit_of_work, "time", clock)
    work = Troubled(*[RACE] * 9)

    with pytest.raises(LostRace):
        database.run(work)

    assert work.made == attempts


@pytest.mark.parametrize(
    ("failure", "told_as", "words"),
    [
        (exc.TimeoutError(), DatabaseUnavailable, "^every connection is busy$"),
        (psycopg.errors.DiskFull(), StorageFull, "^No space left$"),
        (psycopg.errors.CheckViolation("no"), psycopg.errors.CheckViolation, "^no$"),
        (DatabaseUnavailable("no turn"), DatabaseUnavailable, "^no turn$"),
    ],
    ids=["no connection free", "disk full", "a definite error", "no turn"],
)
def test_what_another_attempt_would_not_cure_is_told_at_once(
    database: Database,
    rests: list[tuple[float, float]],
    failure: Exception,
    told_as: type[Exception],
    words: str,
) -> None:
    work = Troubled(*[failure] * 9)

    with pytest.raises(told_as, match=words) as told:
        database.run(work)

    assert (work.made, rests) == (1, [])
    assert failure in (told.value, told.value.__cause__)


def test_a_reader_is_told_the_same_of_busy_connections(database: Database) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"^every connection is busy$"):
        database.read(Troubled(exc.TimeoutError()))


# Who may write at all.


class Shut(Exception):
    """What a gate says that lets nobody pass."""


def test_a_gate_is_asked_once_before_the_work_however_often_that_runs(
    database: Database, rests: list[tuple[float, float]]
) -> None:
    work = Troubled(RACE, RACE)
    made_when_asked: list[int] = []
    database.ask_before_writing(lambda: made_when_asked.append(work.made))

    assert database.run(work) == 3
    assert made_when_asked == [0]


def test_a_shut_gate_stops_every_write_but_the_essential_and_no_reading(database: Database) -> None:
    def shut() -> None:
        raise Shut

    database.ask_before_writing(shut)
    work = Troubled()

    with pytest.raises(Shut):
        database.run(work)
    with pytest.raises(Shut):
        database.run(work, essential=False)
    assert work.made == 0
    assert database.run(work, essential=True) == 1
    assert database.read(work) == 2
