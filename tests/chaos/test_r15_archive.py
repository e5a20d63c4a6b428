"""R15: from a base backup and its log PostgreSQL comes back as it was when the last of the log was kept."""

from __future__ import annotations

import shutil
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psycopg
import pytest

from nerava import migrations
from nerava.kernel.clock import SystemClock
from nerava.ledger import Ledger
from nerava.platform.db import Database
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.chaos.life import Town
from tests.chaos.test_r15_restore import business, damage, missing, opened
from tests.helpers.financial_helpers import Books
from tests.helpers.second_server import base_backup, give, second_server

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S: Final = 30
PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "backup.md"


@pytest.fixture
def archive() -> Iterator[Path]:
    """A folder that the server can write to."""
    folder = Path(tempfile.mkdtemp(prefix="archive-"))
    give(folder)
    yield folder
    shutil.rmtree(folder)


def settings_on_the_page(archive: Path, name: str) -> dict[str, str]:
    """Return the block of settings on the page that has this one, with our folder for the page's."""
    blocks = PAGE.read_text("utf-8").split("\n\n")
    (block,) = [one for one in blocks if one.startswith("    ") and f"{name} = " in one]
    lines = [line.partition(" = ") for line in block.splitlines()]
    return {
        key.strip(): value.strip().strip("'").replace("/archive", str(archive)) for key, _, value in lines
    }


def asked(server: EmbeddedPostgres, query: bytes) -> object:
    """Return the one value that a query answers."""
    with psycopg.connect(server.conninfo(), autocommit=True) as owner:
        row = owner.execute(query).fetchone()
    assert row is not None
    return row[0]


def until(server: EmbeddedPostgres, query: bytes) -> None:
    """Wait until a server answers a query with true."""
    deadline = time.monotonic() + PATIENCE_S
    while asked(server, query) is not True:
        assert time.monotonic() < deadline, f"never: {query.decode()}\n{server.log_tail()}"
        time.sleep(0.05)


def test_nothing_acknowledged_before_the_last_of_the_log_was_kept_is_missing(archive: Path) -> None:
    with EmbeddedPostgres(fsync=True, settings=settings_on_the_page(archive, "archive_command")) as first:
        migrations.upgrade(first.url())
        with closing(Database(first.url())) as database, closing(Ledger(database, SystemClock())) as ledger:
            books = Books.opened(database, ledger)
            with business(books, Town.founded(books)) as done:
                copied = base_backup(first, "--wal-method=stream")
                time.sleep(0.5)
                kept_until = SystemClock().now()
                segment = asked(first, b"SELECT pg_walfile_name(pg_switch_wal())")
                until(
                    first,
                    f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver".encode(),
                )
        first.kill()  # The machine is lost, and with it all that was not kept.

    (copied / "recovery.signal").touch()
    with second_server(copied, settings_on_the_page(archive, "restore_command")) as second:
        until(second, b"SELECT NOT pg_is_in_recovery()")
        with opened(second.url()) as database:
            assert missing(database, done, kept_until) == []
            assert damage(database, []) == []
