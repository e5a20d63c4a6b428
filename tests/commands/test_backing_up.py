"""`nerava backup` and `nerava restore`: what an operator does, and what is said when it cannot be done."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import make_url, select, text, update

from nerava import migrations
from nerava.ledger import model
from nerava.platform.db import Database
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from tests.chaos.tampering import drop_every_guard
from tests.commands.conftest import Run

PROGRAMS: Final = EmbeddedPostgres.bin("pg_dump").parent


@pytest.fixture
def elsewhere(url: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of an empty place for restored books."""
    if url.startswith("sqlite"):
        yield f"sqlite:///{tmp_path / 'restored' / 'books.sqlite3'}"
        return
    server: EmbeddedPostgres = request.getfixturevalue("postgres")
    name = f"{make_url(url).database}_restored"
    server.create_database(name)
    yield server.url(name)
    server.drop_database(name)


def asked(run: Run, *arguments: str | Path) -> dict[str, Any]:
    """Run a command that must succeed and return its document."""
    done = run(*arguments, "--programs", PROGRAMS, "--json")
    assert done.exit_code == 0, done.output
    body: dict[str, Any] = json.loads(done.stdout)
    return body


def test_books_come_back_as_they_were_and_are_looked_at(
    run: Run, books: str, elsewhere: str, tmp_path: Path
) -> None:
    file = tmp_path / "books.backup"

    made = asked(run, "backup", file, "--database", books)
    back = asked(run, "restore", file, "--database", elsewhere)

    assert made["schema"] == migrations.head()
    assert made["transfers"] > 0
    assert [one["lane"] for one in made["anchors"]] == ["main"]
    assert back["clean"] is True
    assert (back["transfers"], back["sha256"]) == (made["transfers"], made["sha256"])
    assert json.loads(run("ledger", "audit", "--database", elsewhere, "--json").stdout)["clean"] is True


def test_a_drill_looks_at_the_books_and_leaves_nothing(run: Run, books: str, tmp_path: Path) -> None:
    file = tmp_path / "copies" / "books.backup"
    file.parent.mkdir()
    asked(run, "backup", file, "--database", books)

    tried = asked(run, "restore", file, "--database", books, "--drill")

    assert (tried["clean"], tried["drill"]) == (True, True)
    assert sorted(path.name for path in file.parent.iterdir()) == ["books.backup", "books.backup.json"]
    if not books.startswith("sqlite"):
        server = make_url(books)
        with psycopg.connect(
            host=server.query["host"], port=server.query["port"], user=server.username, dbname=server.database
        ) as connection:
            left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE 'nerava_drill%'")
            assert left.fetchall() == []


def test_books_that_were_changed_are_told_when_they_come_back(run: Run, books: str, tmp_path: Path) -> None:
    database = Database(books)
    drop_every_guard(database)
    forge(database)
    database.close()
    file = tmp_path / "books.backup"
    asked(run, "backup", file, "--database", books)

    done = run("restore", file, "--database", books, "--drill", "--programs", PROGRAMS)

    assert done.exit_code == 1
    assert "Broken" in done.stdout


def forge(database: Database) -> None:
    """Change one amount in the history."""
    one = select(model.transfer.c.id).limit(1).scalar_subquery()
    order = update(model.transfer).where(model.transfer.c.id == one)
    database.run(lambda session: session.execute(order.values(amount=model.transfer.c.amount + 1)))


def test_books_of_another_schema_come_back_and_the_next_step_is_named(
    run: Run, books: str, elsewhere: str, tmp_path: Path
) -> None:
    database = Database(books)
    database.run(lambda session: session.execute(text("UPDATE alembic_version SET version_num = '0002'")))
    database.close()
    file = tmp_path / "books.backup"
    asked(run, "backup", file, "--database", books)

    done = run("restore", file, "--database", elsewhere, "--programs", PROGRAMS)

    assert done.exit_code == 0
    assert "its schema is 0002: `nerava migrate`, then `nerava ledger audit`" in " ".join(done.stdout.split())


def test_what_is_not_there_is_not_copied_and_not_made(run: Run, tmp_path: Path) -> None:
    done = run("backup", tmp_path / "books.backup", "--database", f"sqlite:///{tmp_path / 'none.sqlite3'}")

    assert done.exit_code == 2
    assert "none.sqlite3" in "".join(done.stderr.split())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_missing_pg_dump_is_named(
    run: Run, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    done = run("backup", tmp_path / "books.backup", "--database", url)

    assert done.exit_code == 2
    assert "pg_dump is not installed; it comes with PostgreSQL's client programs" in " ".join(
        done.stderr.split()
    )


def test_books_are_never_overwritten(run: Run, books: str, tmp_path: Path) -> None:
    file = tmp_path / "books.backup"
    asked(run, "backup", file, "--database", books)

    done = run("restore", file, "--database", books, "--programs", PROGRAMS)

    assert done.exit_code == 2
    assert "cannot be restored here" in done.stderr
