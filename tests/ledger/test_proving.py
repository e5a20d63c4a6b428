"""All of the books are proven in the background: once a day, when asked for, and again where that broke off."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select, update

from nerava.ledger import chain, model, proving, transfer
from nerava.ledger.alarm_store import BookProof, watch
from nerava.ledger.proving import LEASE, BookProving, Looked, ask, look, proofs
from nerava.ledger.sealing import seal_batches
from nerava.ledger.watching import CHAIN, HISTORY, QUICK_MS, alarms
from nerava.platform.db import Database
from tests.chaos.tampering import drop_every_guard
from tests.ledger.houses import DAY, NOON, House
from tests.ledger.test_sealing import busy_house

if TYPE_CHECKING:
    from uuid import UUID

MOMENT = timedelta(seconds=1)
LONG_CHAIN = update(watch).where(watch.c.scope == CHAIN).values(took_ms=QUICK_MS + 1)
A_TRANSFER = update(model.transfer).where(
    model.transfer.c.id
    == select(model.transfer.c.id).order_by(model.transfer.c.id).limit(1).scalar_subquery()
)


class Prover:
    """A house, somebody who proves its books, and what they stopped money for."""

    def __init__(self, database: Database) -> None:
        self.house: House = busy_house(database)
        self.database = database
        self.stopped: list[str] = []
        self._proving = BookProving(database, (), lambda why, _now: self.stopped.append(why))
        database.run(seal_batches)

    def prove(self, now: datetime) -> int:
        return self._proving.run(now)

    def ask(self, now: datetime) -> UUID:
        return self.database.run(lambda session: ask(session, now).id)

    def take(self, proof_id: UUID, now: datetime) -> None:
        """Take a proof on, as somebody who is killed a moment later."""
        self.change(
            update(BookProof).where(BookProof.id == proof_id).values(began_at=now, next_at=now + LEASE)
        )

    def look(self, now: datetime = NOON, *, chain: bool = True) -> Looked:
        return self.database.read(lambda session: look(session, (), now, chain=chain))

    def names(self, now: datetime = NOON, *, chain: bool = True) -> set[str]:
        return {one.check for one in self.look(now, chain=chain).found}

    def rings(self) -> list[str]:
        found = self.database.read(lambda session: alarms(session, is_open=True, after=None, limit=100))
        return [one.name for one in found]

    def change(self, statement: Any) -> None:
        self.database.run(lambda session: session.execute(statement))

    def count(self) -> int:
        return self.database.read(lambda session: len(proofs(session, after=None, limit=100)))


@pytest.fixture
def prover(database: Database) -> Iterator[Prover]:
    """A house in which something happened, and nobody has looked yet."""
    opened = Prover(database)
    yield opened
    opened.house.ledger.close()


def test_new_books_are_proven_at_once_and_then_once_a_day(prover: Prover) -> None:
    assert prover.look().last is None
    assert (prover.prove(NOON), prover.prove(NOON + MOMENT), prover.prove(NOON + DAY / 4)) == (1, 0, 0)
    looked = prover.look()
    assert looked.last is not None
    assert (looked.last.transfers, looked.last.broken, looked.coming) == (6, 0, None)
    assert prover.prove(NOON + DAY) == 1
    assert (prover.count(), prover.rings(), prover.stopped) == (2, [], [])


def test_whoever_asks_gets_a_proof_that_begins_later(prover: Prover) -> None:
    first = prover.ask(NOON)
    assert prover.ask(NOON + MOMENT) == first
    prover.take(first, NOON + 2 * MOMENT)
    coming = prover.look().coming
    assert coming is not None
    assert (coming.id, coming.began_at, coming.ended_at) == (first, NOON + 2 * MOMENT, None)
    second = prover.ask(NOON + 3 * MOMENT)
    assert second != first
    pages = [
        prover.database.read(
            lambda session, after=after: [one.id for one in proofs(session, after=after, limit=1)]
        )
        for after in (None, second, first)
    ]
    assert pages == [[second], [first], []]


def test_a_proof_whose_reader_is_gone_is_begun_anew(prover: Prover) -> None:
    asked = prover.ask(NOON)
    prover.take(asked, NOON)
    assert prover.prove(NOON + LEASE - MOMENT) == 0
    assert prover.prove(NOON + LEASE) == 1
    last = prover.look().last
    assert last is not None
    assert (last.id, last.began_at) == (asked, NOON + LEASE)


def test_what_a_proof_finds_rings_until_a_proof_does_not_find_it(
    prover: Prover, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "NOTED_MAX", 1)
    drop_every_guard(prover.database)
    [actor] = set(prover.house.rows(select(model.transfer.c.actor)))
    prover.change(update(model.transfer).values(actor="somebody else"))
    assert prover.prove(NOON) == 1
    last = prover.look().last
    assert last is not None
    assert (last.broken, prover.rings()) == (last.transfers, ["row-digest"])
    prover.change(LONG_CHAIN)
    prover.change(update(model.transfer).values(actor=actor[0]))
    assert (prover.names(chain=False), prover.names()) == (set(), {"row-digest"})
    assert prover.stopped == []  # Who wrote it changes no sum.

    prover.ask(NOON + MOMENT)
    assert prover.prove(NOON + MOMENT) == 1
    prover.change(LONG_CHAIN)
    assert (prover.rings(), prover.names()) == ([], set())


def test_what_only_a_proof_reads_is_not_read_by_a_look(prover: Prover) -> None:
    for number in range(6):
        prover.house.must(chain(f"later:{number}", transfer("bank", "till", 5)))
    prover.database.run(seal_batches)
    assert prover.prove(NOON - DAY) == 1
    drop_every_guard(prover.database)
    prover.change(A_TRANSFER.values(actor="somebody else"))
    assert prover.names() == {"row-digest"}, "short books are read whole"
    prover.change(LONG_CHAIN)
    assert prover.names() == set()
    assert prover.prove(NOON) == 1
    prover.change(LONG_CHAIN)
    assert prover.names() == {"row-digest"}


def test_long_books_are_read_by_proofs_alone(prover: Prover) -> None:
    assert prover.prove(NOON) == 1
    slow = update(watch).where(watch.c.scope == HISTORY).values(took_ms=QUICK_MS + 1)
    prover.change(slow)
    drop_every_guard(prover.database)
    prover.change(A_TRANSFER.values(amount=model.transfer.c.amount + 1))
    looked = prover.look(NOON + DAY, chain=False)
    assert looked.found == []
    assert looked.history_at < NOON + DAY / 2

    assert prover.prove(NOON + DAY) == 1
    prover.change(slow)
    assert "counters-match-history" in prover.names(NOON + DAY, chain=False)
    assert len(prover.stopped) == 1
