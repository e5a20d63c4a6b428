"""Whoever waits for another's commit is answered by what that commit left, never by what was there before."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest
from sqlalchemy import select, text

from nerava.ledger import (
    AccountSpec,
    Chain,
    LotTerms,
    Status,
    capture,
    chain,
    hold,
    model,
    release,
    store,
    transfer,
)
from nerava.ledger.sealing import seal_batches, seal_day
from nerava.ledger.verify import verify
from tests.helpers.financial_helpers import findings
from tests.ledger.houses import DAY, NOON, House

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

First = TypeVar("First")
Second = TypeVar("Second")

PATIENCE_S: Final = 10
BLOCKED: Final = text("SELECT count(*) FROM pg_locks WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid))")


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A small house with 500 in the till, 50 of them reserved; its books are clean when the test is over."""
    opened = House(database)
    opened.must(
        chain("deposit", transfer("bank", "till", 500)),
        chain("grant", transfer("mint", "alice", 90, lot=LotTerms("x", NOON + DAY))),
        chain("code", hold("till", "bank", 50, expires_at=NOON + DAY)),
    )
    yield opened
    opened.ledger.close()
    assert findings(database) == []


def overlapped(
    database: Database, first: Callable[[Session], First], second: Callable[[Session], Second]
) -> tuple[First, Second]:
    """Run `second` when `first` has done everything but commit, and let it wait; return both results."""
    with ThreadPoolExecutor(1) as pool:

        def work(session: Session) -> tuple[First, Any]:
            result = first(session)
            later = pool.submit(database.run, second)
            deadline = time.monotonic() + PATIENCE_S
            while not holds_somebody_up(database, session):
                if time.monotonic() > deadline or later.done():
                    raise AssertionError("the second did not wait for the first")
                time.sleep(0.002)
            return result, later

        done, later = database.run(work)
        return done, later.result(PATIENCE_S)


def holds_somebody_up(database: Database, session: Session) -> bool:
    turn = database._turn  # noqa: SLF001 - nothing outside can tell who waits for his turn to write
    return bool(session.execute(BLOCKED).scalar_one() if turn is None else turn._waiters)  # noqa: SLF001


def posting(house: House, *chains: Chain) -> Callable[[Session], list[Status]]:
    return lambda session: [one.status for one in house.ledger.post_many(session, chains)]


def spend(amount: int = 450, name: str = "spend") -> Chain:
    return chain(name, transfer("till", "bank", amount))


CODE: Final = chain("code", hold("till", "bank", 50, expires_at=NOON + DAY)).key


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        pytest.param(spend(), spend(), Status.EXISTS, id="it took the last money itself"),
        pytest.param(spend(5), spend(5), Status.EXISTS, id="there is money for another"),
        pytest.param(spend(450), spend(449), Status.CONFLICT, id="its key is another's, nothing is left"),
        pytest.param(spend(5), spend(4), Status.CONFLICT, id="its key is another's, money is left"),
        pytest.param(spend(), spend(1, "other"), Status.INSUFFICIENT, id="another took the last money"),
        pytest.param(spend(449), spend(1, "other"), Status.POSTED, id="another left enough"),
        pytest.param(
            chain("take", capture(CODE)), chain("take", capture(CODE)), Status.EXISTS, id="it captured before"
        ),
        pytest.param(
            chain("take", capture(CODE)),
            chain("give", release(CODE)),
            Status.HOLD_RESOLVED,
            id="another captured",
        ),
        pytest.param(
            chain("buy", transfer("alice", "shop", 90)),
            chain("buy", transfer("alice", "shop", 90)),
            Status.EXISTS,
            id="it spent the last lot itself",
        ),
    ],
)
def test_a_posting_that_waited_is_judged_by_what_the_other_left(
    house: House, first: Chain, second: Chain, told: Status
) -> None:
    answers = overlapped(house.database, posting(house, first), posting(house, second))

    assert answers == ([Status.POSTED], [told])


@pytest.mark.parametrize("in_parts_from", [1, 750], ids=["in parts", "whole"])
def test_each_of_a_batch_that_waited_gets_its_own_answer(
    house: House, monkeypatch: pytest.MonkeyPatch, in_parts_from: int
) -> None:
    """One of them was posted meanwhile; that it exists must not colour its neighbours."""
    monkeypatch.setattr(store, "IN_PARTS_FROM", in_parts_from)
    batch = posting(house, spend(), spend(1, "poor"), chain("more", transfer("bank", "till", 7)))

    told = overlapped(house.database, posting(house, spend()), batch)

    assert told == ([Status.POSTED], [Status.EXISTS, Status.INSUFFICIENT, Status.POSTED])
    assert house.posted("till") == [57]


def test_an_account_that_two_open_at_once_is_one_account_and_neither_starts_over(house: House) -> None:
    attempts: list[str] = []

    def open_and_pay(name: str) -> Callable[[Session], Status]:
        def work(session: Session) -> Status:
            attempts.append(name)
            house.ledger.open(session, [AccountSpec("fresh", "USD", "sponsor_prepaid")])
            return house.ledger.post(session, chain(name, transfer("bank", "fresh", 3))).status

        return work

    told = overlapped(house.database, open_and_pay("one"), open_and_pay("two"))

    assert told == (Status.POSTED, Status.POSTED)
    assert attempts == ["one", "two"]
    assert house.posted("fresh") == [6]


def test_a_sealer_that_waited_for_another_has_nothing_left_to_link(house: House) -> None:
    first, second = overlapped(house.database, seal_batches, seal_batches)

    assert (first, second) == (3, 0)
    assert house.rows(select(model.unsealed)) == []
    assert house.database.read(verify) == []


@pytest.mark.parametrize("linked", [False, True], ids=["with batches to link", "with all batches linked"])
def test_a_day_that_another_seals_meanwhile_is_not_sealed_again(house: House, *, linked: bool) -> None:
    if linked:
        house.ledger.seal()

    def seal(session: Session) -> int:
        return len(seal_day(session, NOON + timedelta(hours=1)))

    assert overlapped(house.database, seal, seal) == (1, 0)
    assert house.database.read(verify) == []
