"""Backups of a database: private, complete or not there, and no secret on a command line.

That they come back whole from under load is R15, `tests/chaos/test_r15_restore.py`.
"""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from sqlalchemy import make_url, text

from nerava import migrations
from nerava.kernel.clock import FixedClock
from nerava.platform.db import Database
from nerava.platform.db.backup import BackupFailed, back_up, read_manifest, restore
from nerava.platform.db.embedded_postgres import EmbeddedPostgres

if TYPE_CHECKING:
    from pathlib import Path

NOW: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROGRAMS: Final = EmbeddedPostgres.bin("pg_dump").parent


def program(folder: Path, name: str, script: str) -> Path:
    """Write a program of that name; return its folder."""
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return folder


def test_a_backup_is_private_and_says_what_it_is(url: str, tmp_path: Path) -> None:
    target = tmp_path / "books.backup"

    made = back_up(url, target, clock=FixedClock(NOW), note=lambda session: {"one": 1}, programs=PROGRAMS)

    assert read_manifest(target) == made
    assert (made.taken_at, made.schema, made.note) == (NOW, migrations.head(), {"one": 1})
    assert made.engine == make_url(url).get_backend_name()
    assert made.size == target.stat().st_size > 0
    files = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith("books"))
    assert files == ["books.backup", "books.backup.json"]
    for name in files:
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_a_newer_backup_takes_the_place_of_the_older(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "books.backup"
    older = back_up(database.url, target, clock=FixedClock(NOW), programs=PROGRAMS)
    database.run(lambda session: session.execute(text("CREATE TABLE added (number INTEGER)")))

    newer = back_up(database.url, target, clock=FixedClock(NOW), programs=PROGRAMS)

    assert newer.sha256 != older.sha256
    assert read_manifest(target) == newer


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_a_backup_that_fails_leaves_the_older_one_alone(url: str, tmp_path: Path) -> None:
    target = tmp_path / "books.backup"
    older = back_up(url, target, clock=FixedClock(NOW), programs=PROGRAMS)
    broken = program(tmp_path, "pg_dump", "echo half > /dev/null; echo 'no such luck' >&2; exit 3")

    with pytest.raises(BackupFailed, match="pg_dump ended with code 3: no such luck"):
        back_up(url, target, clock=FixedClock(NOW), programs=broken)

    assert read_manifest(target) == older
    assert not target.with_name("books.backup.part").exists()


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_no_command_line_carries_the_password(url: str, tmp_path: Path) -> None:
    heard = tmp_path / "heard"
    listening = program(tmp_path, "pg_dump", f'echo "$@" > {heard}; echo "secret: $PGPASSWORD" >> {heard}')
    address = make_url(url).set(password="correct horse")  # noqa: S106 - everybody is trusted here

    back_up(address, tmp_path / "books.backup", clock=FixedClock(NOW), programs=listening)

    said, kept = heard.read_text().splitlines()
    assert "correct" not in said
    assert "--no-password" in said
    assert kept == "secret: correct horse"


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_missing_programs_are_named(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BackupFailed, match="pg_dump is not installed"):
        back_up(url, tmp_path / "books.backup", clock=FixedClock(NOW))


def test_a_database_that_does_not_answer_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(BackupFailed):
        back_up("postgresql+psycopg://127.0.0.1:1/nobody", tmp_path / "books.backup", clock=FixedClock(NOW))

    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_so(url: str, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="No such file or directory"):
        back_up(url, tmp_path / "nowhere" / "books.backup", clock=FixedClock(NOW), programs=PROGRAMS)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_books_are_not_restored_where_a_file_stands_in_the_way(url: str, tmp_path: Path) -> None:
    back_up(url, tmp_path / "books.backup", clock=FixedClock(NOW))
    (tmp_path / "file").touch()

    with pytest.raises(BackupFailed, match="File exists"):
        restore(tmp_path / "books.backup", f"sqlite:///{tmp_path / 'file' / 'books.sqlite3'}")
