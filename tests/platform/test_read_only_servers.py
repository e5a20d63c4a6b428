"""A database that only reads by now: a primary that became a standby, a disk that was mounted anew."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import text

from nerava.platform.db import Database, DatabaseUnavailable, EngineOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy.orm import Session

only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

ATTEMPTS = 5
ON_A_STANDBY = """
DO $$ BEGIN
RAISE EXCEPTION 'cannot set transaction read-write mode during recovery' USING ERRCODE = 'feature_not_supported';
END $$
"""


@pytest.fixture
def narrow(url: str) -> Iterator[Database]:
    """A database with one connection, and a jar of ten coins."""
    with closing(Database(url, EngineOptions(pool_size=1, pool_wait_ms=50))) as opened:
        opened.run(lambda session: session.execute(text("CREATE TABLE jar AS SELECT 10 AS coins")))
        yield opened


def by_the_session(session: Session) -> None:
    session.execute(text("SET TRANSACTION READ ONLY"))
    session.execute(text("UPDATE jar SET coins = 0"))


def by_the_driver(session: Any) -> None:
    cursor = session.driver_cursor()
    cursor.execute("SET TRANSACTION READ ONLY")
    cursor.execute("UPDATE jar SET coins = 0")


def on_a_standby(session: Session) -> None:
    session.connection().exec_driver_sql(ON_A_STANDBY)


def coins(database: Database) -> int:
    return int(database.read(lambda session: session.execute(text("SELECT coins FROM jar")).scalar_one()))


@only_postgresql
@pytest.mark.parametrize("write", [by_the_session, by_the_driver, on_a_standby])
def test_who_meets_a_server_that_only_reads_looks_for_another_one(
    narrow: Database, write: Callable[[Session], None]
) -> None:
    met: list[int] = []

    def work(session: Any) -> None:
        met.append(session.driver_cursor().connection.info.backend_pid)
        if len(met) == 1:
            write(session)
        session.execute(text("UPDATE jar SET coins = coins + 1"))

    narrow.run(work)

    assert len(set(met)) == 2
    assert coins(narrow) == 11


@only_postgresql
@pytest.mark.parametrize("write", [by_the_session, by_the_driver, on_a_standby])
def test_a_server_that_goes_on_reading_only_is_unavailable_to_writers(
    narrow: Database, write: Callable[[Session], None]
) -> None:
    met: list[int] = []

    def work(session: Any) -> None:
        met.append(session.driver_cursor().connection.info.backend_pid)
        write(session)

    with pytest.raises(DatabaseUnavailable, match="takes no writes") as told:
        narrow.run(work)

    assert len(set(met)) == ATTEMPTS
    assert told.value.outcome == "not_executed"
    assert coins(narrow) == 10


@only_sqlite
def test_a_file_that_was_mounted_for_reading_only_is_unavailable_to_writers(narrow: Database) -> None:
    def write(session: Session) -> None:
        session.execute(text("PRAGMA query_only = ON"))
        session.execute(text("UPDATE jar SET coins = 0"))

    with pytest.raises(DatabaseUnavailable, match="takes no writes"):
        narrow.run(write)
    # Its connection is made anew: whoever comes when it can be written to again can write.
    narrow.run(lambda session: session.execute(text("UPDATE jar SET coins = coins + 1")))
    assert coins(narrow) == 11
