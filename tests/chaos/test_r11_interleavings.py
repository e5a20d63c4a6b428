"""R11: however the steps of two transactions fall, the outcome is that of one after the other."""

from __future__ import annotations

from contextlib import closing
from itertools import combinations_with_replacement, count, pairwise
from random import Random
from typing import TYPE_CHECKING, Final

import pytest
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url, text

from nerava.ledger import store_postgresql
from tests.chaos.conftest import SEED
from tests.chaos.races import KINDS, PRICE, Act, Corner, set_up, state_of
from tests.chaos.schedules import schedules
from tests.chaos.stepping import SteppedDatabase, run_interleaved
from tests.chaos.tampering import drop_every_guard
from tests.helpers.financial_helpers import Books

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy.orm import Session

    from tests.chaos.schedules import Schedule

PAIRS: Final = list(combinations_with_replacement(KINDS, 2))
FORMS: Final = [
    pytest.param({"postgresql": 16, "sqlite": 4}, id="quick"),
    pytest.param(
        {"postgresql": 252, "sqlite": 16}, id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(900)]
    ),
]
"""How many schedules of a pair are run. SQLite lets one transaction in at a time, so most are the same."""

ONE_AFTER_THE_OTHER: Final = ((0,) * 60 + (1,) * 60, (1,) * 60 + (0,) * 60)
"""Both serial orders of acts of any length; they say what is right."""


CONTENDED: Final = [("grant", "grant"), ("redeem", "reserve"), ("capture", "release"), ("payout", "clawback")]
"""Pairs that want the same points, of which there are enough for one."""


NO_UNIQUE_NUMBERS: Final = (
    "ALTER TABLE ledger_transfer DROP CONSTRAINT uq_ledger_transfer_debit_debit_sequence",
    "ALTER TABLE ledger_transfer DROP CONSTRAINT uq_ledger_transfer_credit_credit_sequence",
    "DROP INDEX uq_ledger_transfer_hold_id",
)


def is_serial(schedule: Schedule) -> bool:
    """Whether one act ends before the other begins."""
    return sum(one != other for one, other in pairwise(schedule)) == 1


class Crossing:
    """A house in which pairs of acts are run against each other, each time in a corner of its own."""

    def __init__(self, books: Books, database: SteppedDatabase) -> None:
        self.books = books
        self.stepped = database
        self._numbers = count()
        self.runs = 0

    def bad_schedules(self, pair: tuple[str, str], limit: int) -> list[tuple[Schedule, object]]:
        """Run a pair through up to `limit` schedules; return those whose outcome no serial order has."""
        corners = self._corners(limit)
        right, steps = zip(
            *(self._outcome(pair, alone, corners.pop()) for alone in ONE_AFTER_THE_OTHER), strict=True
        )
        # Which steps an act takes may depend on what the other has done; the longest runs fit both.
        first, second = max(steps)[0], max(steps, key=lambda taken: taken[1])[1]
        chosen = schedules(first, second, limit, Random(f"{SEED} {pair}"))
        outcomes = [(one, self._outcome(pair, one, corners.pop())[0]) for one in chosen if not is_serial(one)]
        self.runs += len(outcomes)
        return [(schedule, outcome) for schedule, outcome in outcomes if outcome not in right]

    def _outcome(
        self, pair: tuple[str, str], schedule: Schedule, corner: Corner
    ) -> tuple[object, tuple[int, int]]:
        before = state_of(self.books, corner)
        actors = run_interleaved(self.stepped, self._works(pair, corner), schedule)
        after = state_of(self.books, corner)
        changes = tuple(
            tuple(now - then for now, then in zip(held, earlier, strict=True))
            for held, earlier in zip(after, before, strict=True)
        )
        first, second = actors
        return (first.result, second.result, changes), (first.steps, second.steps)

    def _works(self, pair: tuple[str, str], corner: Corner) -> list[Callable[[], object]]:
        acts = [Act(self.books, corner, who) for who in "ab"]
        return [lambda act=act, kind=kind: act.run(kind) for act, kind in zip(acts, pair, strict=True)]

    def _corners(self, number: int) -> list[Corner]:
        corners = [Corner(f"corner-{next(self._numbers)}") for _ in range(number)]
        set_up(self.books, corners)
        return corners


