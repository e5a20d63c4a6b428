"""Group commit: batches gather, one bad caller fails alone, nobody is answered before the commit."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self
from uuid import UUID

import pytest
from sqlalchemy import func, select, text

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import new_id
from nerava.ledger import (
    AccountSpec,
    Asset,
    Chain,
    Effect,
    EffectRefused,
    Ledger,
    LedgerClosed,
    LedgerOptions,
    LedgerOverloaded,
    Status,
    Verdict,
    chain,
    model,
    transfer,
    writer,
)
from nerava.platform.db import Database, DatabaseUnavailable, EngineOptions
from nerava.platform.metrics.meter import Meter
from tests.helpers.financial_helpers import Note, findings
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy.orm import Session

only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)

BANK = AccountSpec("bank", "USD", "external", floor=None)
TILL = AccountSpec("till", "USD", "sponsor_prepaid")
LEFT = AccountSpec("left", "USD", "sponsor_prepaid", floor=None, lane="left")
RIGHT = AccountSpec("right", "USD", "sponsor_prepaid", floor=None, lane="left")


@pytest.fixture
def books(database: Database, ledger: Ledger) -> Iterator[Ledger]:
    """A ledger with two accounts in the main lane, two in another, and a place for effects' rows."""

    def work(session: Session) -> None:
        ledger.define(session, [Asset("USD", 2, "cash")])
        ledger.open(session, [BANK, TILL, LEFT, RIGHT])
        Note.create_table(session)
        session.execute(text("CREATE TABLE effect_once (about CHAR(36) PRIMARY KEY)"))

    database.run(work)
    yield ledger
    ledger.close()
    assert findings(database) == []


def deposit(number: int, amount: int = 1) -> Chain:
    return chain(f"deposit:{number}", transfer("bank", "till", amount))


class Once(Effect):
    """Writes a row that can be there once."""

    def __init__(self, about: str) -> None:
        self.about = about

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        insert = text("INSERT INTO effect_once (about) VALUES (:about)")
        session.execute(insert, [{"about": one.about} for one, _ in items])


class Bad(Effect):
    """Cannot be applied."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        raise items[0][0].error


class Diary(Effect):
    """Remembers what it was applied to, in every verdict."""

    applies_to: ClassVar[Literal["posted", "any"]] = "any"

    def __init__(self, name: str, pages: list[list[tuple[str, Status]]]) -> None:
        self.name = name
        self.pages = pages

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        items[0][0].pages.append([(one.name, verdict.status) for one, verdict in items])


class Gate(Effect):
    """Keeps the writer inside its batch until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        for gate, _ in items:
            gate.entered.set()
            if not gate.opened.wait(10):
                raise AssertionError("nobody opened the gate")


@contextmanager
def busy(books: Ledger) -> Iterator[Gate]:
    """Keep the writer busy with one batch, so that what is submitted meanwhile gathers."""
    gate = Gate()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(books.submit, chain(f"gate:{new_id()}", transfer("bank", "till", 1)), [gate])
        assert gate.entered.wait(10)
        try:
            yield gate
        finally:
            gate.opened.set()
        assert first.result(10).status is Status.POSTED


def waiting(books: Ledger, lane: str = "main") -> int:
    """Return how many entries wait; looked up inside, because nothing outside can tell."""
    return len(books._writers[lane]._queue)  # noqa: SLF001


def wait_for(books: Ledger, entries: int) -> None:
    deadline = time.monotonic() + 10
    while waiting(books) != entries:
        if time.monotonic() > deadline:
            raise AssertionError(f"{waiting(books)} wait, not {entries}")
        time.sleep(0.001)


def gathered(books: Ledger, asked: Sequence[tuple[Chain, Sequence[Effect]]]) -> list[Any]:
    """Submit chains that become one batch, in this order; return the verdict or the error of each."""

    def call(index: int) -> Any:
        try:
            return books.submit(*asked[index])
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            return error

    with ThreadPoolExecutor(len(asked)) as pool:
        with busy(books):
            answers = []
            for index in range(len(asked)):
                answers.append(pool.submit(call, index))
                wait_for(books, index + 1)
        return [answer.result(30) for answer in answers]


def batches(database: Database) -> list[int]:
    """Return the number of transfers of each batch, in the order of their commits."""
    query = select(model.batch.c.transfers).order_by(model.batch.c.id)
    return database.read(lambda session: list(session.execute(query).scalars()))


def test_what_comes_while_a_batch_commits_is_the_next_batch(books: Ledger, database: Database) -> None:
    answers = gathered(books, [(deposit(number), ()) for number in range(50)])

    assert [one.status for one in answers] == [Status.POSTED] * 50
    assert len({one.transfers[0].batch_id for one in answers}) == 1
    assert batches(database) == [1, 50]


