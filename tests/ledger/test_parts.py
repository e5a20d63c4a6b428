"""A batch that is written in parts, while it is being decided, ends like one that is written whole."""

from __future__ import annotations

import random
import threading
from contextlib import suppress
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest
from sqlalchemy import select, text

from nerava.ledger import (
    Chain,
    LotTerms,
    Status,
    capture,
    chain,
    hold,
    model,
    posting,
    release,
    store,
    transfer,
)
from nerava.ledger.decide import decide
from nerava.ledger.switches import turn_on
from tests.ledger.houses import DAY, NOON, House

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger import Verdict

only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
TABLES = (
    model.transfer,
    model.balance,
    model.batch,
    model.unsealed,
    model.open_hold,
    model.lot,
    model.lot_use,
)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every batch written in parts of two transfers."""
    cut(monkeypatch, 2)


def cut(monkeypatch: pytest.MonkeyPatch, size: int | None) -> None:
    monkeypatch.setattr(store, "IN_PARTS_FROM", 1 if size else 1_000_000)
    monkeypatch.setattr(posting, "PART", size)


def deposits(amounts: Sequence[int]) -> list[Chain]:
    return [chain(f"deposit:{number}", transfer("bank", "till", one)) for number, one in enumerate(amounts)]


class Outcome(NamedTuple):
    """What a batch answered and everything that it left."""

    verdicts: list[Verdict]
    rows: dict[str, list[Any]]


def tried(house: House, chains: Sequence[Chain], monkeypatch: pytest.MonkeyPatch) -> Outcome:
    """Post a batch with ids that are the same at every try, look at all that it left, and undo it."""
    ids = count(1)
    monkeypatch.setattr(posting, "new_id", lambda: str(UUID(int=next(ids))))
    found: list[Outcome] = []

    def work(session: Session) -> None:
        verdicts = house.ledger.post_many(session, chains)
        rows = {one.name: sorted(map(repr, session.execute(select(one)))) for one in TABLES}
        found.append(Outcome(verdicts, rows))
        raise InterruptedError

    with suppress(InterruptedError):
        house.database.run(work)
    monkeypatch.undo()
    return found[0]


def anything(dice: random.Random, number: int, keys: list[UUID]) -> Chain:
    """Return a chain of one to three legs, some of which are refused or end what another began."""

    def leg() -> Any:
        amount = dice.choice([0, 1, 5, 20, 70])
        until = dice.choice([None, NOON + DAY])
        terms = LotTerms(f"fund:{dice.randrange(3)}", until)
        return dice.choice(
            [
                transfer("bank", "till", amount),
                transfer("till", "capped", amount),
                transfer("till", "bank", amount),
                transfer("mint", "alice", amount, lot=terms),
                transfer("alice", "bob", amount, lot=terms),
                transfer("carol", "shop", amount, lot_of=dice.choice(keys)),
                transfer("shop", "carol", amount, restores=dice.choice(keys)),
                hold("till", "bank", amount, expires_at=until),
                hold("mint", "bob", amount, expires_at=until),
                capture(dice.choice(keys[-5:]), dice.choice([None, 1])),
                release(dice.choice(keys[-5:])),
            ]
        )

    fact = f"fact:{dice.randrange(number) if number and dice.random() < 0.1 else number}"
    made = chain(fact, *(leg() for _ in range(dice.choice([1, 1, 2, 3]))))
    keys += (made.key_of(place) for place in range(len(made.transfers)))
    return made


@pytest.mark.parametrize("seed", range(6))
def test_a_batch_in_parts_answers_and_leaves_what_it_does_whole(
    house: House, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    dice = random.Random(seed)
    keys = [chain("before").key]
    before = [anything(dice, number, keys) for number in range(30)]
    house.post(*before)
    batch = [*before, *(anything(dice, number, keys) for number in range(20, 100))]

    cut(monkeypatch, None)
    whole = tried(house, batch, monkeypatch)

    statuses = {one.status for one in whole.verdicts}
    assert {Status.POSTED, Status.EXISTS, Status.BAD_AMOUNT, Status.INSUFFICIENT} <= statuses
    for size in (1, 2, 7):
        cut(monkeypatch, size)
        assert tried(house, batch, monkeypatch) == whole


def test_a_batch_is_large_enough_for_parts_at_750_transfers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []

    def noting(chains: Sequence[Chain], *rest: Any, **more: Any) -> Any:
        sizes.append(sum(len(one.transfers) for one in chains))
        return decide(chains, *rest, **more)

    monkeypatch.setattr(posting, "decide", noting)
    pair = chain("pair", transfer("bank", "till", 1), transfer("bank", "till", 1))

    house.post(*deposits([1] * 749))
    house.post(*deposits([1] * 749), pair)

    assert sizes == [749, 334, 334, 83]
    assert house.posted("till") == [751]


@pytest.mark.usefixtures("parts")
def test_a_batch_of_which_nothing_stands_leaves_nothing(house: House) -> None:
    verdicts = house.post(*deposits([0, 0, 0]))

    assert [one.status for one in verdicts] == [Status.BAD_AMOUNT] * 3
    assert house.rows(select(model.batch)) == []


@pytest.mark.usefixtures("parts")
def test_while_a_switch_is_on_a_batch_is_judged_whole(house: House) -> None:
    """Whether a chain is stopped is asked for all of them before the first is decided."""
    house.database.run(lambda session: turn_on(session, "money.all", by="o-1", reason="drill", now=NOON))

    verdicts = house.post(*deposits([1, 1, 1]))

    assert [one.status for one in verdicts] == [Status.SWITCHED_OFF] * 3


@pytest.mark.usefixtures("parts")
def test_a_mistake_in_a_late_part_takes_the_early_ones_along(house: House) -> None:
    naive = chain("naive", transfer("bank", "till", 1), effective_at=datetime(2026, 3, 1))

    with pytest.raises(ValueError, match="naive"):
        house.post(*deposits([1] * 5), naive)

    assert house.rows(select(model.transfer)) == []
    house.post(*deposits([1] * 5))
    assert house.posted("till") == [5]


class Interruption:
    """Does something once, when the second part of a batch is about to be decided."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
        self.parts = 0
        self._mine = threading.get_ident()
        self._happens = happens
        monkeypatch.setattr(posting, "decide", self)

    def __call__(self, *asked: Any, **more: Any) -> Any:
        if threading.get_ident() == self._mine:
            self.parts += 1
            if self.parts == 2:
                self._happens()
        return decide(*asked, **more)


