"""R08: a standby takes over under load; a synchronous one loses nothing, and an asynchronous one is told as what it is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from http import HTTPStatus
from typing import NamedTuple

import psycopg
import pytest

from nerava import migrations
from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger
from nerava.platform.db import Database, EngineOptions
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.chaos.conftest import SEED
from tests.chaos.recorder import CLIENTS, SPECS, Client, open_accounts, record, settled
from tests.commands.conftest import Run, run
from tests.helpers.financial_helpers import Books
from tests.helpers.second_server import base_backup, second_server
from tests.ledger.replay import check

__all__ = ["run"]

PATIENCE_S = 30
BACK_MAX_S = 10
STANDBY = "second"


class Form(NamedTuple):
    """How long business goes on before and after the first server is lost."""

    before_s: float
    after_s: float


FORMS = [
    pytest.param(Form(0.7, 0.7), id="quick"),
    pytest.param(Form(10, 20), id="full", marks=[pytest.mark.chaos, pytest.mark.timeout(600)]),
]


def either(first: EmbeddedPostgres, second: EmbeddedPostgres) -> str:
    """Return the address of whichever of two servers takes writes."""
    hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in (first, second))
    return f"postgresql+psycopg://postgres@/postgres?{hosts}&target_session_attrs=read-write"


def until(server: EmbeddedPostgres, query: bytes) -> None:
    """Wait until a server answers a query with true."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with psycopg.connect(server.conninfo(), autocommit=True) as connection:
            if connection.execute(query).fetchone() == (True,):
                return
        assert time.monotonic() < deadline, query.decode()
        time.sleep(0.02)


def doctor(run: Run, server: EmbeddedPostgres) -> dict[str, str]:
    """Return what `nerava doctor` says can be lost."""
    told: dict[str, str] = json.loads(run("doctor", "--database", server.url(), "--json").stdout)
    return told


def standby_of(stack: ExitStack, first: EmbeddedPostgres) -> EmbeddedPostgres:
    """Start a standby of a server and wait until it follows."""
    data = base_backup(first, "--wal-method=stream", "--write-recovery-conf")
    with (data / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"primary_conninfo = '{first.conninfo()} application_name={STANDBY}'\n")
    second = stack.enter_context(second_server(data, tcp=True))
    until(first, b"SELECT count(*) = 1 FROM pg_stat_replication WHERE state = 'streaming'")
    return second


@pytest.mark.parametrize("form", FORMS)
def test_a_standby_is_told_as_what_it_is_and_a_synchronous_one_takes_over_with_everything(
    run: Run, form: Form, measured: Callable[[str], None]
) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(EmbeddedPostgres(fsync=True, tcp=True))
        migrations.upgrade(first.url())
        assert doctor(run, first)["machine"].startswith("RPO > 0: everything since the last copy")
        second = standby_of(stack, first)
        assert doctor(run, first)["machine"].startswith("RPO > 0: what an asynchronous standby")
        with psycopg.connect(first.conninfo(), autocommit=True) as owner:
            owner.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{STANDBY}'".encode())
            owner.execute("SELECT pg_reload_conf()")
        until(first, b"SELECT sync_state = 'sync' FROM pg_stat_replication")
        assert doctor(run, first) == {"process": "nothing", "machine": "nothing"}

        database = stack.enter_context(closing(Database(either(first, second), EngineOptions())))
        ledger = stack.enter_context(closing(Ledger(database, SystemClock())))
        books = Books.opened(database, ledger)
        clients = [
            Client(Books(database, ledger, way), number, f"{SEED}")
            for number, way in enumerate(["submit", "inline"] * (CLIENTS // 2))
        ]
        opened = open_accounts(books)
        taken_over: list[float] = []

        def lose_the_first() -> None:
            time.sleep(form.before_s)
            first.kill()
            until_promoted(second)
            taken_over.append(time.monotonic())
            time.sleep(form.after_s)
            while not all(one.served_at and one.served_at[-1] > taken_over[0] for one in clients):
                time.sleep(0.05)
                assert time.monotonic() < taken_over[0] + PATIENCE_S

        record(clients, lose_the_first)

        history = settled([opened, *(one for client in clients for one in client.history)])
        assert check(history, SPECS) == []
        assert books.findings() == []
        errors = [error for client in clients for error in client.errors]
        assert {error.status for error in errors} <= {HTTPStatus.SERVICE_UNAVAILABLE}
        back_s = max(min(at - taken_over[0] for at in one.served_at if at > taken_over[0]) for one in clients)
        assert back_s < BACK_MAX_S
        codes = {error.code: sum(one.code == error.code for one in errors) for error in errors}
        measured(
            f"R08: {len(history)} operations, errors {codes}, everybody served again within {back_s:.2f} s"
        )


def until_promoted(server: EmbeddedPostgres) -> None:
    """Let a standby take over, and wait until it takes writes."""
    with psycopg.connect(server.conninfo(), autocommit=True) as owner:
        owner.execute("SELECT pg_promote()")
    until(server, b"SELECT NOT pg_is_in_recovery()")


def test_a_server_that_does_not_wait_for_its_disk_is_told(run: Run, postgres: EmbeddedPostgres) -> None:
    assert doctor(run, postgres)["process"].startswith("the last moments")