def test_a_batch_keeps_the_order_of_arrival(books: Ledger) -> None:
    answers = gathered(books, [(deposit(number), ()) for number in range(20)])

    assert [one.transfers[0].credit_sequence for one in answers] == list(range(2, 22))


def test_an_answer_comes_after_the_commit(books: Ledger, database: Database) -> None:
    with busy(books) as gate:
        assert (
            database.read(lambda session: session.execute(select(func.count(model.batch.c.id))).scalar_one())
            == 0
        )
        gate.opened.set()

    assert batches(database) == [1]


def test_repetitions_inside_a_batch_are_told_the_first_result_and_others_the_conflict(books: Ledger) -> None:
    asked: list[tuple[Chain, Sequence[Effect]]] = [
        (deposit(1), [Note(deposit(1).key)]),
        (deposit(1), [Note(deposit(1).key)]),
        (deposit(1, amount=2), ()),
        (deposit(2), ()),
    ]
    first, again, other, neighbour = gathered(books, asked)

    assert [one.status for one in (first, again, other, neighbour)] == [
        Status.POSTED,
        Status.EXISTS,
        Status.CONFLICT,
        Status.POSTED,
    ]
    assert again.transfers == first.transfers
    assert other.transfers == ()


def test_an_effect_runs_once_for_a_chain_that_is_repeated(books: Ledger, database: Database) -> None:
    for _ in range(3):
        books.submit(deposit(1), [Note(deposit(1).key)])

    assert database.read(lambda session: Note.count(session, deposit(1).key)) == 1


def test_a_refused_chain_leaves_its_neighbours_and_gets_no_effect(books: Ledger, database: Database) -> None:
    poor = chain("poor", transfer("till", "bank", 10**6))
    asked = [(deposit(number), [Note(deposit(number).key)]) for number in range(3)]
    answers = gathered(books, [*asked[:2], (poor, [Note(poor.key)]), asked[2]])

    assert [one.status for one in answers] == [
        Status.POSTED,
        Status.POSTED,
        Status.INSUFFICIENT,
        Status.POSTED,
    ]
    assert database.read(lambda session: Note.count(session, poor.key)) == 0
    assert database.read(lambda session: Note.count(session, deposit(2).key)) == 1


def test_effects_of_a_kind_are_applied_together_in_order_and_those_for_any_verdict_hear_of_all(
    books: Ledger,
) -> None:
    pages: list[list[tuple[str, Status]]] = []
    asked: list[tuple[Chain, Sequence[Effect]]] = [
        (deposit(1), [Diary("a", pages), Diary("b", pages)]),
        (chain("poor", transfer("till", "bank", 10**6)), [Diary("c", pages)]),
        (deposit(1), [Diary("d", pages)]),
    ]
    gathered(books, asked)

    assert pages == [
        [("a", Status.POSTED), ("b", Status.POSTED), ("c", Status.INSUFFICIENT), ("d", Status.EXISTS)]
    ]


@pytest.mark.parametrize("error", [EffectRefused("no"), ZeroDivisionError("no")], ids=["refused", "a bug"])
def test_an_effect_that_fails_fails_its_own_caller_alone(
    books: Ledger, database: Database, error: Exception
) -> None:
    asked: list[tuple[Chain, Sequence[Effect]]] = [
        (deposit(number), [Note(deposit(number).key)]) for number in range(5)
    ]
    asked[2] = (deposit(2), [Note(deposit(2).key), Bad(error)])
    answers = gathered(books, asked)

    assert answers[2] is error
    assert [one.status for index, one in enumerate(answers) if index != 2] == [Status.POSTED] * 4
    assert [database.read(lambda s, of=number: Note.count(s, deposit(of).key)) for number in range(5)] == [
        1,
        1,
        0,
        1,
        1,
    ]
    assert books.submit(deposit(2)).status is Status.POSTED


def test_an_effect_whose_row_is_taken_fails_its_own_caller_alone(books: Ledger) -> None:
    books.submit(deposit(100), [Once("taken")])
    asked: list[tuple[Chain, Sequence[Effect]]] = [
        (deposit(0), [Once("free")]),
        (deposit(1), [Once("taken")]),
        (deposit(2), ()),
    ]
    first, second, third = gathered(books, asked)

    assert isinstance(second, Exception)
    assert (first.status, third.status) == (Status.POSTED, Status.POSTED)
    assert books.balance("till").posted == 4


