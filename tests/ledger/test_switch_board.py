"""What a process knows of switches: asked by one for all, and too old only when nobody can be asked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import pytest

from nerava.kernel.switch_names import EARN
from nerava.ledger import switches
from nerava.ledger.switches import FRESH_NS, STALE_NS, SwitchBoard
from nerava.platform.db.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.platform.db import Database


class Rows:
    """A database whose switches are given, and which can be slow or away."""

    def __init__(self) -> None:
        self.on = frozenset({EARN})
        self.is_away = False
        self.reads = 0
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def read(self, _work: Callable[..., object]) -> frozenset[str]:
        self.reads += 1
        self.asked.set()
        assert self.may_answer.wait(10)
        if self.is_away:
            raise DatabaseUnavailable
        return self.on


class Door:
    """A lock that counts who knocks."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.knocks = threading.Semaphore(0)

    def acquire(self, *, blocking: bool) -> bool:
        self.knocks.release()
        return self.lock.acquire(blocking=blocking)

    def release(self) -> None:
        self.lock.release()


class Time:
    def __init__(self) -> None:
        self.now_ns = 0

    def monotonic_ns(self) -> int:
        return self.now_ns


@pytest.fixture
def rows() -> Rows:
    return Rows()


@pytest.fixture
def board(rows: Rows) -> SwitchBoard:
    return SwitchBoard(cast("Database", rows))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(switches, "time", made)
    return made


def test_what_was_read_is_good_for_half_a_second(rows: Rows, board: SwitchBoard, clock: Time) -> None:
    assert board.on() == {EARN}
    rows.on = frozenset()
    clock.now_ns = FRESH_NS - 1
    assert board.on() == {EARN}
    assert rows.reads == 1
    clock.now_ns = FRESH_NS
    assert board.on() == frozenset()


def test_a_database_that_is_away_is_forgiven_for_five_seconds(
    rows: Rows, board: SwitchBoard, clock: Time
) -> None:
    assert board.on() == {EARN}
    rows.is_away = True
    clock.now_ns = STALE_NS - 1
    assert board.on() == {EARN}
    clock.now_ns = STALE_NS
    with pytest.raises(DatabaseUnavailable):
        board.on()
    rows.is_away = False
    assert board.on() == {EARN}


def test_who_knows_nothing_and_can_ask_nobody_is_refused(rows: Rows, board: SwitchBoard) -> None:
    rows.is_away = True
    with pytest.raises(DatabaseUnavailable):
        board.on()


def test_one_asks_for_all_who_wait(rows: Rows, board: SwitchBoard, monkeypatch: pytest.MonkeyPatch) -> None:
    rows.may_answer.clear()
    door = Door()
    monkeypatch.setattr(board, "_lock", door)
    found: list[Any] = []
    waiting = [threading.Thread(target=lambda: found.append(board.on())) for _ in range(4)]
    waiting[0].start()
    assert rows.asked.wait(10)
    for one in waiting[1:]:
        one.start()
    for _ in waiting:
        assert door.knocks.acquire(timeout=10)
    rows.may_answer.set()
    for one in waiting:
        one.join(10)

    assert found == [{EARN}] * 4
    assert rows.reads == 1


def test_while_one_asks_the_others_go_on_with_what_is_known(
    rows: Rows, board: SwitchBoard, clock: Time
) -> None:
    assert board.on() == {EARN}
    clock.now_ns = FRESH_NS
    rows.asked.clear()
    rows.may_answer.clear()
    slow = threading.Thread(target=board.on)
    slow.start()
    assert rows.asked.wait(10)
    rows.on = frozenset()

    assert board.on() == {EARN}

    rows.may_answer.set()
    slow.join(10)
    assert board.on() == frozenset()
