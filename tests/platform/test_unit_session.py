"""The driver's own cursor in a unit of work: one transaction with whatever else is done in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import Integer, make_url, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from nerava.platform.db import Database, LostRace, OutcomeUnknown, unit_of_work
from nerava.platform.db import engine as engine_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from nerava.platform.db.unit_session import UnitSession

    Part = Callable[[UnitSession], None]

only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

INSERT = "INSERT INTO cup (id) VALUES ({})"


class Base(DeclarativeBase):
    """Tables of this module alone."""


class Cup(Base):
    __tablename__ = "cup"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)


@pytest.fixture
def cups(database: Database) -> Database:
    """A database with a table of cups, and none in it."""
    database.run(lambda session: Base.metadata.create_all(session.connection()))
    return database


def by_driver(session: Any) -> None:
    session.driver_cursor().execute(INSERT.format(1))


def by_driver_again(session: Any) -> None:
    session.driver_cursor().execute(INSERT.format(2))


def by_statement(session: Session) -> None:
    session.execute(text(INSERT.format(3)))


def by_object(session: Session) -> None:
    session.add(Cup(id=4))


PARTS = [by_driver, by_driver_again, by_statement, by_object]
ORDERS = [[0], [0, 1], [0, 2], [0, 3], [2, 0], [3, 0], [2, 3], [0, 2, 1, 3], [3, 1, 2, 0]]


def in_order(order: list[int], session: Any) -> None:
    for number in order:
        PARTS[number](session)


def found(database: Database) -> list[int]:
    statement = text("SELECT id FROM cup ORDER BY id")
    return database.read(lambda session: list(session.execute(statement).scalars()))


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_driver_and_session_commit_together(cups: Database, order: list[int]) -> None:
    cups.run(lambda session: in_order(order, session))

    assert found(cups) == sorted(number + 1 for number in order)


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_driver_and_session_leave_nothing_after_a_failure(cups: Database, order: list[int]) -> None:
    def work(session: Session) -> None:
        in_order(order, session)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        cups.run(work)

    assert found(cups) == []
    cups.run(by_driver)
    assert found(cups) == [1]


def test_what_the_driver_wrote_is_seen_by_the_session_and_the_other_way_round(cups: Database) -> None:
    def work(session: Any) -> tuple[int, int]:
        by_driver(session)
        seen = session.execute(text("SELECT count(*) FROM cup")).scalar_one()
        by_object(session)
        session.flush()
        cursor = session.driver_cursor()
        cursor.execute("SELECT count(*) FROM cup")
        return seen, cursor.fetchone()[0]

    assert cups.run(work) == (1, 2)


def test_a_session_used_again_after_its_own_rollback_begins_anew(cups: Database) -> None:
    def work(session: Any) -> None:
        by_driver(session)
        session.rollback()
        by_driver_again(session)

    cups.run(work)

    assert found(cups) == [2]


def test_a_key_that_the_driver_finds_taken_makes_the_whole_work_run_again(cups: Database) -> None:
    cups.run(by_driver)
    made: list[int] = []

    def work(session: Any) -> None:
        made.append(1)
        by_driver_again(session)
        if len(made) == 1:
            by_driver(session)

    cups.run(work)

    assert len(made) == 2
    assert found(cups) == [1, 2]


def test_a_commit_of_the_driver_that_is_refused_leaves_nothing_open(cups: Database) -> None:
    late = "CREATE TABLE late (id INTEGER REFERENCES cup (id) DEFERRABLE INITIALLY DEFERRED)"
    cups.run(lambda session: session.execute(text(late)))

    def work(session: Any) -> None:
        by_driver(session)
        session.driver_cursor().execute("INSERT INTO late VALUES (99)")

    with pytest.raises((psycopg.errors.ForeignKeyViolation, sqlite3.IntegrityError)):
        cups.run(work)

    assert found(cups) == []
    cups.run(by_driver)
    assert found(cups) == [1]


@only_postgresql
def test_a_connection_of_the_driver_that_is_lost_at_commit_leaves_the_outcome_unknown(cups: Database) -> None:
    def work(session: Any) -> None:
        by_driver(session)
        cut_off(session)

    with pytest.raises(OutcomeUnknown):
        cups.run(work)

    assert found(cups) == []
    cups.run(by_driver)
    assert found(cups) == [1]


@only_postgresql
def test_a_connection_of_the_driver_that_is_lost_before_commit_is_replaced(cups: Database) -> None:
    made: list[int] = []

    def work(session: Any) -> None:
        made.append(1)
        if len(made) == 1:
            cut_off(session)
        by_driver(session)

    cups.run(work)

    assert len(made) == 2
    assert found(cups) == [1]


@only_postgresql
def test_one_lost_connection_replaces_all_that_are_as_old(
    cups: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that was restarted costs one unit of work, not one for each connection in the pool."""
    monkeypatch.setattr(unit_of_work, "ATTEMPTS_MAX", 1)
    cups.run(lambda one: [cups.run(lambda two: [touched(one), touched(two)]) and None])

    def cut_all(session: Any) -> None:
        mine = touched(session)
        everybody = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        others = f"{everybody} WHERE datname = current_database() AND pid <> {mine}"
        session.driver_cursor().execute(others)
        cut_off(session)

    with pytest.raises(OutcomeUnknown):
        cups.run(cut_all)
    cups.run(by_driver)
    assert found(cups) == [1]


def touched(session: Any) -> int:
    """Return the process that serves the session."""
    cursor = session.driver_cursor()
    cursor.execute("SELECT pg_backend_pid()")
    return int(cursor.fetchone()[0])


def cut_off(session: Any) -> None:
    """End the process that serves the session."""
    pid = touched(session)
    url = session.get_bind().engine.url
    place = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(place, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@only_sqlite
def test_a_file_that_another_process_locks_is_a_lost_race_of_the_driver_too(
    url: str, cups: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SQLITE_BUSY_MS", 20)
    path = url.removeprefix("sqlite:///")
    with closing(Database(url)) as database, closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(LostRace):
            database.run(by_driver)
        stranger.execute("ROLLBACK")
        database.run(by_driver)

    assert found(cups) == [1]
