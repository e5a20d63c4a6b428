"""R05: a lost answer to COMMIT neither doubles a posting nor loses one."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Final, get_args

import pytest
from sqlalchemy import make_url, text

from nerava.kernel.clock import SystemClock
from nerava.kernel.ids import fact_id, new_id
from nerava.ledger import Ledger, Status
from nerava.ledger.chart import driver_nova
from nerava.ledger.templates.session_reward import SessionGrant, session_reward
from nerava.platform.db import Database, OutcomeUnknown
from nerava.platform.db.embedded_postgres import SOCKET_PORT
from tests.chaos.broken_builds import CallsTheUnknownFailed
from tests.chaos.commit_proxy import CommitProxy, Loss
from tests.chaos.recorder import SPECS, Client, open_accounts, record, settled
from tests.helpers.financial_helpers import Books, Note, Way
from tests.helpers.parallel import in_parallel
from tests.ledger.replay import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Verdict
    from nerava.platform.db.embedded_postgres import EmbeddedPostgres
    from tests.chaos.life import Town

CALLERS: Final = 4
POINTS: Final = 7
REPETITIONS_MAX: Final = 5
BROKEN_S: Final = 1.0
POSTINGS: Final = [pytest.param(60, id="quick"), pytest.param(300, id="full", marks=pytest.mark.chaos)]
LOSSES: Final = get_args(Loss)

pytestmark = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
"""SQLite has no wire between COMMIT and its answer; R06 cuts there instead."""


@pytest.fixture
def proxy(postgres: EmbeddedPostgres) -> Callable[[Loss], CommitProxy]:
    """Return what puts a proxy in front of the server."""
    return lambda loss: CommitProxy(postgres.folder / f".s.PGSQL.{SOCKET_PORT}", loss=loss)


@contextmanager
def through(proxy: CommitProxy, books: Books, build: type[Database] = Database) -> Iterator[Database]:
    """Open the books' database through a proxy."""
    url = make_url(books.database.url).difference_update_query(["host", "port"])
    with closing(build(url.set(host="127.0.0.1", port=proxy.port))) as database:
        yield database


def reward(town: Town, number: int | str) -> Chain:
    return session_reward(
        SessionGrant(town.campaigns[0], fact_id(f"session:{number}"), town.drivers[0], POINTS)
    )


class Caller:
    """A client that posts by one of the two ways until it has an answer, and counts what it was spared."""

    def __init__(self, database: Database, ledger: Ledger, way: Way) -> None:
        self._database = database
        self._ledger = ledger
        self._way = way
        self.unknown = 0

    def post(self, chain: Chain) -> Verdict:
        """Post a chain and its effect."""
        for _ in range(REPETITIONS_MAX):
            try:
                if self._way == "submit":
                    return self._ledger.submit(chain, [Note(chain.key)])
                return self._database.run(lambda session: self._inline(session, chain), repeatable=True)
            except OutcomeUnknown:  # Five attempts in a row met the proxy; the key is still good.
                self.unknown += 1
        raise AssertionError("a client that repeats gets an answer")

    def _inline(self, session: Session, chain: Chain) -> Verdict:
        verdict = self._ledger.post(session, chain)
        if verdict.status is Status.POSTED:
            Note.apply_batch(session, [(Note(chain.key), verdict)])
        return verdict


def times_posted(books: Books) -> Counter[str]:
    """Return how often each fact has had its effect, by its key."""

    def look(session: Session) -> Counter[str]:
        return Counter(session.execute(text("SELECT about FROM effect_note")).scalars())

    return books.database.read(look)


@pytest.mark.parametrize("postings", POSTINGS)
@pytest.mark.parametrize("way", get_args(Way))
@pytest.mark.parametrize("loss", LOSSES)
def test_every_posting_happens_once_though_every_third_commit_is_cut_off(
    books: Books, town: Town, proxy: Callable[[Loss], CommitProxy], loss: Loss, way: Way, postings: int
) -> None:
    books.database.run(Note.create_table)
    chains = [reward(town, number) for number in range(postings)]
    with (
        proxy(loss) as line,
        through(line, books) as database,
        closing(Ledger(database, SystemClock())) as ledger,
    ):
        caller = Caller(database, ledger, way)
        verdicts = in_parallel(postings, lambda index: caller.post(chains[index]), width=CALLERS)

    assert line.lost == line.commits // 3 > 0
    # The unit of work finds out by itself what became of a lost commit; callers hardly ever hear of it.
    assert caller.unknown < line.lost / 2
    assert {verdict.status for verdict in verdicts} <= {Status.POSTED, Status.EXISTS}
    assert times_posted(books) == Counter({str(chain.key): 1 for chain in chains})
    assert books.balance(driver_nova(town.drivers[0])).posted == postings * POINTS
    assert books.findings() == []
    if loss == "reply":
        # The repetition met its own first attempt, which had been carried out.
        assert Status.EXISTS in {verdict.status for verdict in verdicts}


@pytest.mark.parametrize("loss", LOSSES)
def test_work_that_may_not_be_repeated_is_told_that_nobody_knows_and_its_key_finds_out(
    books: Books, town: Town, proxy: Callable[[Loss], CommitProxy], loss: Loss
) -> None:
    unknown: list[Chain] = []
    with proxy(loss) as line, through(line, books) as database:
        for number in range(12):
            chain = reward(town, number)
            try:
                database.run(lambda session, of=chain: books.ledger.post(session, of))
            except OutcomeUnknown:
                unknown.append(chain)

    assert len(unknown) == line.lost == 4
    truth = Status.EXISTS if loss == "reply" else Status.POSTED
    assert {books.status(chain) for chain in unknown} == {truth}
    assert books.balance(driver_nova(town.drivers[0])).posted == 12 * POINTS
    assert books.findings() == []


def test_a_client_that_takes_a_new_key_for_its_repetition_doubles_and_is_caught(
    books: Books, town: Town, proxy: Callable[[Loss], CommitProxy]
) -> None:
    """What every retry without a key does; shows that the proxy bites."""
    with proxy("reply") as line, through(line, books) as database:
        for _ in range(12):
            database.run(
                lambda session: books.ledger.post(session, reward(town, str(new_id()))), repeatable=True
            )

    assert books.balance(driver_nova(town.drivers[0])).posted > 12 * POINTS


@pytest.mark.parametrize("build", [Database, CallsTheUnknownFailed])
def test_a_build_that_calls_the_unknown_failed_is_caught_by_its_clients_history(
    books: Books, proxy: Callable[[Loss], CommitProxy], build: type[Database]
) -> None:
    first = open_accounts(books)
    with (
        proxy("reply") as line,
        through(line, books, build) as database,
        closing(Ledger(database, SystemClock())) as ledger,
    ):
        clients = [Client(Books(database, ledger, "inline"), number, "lost replies") for number in range(2)]
        record(clients, lambda: time.sleep(BROKEN_S))

    history = [first, *(one for client in clients for one in client.history)]
    found = check(settled(history), SPECS)
    assert line.lost > 0
    assert any("lost between" in one for one in found) == (build is CallsTheUnknownFailed), found[:3]
    assert bool(found) == (build is CallsTheUnknownFailed), found[:3]