@pytest.fixture
def crossing(books: Books) -> Iterator[Crossing]:
    """A house in which steps can be granted one by one."""
    conninfo = None
    if not books.database.is_sqlite:
        url = make_url(books.database.url)
        # A deadlock is found by waiting; a second of it for each would be most of the run.
        books.database.run(
            lambda session: session.execute(text(f"ALTER DATABASE {url.database} SET deadlock_timeout = 10"))
        )
        conninfo = make_conninfo(dbname=url.database, user=url.username, **url.query)
    with closing(SteppedDatabase(str(books.database.url), conninfo)) as stepped:
        yield Crossing(Books(stepped, books.ledger), stepped)


@pytest.mark.parametrize("limits", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_interleaving_of_two_acts_has_an_outcome_of_its_own(
    books: Books, crossing: Crossing, kind: str, limits: Mapping[str, int]
) -> None:
    limit = limits[books.database.dialect]
    bad = {pair: crossing.bad_schedules(pair, limit) for pair in PAIRS if pair[0] == kind}

    assert {pair: found for pair, found in bad.items() if found} == {}
    assert crossing.runs > len(bad)
    assert books.findings() == []


@pytest.fixture
def no_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the ledger read balances without locking them, as a careless change would."""
    careless = store_postgresql._LOCK.replace("FOR NO KEY UPDATE", "")  # noqa: SLF001 - the decisive line
    assert careless != store_postgresql._LOCK  # noqa: SLF001
    monkeypatch.setattr(store_postgresql, "_LOCK", careless)


@pytest.mark.usefixtures("no_row_locks")
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_without_row_locks_the_database_refuses_what_would_be_wrong(books: Books, crossing: Crossing) -> None:
    """Callers meet refusals then, but nothing wrong gets in: the constraints hold alone."""
    for pair in CONTENDED:
        crossing.bad_schedules(pair, 8)

    assert books.findings() == []


@pytest.mark.usefixtures("no_row_locks")
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_without_row_locks_and_constraints_bad_schedules_are_found(books: Books, crossing: Crossing) -> None:
    drop_every_guard(books.database)
    for order in NO_UNIQUE_NUMBERS:
        books.database.run(lambda session, order=order: session.execute(text(order)))

    bad = {pair: len(crossing.bad_schedules(pair, 8)) for pair in CONTENDED}

    assert all(bad.values()), bad
    assert books.findings() != []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_wallet_that_is_read_changed_and_written_back_has_bad_schedules(crossing: Crossing) -> None:
    """What the product must never do; shows that the scheduler bites without any help of the ledger."""
    database = crossing.stepped

    def spend(session: Session) -> str:
        balance = session.execute(text("SELECT balance FROM wallet")).scalar_one()
        if balance < PRICE:
            return "insufficient"
        session.execute(text("UPDATE wallet SET balance = :left"), {"left": balance - PRICE})
        return "posted"

    def outcome(schedule: Schedule) -> tuple[object, ...]:
        database.run(lambda session: session.execute(text("UPDATE wallet SET balance = 100")))
        first, second = run_interleaved(database, [lambda: database.run(spend)] * 2, schedule)
        left = database.read(lambda session: session.execute(text("SELECT balance FROM wallet")).scalar_one())
        return first.result, second.result, left

    database.run(lambda session: session.execute(text("CREATE TABLE wallet AS SELECT 100 AS balance")))
    right = [outcome(alone) for alone in ONE_AFTER_THE_OTHER]
    tried = schedules(3, 3, 20, Random(SEED))
    bad = [schedule for schedule in tried if outcome(schedule) not in right]

    assert len(tried) == 20
    assert len(bad) >= 16