@only_postgresql
@pytest.mark.usefixtures("parts")
def test_a_key_that_another_takes_meanwhile_is_found_at_the_second_try(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = chain("deposit:5", transfer("north-bank", "north-till", 7), lane="north")
    other = threading.Thread(target=house.must, args=(late,))

    def happens() -> None:
        other.start()
        other.join()

    interruption = Interruption(monkeypatch, happens)

    verdicts = house.post(*deposits([1] * 8))

    assert [one.status for one in verdicts] == [
        Status.CONFLICT if number == 5 else Status.POSTED for number in range(8)
    ]
    assert house.posted("till", "north-till") == [7, 7]
    assert interruption.parts > 4


@only_postgresql
@pytest.mark.usefixtures("parts")
def test_a_connection_lost_between_two_parts_costs_a_second_try_and_nothing_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    backends: list[int] = []

    def work(session: Session) -> list[Verdict]:
        backends.append(session.scalar(text("SELECT pg_backend_pid()")) or 0)
        return house.ledger.post_many(session, deposits([1] * 8))

    def happens() -> None:
        house.database.read(
            lambda session: session.execute(text(f"SELECT pg_terminate_backend({backends[0]})"))
        )

    Interruption(monkeypatch, happens)

    assert {one.status for one in house.database.run(work)} == {Status.POSTED}
    assert len(backends) == 2
    assert house.posted("till") == [8]
