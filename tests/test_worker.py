"""Background work goes round, survives what fails in it, and ends when told."""

from __future__ import annotations

import os
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from nerava.commands.running import end_by_signal
from nerava.kernel.clock import FixedClock, SystemClock
from nerava.kernel.errors import NeravaError
from nerava.ledger import Ledger
from nerava.ledger.stops import SwitchedOff
from nerava.platform.db import Database
from nerava.settings import WorkerSettings
from nerava.worker import BackgroundWork, Job, jobs
from tests.helpers.financial_helpers import Books

START = datetime(2026, 11, 22, 12, tzinfo=UTC)
SETTINGS = WorkerSettings(pause_ms=10)


class Counting:
    """A job that counts its runs and does what it is told."""

    def __init__(self, *results: int | Exception) -> None:
        self.runs = 0
        self._results = iter(results)

    def __call__(self, _now: datetime) -> int:
        """Return the next result, then 0."""
        self.runs += 1
        result = next(self._results, 0)
        if isinstance(result, Exception):
            raise result
        return result


def background(clock: FixedClock, **kinds: tuple[timedelta, Counting]) -> BackgroundWork:
    """Return background work with these jobs."""
    return BackgroundWork([Job(name, every, run) for name, (every, run) in kinds.items()], clock, SETTINGS)


def test_a_job_runs_again_at_once_while_it_finds_something_and_rests_then() -> None:
    clock, busy, idle = FixedClock(START), Counting(5, 3), Counting()
    work = background(clock, busy=(timedelta(seconds=9), busy), idle=(timedelta(hours=1), idle))

    assert [work.round() for _ in range(4)] == [5, 3, 0, 0]
    assert (busy.runs, idle.runs) == (3, 1)
    clock.move_to(START + timedelta(seconds=9))
    work.round()
    assert (busy.runs, idle.runs) == (4, 1)


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), NeravaError("x")])
def test_a_job_that_fails_does_not_stop_the_others_and_is_tried_again(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock, broken, good = FixedClock(START), Counting(error, 7), Counting(1)
    work = background(clock, broken=(timedelta(0), broken), good=(timedelta(0), good))

    assert work.round() == 1
    assert "broken failed" in caplog.text
    assert work.round() == 0
    clock.move_to(START + timedelta(seconds=5))
    assert work.round() == 7


def test_it_ends_between_two_pieces_when_told() -> None:
    inside, leave = threading.Event(), threading.Event()

    def slow(_now: datetime) -> int:
        inside.set()
        leave.wait(20)
        return 1

    after = Counting()
    work = BackgroundWork(
        [Job("slow", timedelta(0), slow), Job("after", timedelta(0), after)], SystemClock(), SETTINGS
    )
    work.start()
    assert inside.wait(20)
    stopper = threading.Thread(target=work.stop)
    stopper.start()
    time.sleep(0.05)
    leave.set()
    stopper.join(20)
    assert not stopper.is_alive()
    assert after.runs == 0
    work.stop()


def test_the_house_jobs_leave_nothing_undone(database: Database, ledger: Ledger) -> None:
    books = Books.opened(database, ledger)
    books.campaign(100)
    work = BackgroundWork(jobs(database, ledger, SETTINGS), SystemClock(), SETTINGS)
    while work.round():
        pass
    assert ledger.seal() == 0
    assert books.findings() == []


def test_a_job_whose_work_is_switched_off_waits_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    clock, stopped, good = FixedClock(START), Counting(SwitchedOff(), SwitchedOff(), 7), Counting(1)
    work = background(clock, stopped=(timedelta(0), stopped), good=(timedelta(0), good))
    caplog.set_level("INFO")

    assert [work.round(), work.round()] == [1, 0]
    clock.move_to(START + timedelta(seconds=5))
    assert work.round() == 0
    assert stopped.runs == 2
    assert [record.levelname for record in caplog.records] == ["INFO"], "said once, not at every look"

    clock.move_to(START + timedelta(seconds=10))
    assert work.round() == 7


def test_a_first_signal_asks_it_to_end_and_a_second_ends_the_process() -> None:
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    work = BackgroundWork([Job("idle", timedelta(0), lambda _now: 0)], SystemClock(), SETTINGS)
    try:
        end_by_signal(work.ask_to_stop)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        work.run()  # Returns because of the signal.
        assert {signal.getsignal(one) for one in before} == {signal.SIG_DFL}
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