def test_metadata_that_cannot_be_written_fails_its_own_caller_alone(books: Ledger) -> None:
    bad = chain("bad", transfer("bank", "till", 1), metadata={"rate": 1.5})
    first, second, third = gathered(books, [(deposit(0), ()), (bad, ()), (deposit(2), ())])

    assert isinstance(second, TypeError)
    assert (first.status, third.status) == (Status.POSTED, Status.POSTED)


@pytest.mark.parametrize("count", [0, 257])
def test_a_chain_that_nobody_should_build_is_refused_before_it_is_queued(books: Ledger, count: int) -> None:
    bad = Chain(deposit(1).key, "bad", (transfer("bank", "till", 1),) * count)

    with pytest.raises(ValueError, match=f"1 to 256 transfers, not {count}"):
        books.submit(bad)
    with pytest.raises(ValueError, match="1 to 256"):
        books.submit_many([deposit(1), bad])
    with pytest.raises(ValueError, match="1 to 256"):
        asyncio.run(books.submit_async(bad))

    assert books.balance("till").sequence == 0


def test_many_chains_are_answered_in_their_order(books: Ledger) -> None:
    asked = [deposit(0), chain("poor", transfer("till", "bank", 10**6)), deposit(0), deposit(1)]

    verdicts = books.submit_many(asked)

    statuses = [Status.POSTED, Status.INSUFFICIENT, Status.EXISTS, Status.POSTED]
    assert [one.status for one in verdicts] == statuses
    assert books.submit_many([]) == []
    assert writer.LaneWriter.submit_many(books._writers["main"], []) == []  # noqa: SLF001


