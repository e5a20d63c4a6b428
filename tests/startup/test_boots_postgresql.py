"""Production on a real PostgreSQL: it starts on a sound server with a bounded role, and on nothing less."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest

from nerava import migrations
from nerava.audit.rights import RIGHTS as AUDIT_RIGHTS
from nerava.ledger.rights import RIGHTS
from nerava.platform.db import Database
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.platform.db.roles import grant_application_role
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.startup_checks.postgresql_server import DURABILITY
from tests.conftest import DatabaseUrl
from tests.startup.booting import Configuration, production, ready, refused, running, told_here
from tests.startup.test_boots import DATABASE, assert_no_value_in, assert_refused

ROLE = "nerava_app"
BOOKS = "books"
POOL = "NERAVA_DATABASE__POOL_SIZE"


@pytest.fixture(scope="module")
def sound() -> Iterator[EmbeddedPostgres]:
    """A server with PostgreSQL's own care for durability, a migrated database, and the application's role."""
    # In memory, where waiting for the disk costs nothing; nobody cuts the power here.
    with EmbeddedPostgres(fsync=False, settings=dict.fromkeys(DURABILITY, "on")) as server:
        server.create_database(BOOKS)
        done = subprocess.run(
            [sys.executable, "-m", "nerava", "migrate", "--role", ROLE, "--database", server.url(BOOKS)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert f"role {ROLE} may use it" in " ".join(done.stdout.split())
        yield server


@pytest.fixture
def good(tmp_path: Path, sound: EmbeddedPostgres) -> Configuration:
    """A production on PostgreSQL that starts."""
    return production(tmp_path, sound.url(BOOKS, ROLE), NERAVA_DATABASE__POOL_SIZE="8")


def order(server: EmbeddedPostgres, *commands: str) -> None:
    with psycopg.connect(server.conninfo(BOOKS), autocommit=True) as connection:
        for command in commands:
            connection.execute(command.encode())


@dataclass(frozen=True)
class Change:
    """Something on the server that must keep production from starting, and how it is taken back."""

    row: str
    words: str
    does: tuple[str, ...]
    undoes: tuple[str, ...]
    quick: bool = False


CHANGES = (
    Change(
        "B08",
        "has synchronous_commit off",
        (f"ALTER ROLE {ROLE} SET synchronous_commit = off",),
        (f"ALTER ROLE {ROLE} RESET ALL",),
    ),
    Change("B09", "is a superuser", (f"ALTER ROLE {ROLE} SUPERUSER",), (f"ALTER ROLE {ROLE} NOSUPERUSER",)),
    Change("B09", "may make roles", (f"ALTER ROLE {ROLE} CREATEROLE",), (f"ALTER ROLE {ROLE} NOCREATEROLE",)),
    Change(
        "B09",
        "owns tables",
        (f"ALTER TABLE campaign OWNER TO {ROLE}",),
        ("ALTER TABLE campaign OWNER TO postgres", f"GRANT ALL ON campaign TO {ROLE}"),
    ),
    Change(
        "B09",
        "may change history (ledger_transfer)",
        (f"GRANT UPDATE ON ledger_transfer TO {ROLE}",),
        (f"REVOKE UPDATE ON ledger_transfer FROM {ROLE}",),
        quick=True,
    ),
    Change(
        "B09",
        "may change history (ledger_seal)",
        (f"GRANT DELETE ON ledger_seal TO {ROLE}",),
        (f"REVOKE DELETE ON ledger_seal FROM {ROLE}",),
    ),
    Change(
        "B09",
        "may change history (audit_entry)",
        (f"GRANT UPDATE (action) ON audit_entry TO {ROLE}",),
        (f"REVOKE UPDATE (action) ON audit_entry FROM {ROLE}",),
    ),
    Change(
        "B10",
        "has schema 0002",
        ("UPDATE alembic_version SET version_num = '0002'",),
        (f"UPDATE alembic_version SET version_num = '{migrations.head()}'",),
    ),
    Change(
        "B10",
        "is empty",
        ("ALTER TABLE alembic_version RENAME TO forgotten",),
        ("ALTER TABLE forgotten RENAME TO alembic_version",),
    ),
)


@contextmanager
def changed(server: EmbeddedPostgres, change: Change) -> Iterator[None]:
    try:
        order(server, *change.does)
        yield
    finally:
        order(server, *change.undoes)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(one, id=f"{one.row} {one.words}", marks=() if one.quick else pytest.mark.chaos)
        for one in CHANGES
    ],
)
def test_a_server_that_could_lose_or_change_books_is_refused(
    good: Configuration, sound: EmbeddedPostgres, change: Change
) -> None:
    with changed(sound, change):
        refusal = refused(good)

    assert_refused(refusal, good, DATABASE, change.words)


def test_a_server_that_does_not_wait_for_its_disk_is_refused(
    tmp_path: Path, database_url: DatabaseUrl, postgres: EmbeddedPostgres
) -> None:
    with database_url("postgresql") as url:
        owner = Database(url)
        owner.run(lambda session: grant_application_role(session, ROLE, [*RIGHTS, *AUDIT_RIGHTS]))
        owner.close()
        spoilt = production(
            tmp_path, url.replace("//postgres@", f"//{ROLE}@"), NERAVA_DATABASE__POOL_SIZE="8"
        )
        refusal = refused(spoilt)

    assert_refused(refusal, spoilt, DATABASE, "a commit would not survive a power cut")
    assert [problem.split()[3:5] for _, problem in refusal.findings] == [
        ["fsync", "off;"],
        ["full_page_writes", "off;"],
        ["synchronous_commit", "off;"],
    ]


@pytest.mark.chaos
@pytest.mark.parametrize("profile", ["production", "staging"])
def test_a_bounded_role_on_a_sound_server_starts(good: Configuration, profile: str) -> None:
    with running(good.but(NERAVA_ENV=profile)) as (_, line):
        assert ready(line) == "ready"


def test_it_starts_with_a_redis_too(good: Configuration) -> None:
    with (
        EmbeddedValkey(tcp=True) as redis,
        running(good.but(NERAVA_REDIS__URL=redis.url(tcp=True))) as (_, line),
    ):
        assert ready(line) == "ready"


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: f"{change.row} {change.words}")
def test_what_could_lose_or_change_books_is_found(
    good: Configuration, sound: EmbeddedPostgres, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    with changed(sound, change):
        told = told_here(good, monkeypatch)

    assert {one.setting for one in told} == {DATABASE}, told
    assert change.words in "\n".join(map(str, told))
    assert_no_value_in("\n".join(map(str, told)), good)
    assert told_here(good, monkeypatch) == ()


@pytest.mark.chaos
def test_the_worker_starts_there_too(good: Configuration) -> None:
    with running(replace(good.but(NERAVA_LOG__LEVEL="warning"), command=("work",))) as (process, line):
        assert line.strip() == "Nerava works in the background"
        assert process.poll() is None


def test_a_pool_above_the_servers_connections_is_refused(good: Configuration) -> None:
    spoilt = good.but(NERAVA_DATABASE__POOL_SIZE="200")

    assert_refused(refused(spoilt), spoilt, POOL, "connections for all")


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("postgresql+psycopg://app@db.city.example/books", marks=pytest.mark.chaos),
        pytest.param(
            "postgresql+psycopg://app@db.city.example/books?sslmode=require", marks=pytest.mark.chaos
        ),
        "postgresql+psycopg://app@192.0.2.7/books?sslmode=verify-ca",
    ],
)
def test_nothing_is_sent_to_another_machine_without_verified_tls(good: Configuration, address: str) -> None:
    spoilt = good.but(NERAVA_DATABASE__URL=address)

    assert_refused(refused(spoilt), spoilt, DATABASE, "sslmode=verify-full")


def test_a_password_on_the_command_line_is_refused(good: Configuration) -> None:
    address = good.environment[DATABASE].replace(f"{ROLE}@", f"{ROLE}:hunter2@")
    spoilt = replace(good.but(NERAVA_DATABASE__URL=None), command=("serve", "--database", address))

    assert_refused(refused(spoilt), spoilt, DATABASE, "command line")


@pytest.mark.parametrize("silent", [False, pytest.param(True, marks=pytest.mark.chaos)])
def test_a_database_that_does_not_answer_is_told_in_time(good: Configuration, silent: bool) -> None:
    with ExitStack() as stack:
        held = stack.enter_context(socket.socket())
        held.bind(("127.0.0.1", 0))
        if silent:  # It takes the connection and says nothing.
            held.listen()
        port = held.getsockname()[1]
        spoilt = good.but(NERAVA_DATABASE__URL=f"postgresql+psycopg://app:hunter2@127.0.0.1:{port}/books")
        refusal = refused(spoilt)

    assert_refused(refusal, spoilt, DATABASE, "time" if silent else "cannot be reached (connection refused)")
    # Nobody waits for ever; a busy machine takes seconds to start the process alone.
    assert refusal.took_s < 60
