"""A process says that it is ready only while it could serve, and finds out without anybody asking."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from nerava import migrations
from nerava.kernel.clock import FixedClock, SystemClock
from nerava.platform.db import Database, EngineOptions
from nerava.platform.db.embedded_postgres import EmbeddedPostgres
from nerava.platform.readiness import Expectations, Readiness, Word


class Disk(NamedTuple):
    """What `shutil.disk_usage` answers."""

    total: int
    used: int
    free: int


def test_it_is_starting_then_ready_then_draining(database: Database) -> None:
    found = Readiness(database, SystemClock(), Expectations(schema_head=migrations.head()))
    assert said(found) is Word.STARTING
    assert found.check() == ()
    assert said(found) is Word.READY
    found.drain()
    assert said(found) is Word.DRAINING
    found.check()
    assert said(found) is Word.DRAINING


def test_another_schema_is_not_ready(database: Database) -> None:
    found = Readiness(database, SystemClock(), Expectations(schema_head="9999"))
    assert found.check() == ("schema: not the one this version was made for",)
    assert said(found) is Word.NOT_READY


def test_a_database_without_the_schema_is_not_ready(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/empty.sqlite3")
    found = Readiness(database, SystemClock(), Expectations(schema_head=migrations.head()))
    assert found.check() == ("database: OperationalError",)
    database.close()


def test_a_database_that_takes_no_writes_is_not_ready(database: Database) -> None:
    def drop(session: Session) -> None:
        session.execute(text("DROP TABLE readiness_probe"))

    database.run(drop)
    found = Readiness(database, SystemClock(), Expectations())
    assert len(found.check()) == 1
    assert said(found) is Word.NOT_READY


def test_a_server_that_goes_away_is_noticed_and_its_return_too() -> None:
    with EmbeddedPostgres(fsync=False) as server:
        migrations.upgrade(server.url())
        database = Database(server.url(), EngineOptions(pool_size=2))
        found = Readiness(database, SystemClock(), Expectations())
        found.start()
        assert soon(lambda: said(found) is Word.READY)
        server.stop("immediate")
        assert soon(lambda: said(found) is Word.NOT_READY)
        server.start()
        assert soon(lambda: said(found) is Word.READY)
        found.stop()
        found.stop()
        database.close()


def said(found: Readiness) -> Word:
    """Return what it says now."""
    return found.word


def soon(condition: Callable[[], bool]) -> bool:
    """Return whether a condition comes true within 20 s."""
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def test_an_old_answer_is_not_believed(database: Database) -> None:
    clock = FixedClock(SystemClock().now())
    found = Readiness(database, clock, Expectations())
    found.check()
    clock.move_to(clock.now() + timedelta(seconds=10))
    assert said(found) is Word.READY
    clock.move_to(clock.now() + timedelta(microseconds=1))
    assert said(found) is Word.NOT_READY


def test_a_clock_that_is_off_is_noticed_where_there_is_another_one(
    database_url: Callable[[str], AbstractContextManager[str]],
) -> None:
    with database_url("postgresql") as url:
        database = Database(url)
        clock = FixedClock(SystemClock().now() + timedelta(seconds=6))
        assert "clock: more than 5 s from the database" in Readiness(database, clock, Expectations()).check()
        database.close()


@pytest.mark.parametrize(("free", "faults"), [(5, ()), (4, ("disk: almost full",))])
def test_a_full_disk_is_not_ready(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, faults: tuple[str, ...]
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Disk(100, 100 - free, free))
    found = Readiness(database, SystemClock(), Expectations(data_folder=tmp_path))
    assert found.check() == faults


def test_a_folder_that_does_not_exist_yet_says_nothing(database: Database, tmp_path: Path) -> None:
    found = Readiness(database, SystemClock(), Expectations(data_folder=tmp_path / "later"))
    assert found.check() == ()
