"""R09, R10: what eight clients saw is one serial order that agrees with their clocks and with the rules."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import text

from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger, chain, transfer
from nerava.platform.db import EngineOptions
from tests.chaos.broken_builds import LATE_S, AnswersBeforeCommit
from tests.chaos.conftest import SEED
from tests.chaos.recorder import CLIENTS, SPECS, Client, in_flight, open_accounts, record, settled
from tests.helpers.financial_helpers import Books
from tests.ledger.history import Entry, Operation
from tests.ledger.replay import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

FORMS: Final = [
    pytest.param(5, id="quick"),
    pytest.param(60, id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(600)]),
]
ROUNDS_UNTIL_CAUGHT: Final = 6
"""On a busy machine the late commit may be over before anybody looks; one of the rounds shows it."""

BROKEN_S: Final = 1.0


def clients_of(books: Books) -> list[Client]:
    """Return clients of whom every second one posts inline, the others by group commit."""
    ways = ("submit", "inline")
    return [
        Client(Books(books.database, books.ledger, ways[number % 2]), number, f"{SEED}")
        for number in range(CLIENTS)
    ]


@pytest.mark.parametrize("seconds", FORMS)
def test_a_recorded_history_is_strictly_serializable_and_follows_the_rules(
    books: Books, measured: Callable[[str], None], seconds: int
) -> None:
    history = [open_accounts(books)]
    clients = clients_of(books)

    record(clients, lambda: time.sleep(seconds))

    history += [one for client in clients for one in client.history]
    assert [error for client in clients for error in client.errors] == []
    assert check(settled(history), SPECS) == []
    assert books.findings() == []
    told = {one.status for one in history}
    assert {"posted", "exists", "read", "insufficient"} <= told
    assert in_flight(history) >= CLIENTS / 2
    measured(
        f"R09 R10 {books.database.dialect}: {len(history)} operations, at most {in_flight(history)} at once"
    )


def test_reading_and_then_writing_what_was_read_is_caught(books: Books) -> None:
    """What the product must never do: the balance is read, changed in memory and written back."""

    def create(session: Session) -> None:
        session.execute(text("CREATE TABLE naive (code TEXT, posted BIGINT, sequence BIGINT)"))
        session.execute(text("INSERT INTO naive VALUES (:code, 0, 0)"), [{"code": code} for code in SPECS])

    books.database.run(create)
    naive = [Naive(books.database, number) for number in range(CLIENTS)]

    record(naive, lambda: time.sleep(BROKEN_S))

    history = [one for client in naive for one in client.history]
    assert in_flight(history) >= CLIENTS / 2
    assert len([line for line in check(history, SPECS) if "written twice" in line or "is not" in line]) > 0


def test_a_build_that_answers_before_it_commits_is_caught_by_the_clock(books: Books) -> None:
    first = open_accounts(books)
    with (
        closing(AnswersBeforeCommit(books.database.url, EngineOptions(pool_wait_ms=20_000))) as database,
        closing(Ledger(database, SystemClock())) as ledger,
    ):
        clients = clients_of(Books(database, ledger))
        found: list[str] = []
        for _ in range(ROUNDS_UNTIL_CAUGHT):
            record(clients, lambda: time.sleep(BROKEN_S))
            time.sleep(10 * LATE_S)
            history = [first, *(one for client in clients for one in client.history)]
            found = check(settled(history), SPECS)
            if found:
                break

    assert found != []


class Naive:
    """A client of a wallet that reads, calculates and writes, as the predecessor did."""

    def __init__(self, database: Database, number: int) -> None:
        self._database = database
        self._number = number
        self._rng = Random(f"{SEED} naive {number}")
        self._facts = 0
        self.history: list[Operation] = []

    def work_until(self, ended: threading.Event) -> None:
        while not ended.is_set():
            self._spend()

    def _spend(self) -> None:
        self._facts += 1
        debit, credit = "world", self._rng.choice(["player:1", "player:2"])
        one = chain(f"naive:{self._number}:{self._facts}", transfer(debit, credit, 5), template="naive")
        start = time.monotonic_ns()
        held = self._database.read(self._balances)
        writes = tuple(
            Entry(code, held[code][1] + 1, change, held[code][0] + change, held[code][0] + change)
            for code, change in ((debit, -5), (credit, 5))
        )
        self._database.run(lambda session: self._write(session, writes))
        self.history.append(
            Operation(self._number, str(one.key), start, time.monotonic_ns(), chain=one, writes=writes)
        )

    def _balances(self, session: Session) -> dict[str, tuple[int, int]]:
        rows = session.execute(text("SELECT code, posted, sequence FROM naive"))
        return {row.code: (row.posted, row.sequence) for row in rows}

    def _write(self, session: Session, writes: tuple[Entry, ...]) -> None:
        for entry in writes:
            session.execute(
                text("UPDATE naive SET posted = :posted, sequence = :sequence WHERE code = :account"),
                {"posted": entry.posted, "sequence": entry.sequence, "account": entry.account},
            )
