"""R07, R10: a PostgreSQL that restarts under load loses nothing, halves nothing, and says so honestly."""

from __future__ import annotations

import time
from contextlib import closing
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import psycopg
import pytest

from nerava import migrations
from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger
from nerava.platform.db import Database, EngineOptions
from nerava.platform.db.embedded_postgres import EmbeddedPostgres, StopMode
from tests.chaos.conftest import SEED
from tests.chaos.recorder import CLIENTS, SPECS, Client, open_accounts, record, settled
from tests.helpers.financial_helpers import Books
from tests.ledger.replay import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BACK_MAX_S: Final = 5
BROKEN_S: Final = 0.5


class Restarts(NamedTuple):
    """How often and how the server goes down.

    Attributes:
        modes: `fast` sends the clients away, `immediate` is a crash with recovery at the next start.
        gap_s: Quiet time before the first, between two, and after the last.
        operations: At least so many operations have to be recorded in the end.
    """

    modes: Sequence[StopMode]
    gap_s: float
    operations: int


FORMS: Final = [
    pytest.param(Restarts(["immediate", "fast"], 0.7, 100), id="quick"),
    pytest.param(
        Restarts(["immediate", "fast", "immediate", "fast", "immediate"], 4, 20_000),
        id="full",
        marks=[pytest.mark.chaos, pytest.mark.timeout(900)],
    ),
]


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of this test alone, as durable as in production."""
    with EmbeddedPostgres(fsync=True) as running:
        migrations.upgrade(running.url())
        yield running


@pytest.fixture
def books(server: EmbeddedPostgres) -> Iterator[Books]:
    """Books as the product opens them, its own time limits included."""
    with (
        closing(Database(server.url(), EngineOptions())) as database,
        closing(Ledger(database, SystemClock())) as ledger,
    ):
        yield Books.opened(database, ledger)


@pytest.mark.parametrize("restarts", FORMS)
def test_a_restarting_database_loses_nothing_and_is_told_apart_from_a_refusal(
    server: EmbeddedPostgres, books: Books, measured: Callable[[str], None], restarts: Restarts
) -> None:
    clients = [
        Client(Books(books.database, books.ledger, way), number, f"{SEED}")
        for number, way in enumerate(["submit", "inline"] * (CLIENTS // 2))
    ]
    first = open_accounts(books)
    up_at: list[float] = []

    def go_down_and_up() -> None:
        for mode in restarts.modes:
            time.sleep(restarts.gap_s)
            server.restart(mode)
            up_at.append(time.monotonic())
        time.sleep(restarts.gap_s)
        while sum(len(client.history) for client in clients) < restarts.operations:
            time.sleep(0.1)

    record(clients, go_down_and_up)

    history = settled([first, *(one for client in clients for one in client.history)])
    assert check(history, SPECS) == []
    assert books.findings() == []
    errors = [error for client in clients for error in client.errors]
    assert {error.status for error in errors} == {HTTPStatus.SERVICE_UNAVAILABLE}
    assert all(error.retry_after_s and error.outcome for error in errors)
    back_s = [max(first_served_after(client, instant) for client in clients) for instant in up_at]
    assert max(back_s) < BACK_MAX_S
    told = {error.code: sum(one.code == error.code for one in errors) for error in errors}
    measured(
        f"R07 R10: {len(restarts.modes)} restarts, {len(history)} operations, errors {told}, "
        f"every client served again within {max(back_s):.2f} s"
    )


def first_served_after(client: Client, instant: float) -> float:
    """Return how long after an instant a client had its first answer."""
    return min((served - instant for served in client.served_at if served > instant), default=float("inf"))


def test_a_server_that_acknowledges_before_it_has_written_is_caught() -> None:
    """What `synchronous_commit = off` does to an acknowledged posting when the server dies."""
    careless = {"synchronous_commit": "off", "wal_writer_delay": "10s", "wal_writer_flush_after": "1GB"}
    with EmbeddedPostgres(fsync=True, settings=careless) as server:
        migrations.upgrade(server.url())
        with (
            closing(Database(server.url())) as database,
            closing(Ledger(database, SystemClock())) as ledger,
        ):
            books = Books.opened(database, ledger)
            history = [open_accounts(books)]
            with psycopg.connect(server.conninfo(), autocommit=True) as owner:
                owner.execute("CHECKPOINT")  # Only what comes now is to be lost.
            client = Client(books, 1, f"{SEED}")
            record([client], lambda: time.sleep(BROKEN_S))
            server.restart("immediate")
            after = Client(books, 2, f"{SEED}")
            record([after], lambda: time.sleep(BROKEN_S))

    assert check(settled([*history, *client.history, *after.history]), SPECS) != []