def test_more_chains_than_a_batch_may_have_become_several(
    books: Ledger, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH_MAX", 8)

    verdicts = books.submit_many([deposit(number) for number in range(20)])

    assert [one.status for one in verdicts] == [Status.POSTED] * 20
    assert batches(database) == [8, 8, 4]


def test_chains_of_several_lanes_go_by_their_own_writers(books: Ledger) -> None:
    across = chain("left:1", transfer("left", "right", 1), lane="left")

    assert [books.submit(one).status for one in (across, deposit(1))] == [Status.POSTED] * 2
    with pytest.raises(ValueError, match="lane by lane"):
        books.submit_many([deposit(1), across])

    assert sorted(books._writers) == ["left", "main"]  # noqa: SLF001
    assert (books.balance("right").posted, books.balance("till").posted) == (1, 1)


def test_one_writer_serves_a_lane_however_many_ask_first(books: Ledger) -> None:
    before = threading.active_count()
    in_parallel(16, lambda index: books.submit(deposit(index)))

    assert list(books._writers) == ["main"]  # noqa: SLF001
    assert Counter(thread.name for thread in threading.enumerate())["ledger-main"] >= 1
    assert threading.active_count() <= before + 1


# Callers that await.


def test_awaiting_callers_share_batches_and_are_answered_each(books: Ledger) -> None:
    async def crowd() -> list[Verdict]:
        return await asyncio.gather(*(books.submit_async(deposit(number % 40)) for number in range(80)))

    verdicts = asyncio.run(crowd())

    assert Counter(one.status for one in verdicts) == {Status.POSTED: 40, Status.EXISTS: 40}
    assert books.balance("till").posted == 40


def test_an_awaiting_caller_gets_the_error_of_its_own_effect(books: Ledger) -> None:
    async def both() -> list[Any]:
        asked = (books.submit_async(deposit(1), [Bad(EffectRefused("no"))]), books.submit_async(deposit(2)))
        return await asyncio.gather(*asked, return_exceptions=True)

    bad, good = asyncio.run(both())

    assert isinstance(bad, EffectRefused)
    assert good.status is Status.POSTED


def test_a_caller_that_goes_away_does_not_take_its_chain_along(books: Ledger) -> None:
    async def leave(gate: Gate) -> None:
        task = asyncio.create_task(books.submit_async(deposit(1), [Note(deposit(1).key)]))
        other = asyncio.create_task(books.submit_async(deposit(2)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        gate.opened.set()
        assert (await other).status is Status.POSTED

    with busy(books) as gate:
        asyncio.run(leave(gate))

    assert books.submit(deposit(1)).status is Status.EXISTS


def test_a_loop_that_was_closed_meanwhile_does_not_stop_the_writer(books: Ledger) -> None:
    async def forget() -> asyncio.Task[Verdict]:
        task = asyncio.create_task(books.submit_async(deposit(1)))
        await asyncio.sleep(0)
        return task

    with busy(books):
        loop = asyncio.new_event_loop()
        task = loop.run_until_complete(forget())
        loop.close()
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001 - left behind on purpose

    assert books.submit(deposit(2)).status is Status.POSTED
    assert books.submit(deposit(1)).status is Status.EXISTS


# Too much, too late, too broken.


def test_who_would_wait_too_long_is_refused_and_nothing_of_it_happens(
    database: Database, books: Ledger
) -> None:
    meter = Meter()
    hasty = Ledger(database, SystemClock(), LedgerOptions(wait_max_ms=20), meter=meter)
    with ThreadPoolExecutor(1) as pool, busy(hasty):
        time.sleep(0.05)
        with pytest.raises(LedgerOverloaded) as refused:
            hasty.submit(deposit(1))
        with pytest.raises(LedgerOverloaded):
            asyncio.run(hasty.submit_async(deposit(1)))
        bulk = pool.submit(hasty.submit_many, [deposit(2)])  # Work in bulk waits its turn all the same.
        wait_for(hasty, 1)
    assert bulk.result(10)[0].status is Status.POSTED
    hasty.close()

    assert refused.value.outcome == "not_executed"
    assert refused.value.retry_after_s == 1
    assert 'nerava_ledger_shed_total{lane="main"} 2.0' in meter.exposition()[0].decode()
    assert books.submit(deposit(1)).status is Status.POSTED


def test_a_writer_that_was_slow_takes_work_again_as_soon_as_it_is_idle(
    database: Database, books: Ledger
) -> None:
    hasty = Ledger(database, SystemClock(), LedgerOptions(wait_max_ms=20))
    with busy(hasty):
        time.sleep(0.5)  # A fifth of it is the estimate now, far more than anybody may wait.

    assert hasty.submit(deposit(1)).status is Status.POSTED
    hasty.close()


def test_a_long_queue_counts_as_waiting(
    database: Database, books: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH_MAX", 1)
    hasty = Ledger(database, SystemClock(), LedgerOptions(wait_max_ms=400))
    with busy(hasty):
        time.sleep(0.3)  # The estimate of a batch becomes 60 ms.
    with ThreadPoolExecutor(2) as pool, busy(hasty):
        bulk = pool.submit(hasty.submit_many, [deposit(number) for number in range(20)])
        wait_for(hasty, 20)
        with pytest.raises(LedgerOverloaded):
            hasty.submit(deposit(99))
    assert len(bulk.result(10)) == 20
    hasty.close()


def test_closing_finishes_what_is_queued_and_refuses_what_comes_later(books: Ledger) -> None:
    with ThreadPoolExecutor(3) as pool:
        with busy(books):
            queued = pool.submit(books.submit, deposit(1))
            wait_for(books, 1)
            closing = pool.submit(books.close)
            while not books._closed or not books._writers["main"]._closing:  # noqa: SLF001
                time.sleep(0.001)
            with pytest.raises(LedgerClosed) as refused:
                books.submit(deposit(2))
        closing.result(10)

        assert queued.result(10).status is Status.POSTED
    assert refused.value.outcome == "not_executed"
    with pytest.raises(LedgerClosed):
        books.submit(deposit(3))
    with pytest.raises(LedgerClosed):
        books.submit(chain("left:2", transfer("left", "right", 1), lane="left"))
    books.close()


@only_postgresql
def test_a_database_that_is_gone_is_said_to_every_caller_and_the_writer_lives_on(
    url: str, books: Ledger
) -> None:
    with ThreadPoolExecutor(4) as pool:
        narrow = Database(url, EngineOptions(pool_size=1, pool_wait_ms=20))
        ledger = Ledger(narrow, SystemClock())
        taken, enough = threading.Event(), threading.Event()

        def hold(session: Session) -> None:
            session.connection()
            taken.set()
            enough.wait(10)

        holder = pool.submit(narrow.run, hold)
        taken.wait(10)
        with pytest.raises(DatabaseUnavailable):
            ledger.submit(deposit(1))
        with pytest.raises(DatabaseUnavailable):
            ledger.submit_many([deposit(2), deposit(3)])
        enough.set()
        holder.result(10)

        assert ledger.submit(deposit(1)).status is Status.POSTED
        ledger.close()
        narrow.close()


def test_a_verdict_says_what_became_of_each_transfer(books: Ledger) -> None:
    done = books.submit(deposit(1))
    failed = books.submit(chain("half", transfer("bank", "till", 1), transfer("till", "bank", 10**6)))
    clash = books.submit(deposit(1, amount=5))

    assert done.ok
    assert isinstance(done.transaction_id, UUID)
    assert done.posted_at == done.transfers[0].posted_at
    assert (failed.status_of(0), failed.status_of(1)) == (Status.CHAIN_FAILED, Status.INSUFFICIENT)
    assert (failed.ok, failed.transaction_id, failed.posted_at) == (False, None, None)
    assert clash.status_of(0) is Status.CONFLICT
