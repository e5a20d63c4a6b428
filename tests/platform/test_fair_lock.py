"""The lock of SQLite's writers: one at a time, in the order of arrival."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest

from nerava.platform.db.fair_lock import FairLock
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Callable


def queued(lock: FairLock, waiters: int) -> bool:
    """Whether so many wait; looked up inside, because nothing outside can tell."""
    return len(lock._waiters) == waiters  # noqa: SLF001


def wait_until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not fact():
        if time.monotonic() > deadline:
            raise AssertionError("it did not come to pass in 10 s")
        time.sleep(0.001)


def test_waiters_are_let_in_by_the_order_of_their_arrival() -> None:
    lock, order = FairLock(), []
    lock.acquire()

    def wait(number: int) -> None:
        lock.acquire()
        order.append(number)
        lock.release()

    threads = []
    for number in range(30):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        wait_until(lambda: queued(lock, len(threads)))
    lock.release()
    for thread in threads:
        thread.join(10)

    assert order == list(range(30))


def test_a_latecomer_cannot_overtake_who_waits() -> None:
    lock, order = FairLock(), []
    lock.acquire()
    waiter = threading.Thread(target=lambda: (lock.acquire(), order.append("waiter")))
    waiter.start()
    wait_until(lambda: queued(lock, 1))

    lock.release()  # The lock is handed over, not opened: it is never free in between.
    assert lock.acquire(0) is False
    waiter.join(10)

    assert order == ["waiter"]


def test_only_one_is_inside_at_a_time() -> None:
    lock, inside, most = FairLock(), [0], [0]

    def enter(_: int) -> None:
        for _ in range(20):
            with lock.hold(30) as obtained:
                assert obtained
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                time.sleep(0)
                inside[0] -= 1

    in_parallel(16, enter)

    assert most == [1]


def test_who_waits_too_long_is_told_and_the_others_move_up() -> None:
    lock, entered = FairLock(), threading.Event()
    lock.acquire()
    impatient: list[bool] = []
    first = threading.Thread(target=lambda: impatient.append(lock.acquire(0.05)))
    first.start()
    wait_until(lambda: queued(lock, 1))
    second = threading.Thread(target=lambda: (lock.acquire(), entered.set()))
    second.start()
    first.join(10)

    assert impatient == [False]
    assert not entered.is_set()
    lock.release()
    assert entered.wait(10)
    second.join(10)


def test_a_turn_that_comes_just_after_the_time_is_up_is_taken_not_lost() -> None:
    lock, answers = FairLock(), []
    lock.acquire()
    waiter = threading.Thread(target=lambda: answers.append(lock.acquire(0.05)))
    waiter.start()
    wait_until(lambda: queued(lock, 1))
    with lock._guard:  # noqa: SLF001 - the gap between time-out and guard, held open
        time.sleep(0.2)
        lock._waiters.popleft().release()  # noqa: SLF001 - what `release` does in it
    waiter.join(10)

    assert answers == [True]
    lock.release()
    assert lock.acquire(0)


def test_impatient_crowds_lose_no_turn() -> None:
    lock, obtained = FairLock(), [0]

    def enter(index: int) -> None:
        for _ in range(30):
            with lock.hold(0.0005 * (index % 3)) as mine:
                obtained[0] += mine
                time.sleep(0.0005)

    in_parallel(16, enter)

    assert obtained[0] > 0
    assert lock.acquire(0)
    assert queued(lock, 0)


def test_a_lock_is_released_even_when_the_holder_fails() -> None:
    lock = FairLock()
    with pytest.raises(ZeroDivisionError), lock.hold(1):
        raise ZeroDivisionError

    assert lock.acquire(0)


def test_nobody_can_release_what_nobody_holds() -> None:
    with pytest.raises(RuntimeError, match="nobody holds"):
        FairLock().release()


def test_who_did_not_obtain_it_does_not_release_it() -> None:
    lock = FairLock()
    lock.acquire()
    with lock.hold(0) as obtained:
        assert not obtained

    assert lock.acquire(0) is False
