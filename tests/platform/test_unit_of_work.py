"""The unit of work: commit before the answer, nothing after a failure, again after a lost race."""

from __future__ import annotations

import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import psycopg
import pytest
from sqlalchemy import Engine, Integer, event, exc, make_url, text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from nerava.platform.db import (
    Database,
    DatabaseUnavailable,
    EngineOptions,
    LostRace,
    OutcomeUnknown,
    StorageFull,
    unit_of_work,
)
from nerava.platform.db import engine as engine_module
from nerava.platform.db.embedded_postgres import SOCKET_PORT
from tests.chaos.commit_proxy import CommitProxy
from tests.helpers.parallel import in_parallel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from nerava.platform.db.embedded_postgres import EmbeddedPostgres

only_postgresql = pytest.mark.parametrize("url", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("url", ["sqlite"], indirect=True)

ATTEMPTS: Final = 5


class Base(DeclarativeBase):
    """Tables of this module alone."""


class Jar(Base):
    __tablename__ = "jar"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    coins: Mapped[int] = mapped_column(Integer)


@pytest.fixture
def jars(database: Database) -> Database:
    """A database with two jars of ten coins."""

    def work(session: Session) -> None:
        Base.metadata.create_all(session.connection())
        session.add_all([Jar(id=1, coins=10), Jar(id=2, coins=10)])

    database.run(work)
    return database


@pytest.fixture
def narrow(url: str) -> Iterator[Database]:
    """The same database with one connection, for which nobody waits long."""
    with closing(Database(url, EngineOptions(pool_size=1, pool_wait_ms=50, lock_timeout_ms=200))) as opened:
        yield opened


def coins(database: Database, jar: int = 1) -> int:
    return database.read(lambda session: session.get_one(Jar, jar).coins)


def add_coin(session: Session, jar: int = 1) -> None:
    session.execute(text("UPDATE jar SET coins = coins + 1 WHERE id = :id"), {"id": jar})


def count(session: Session) -> int:
    return int(session.execute(text("SELECT count(*) FROM jar")).scalar_one())


class Attempts:
    """Work that counts how often it ran and does something more the first time, or each time."""

    def __init__(self, trouble: Any, *, always: bool = False) -> None:
        self.made = 0
        self._trouble = trouble
        self._always = always

    def __call__(self, session: Session) -> int:
        self.made += 1
        add_coin(session)
        if self._always or self.made == 1:
            self._trouble(session)
        return self.made


# Commit, then answer.


def test_the_answer_comes_after_the_commit(jars: Database, url: str) -> None:
    with closing(Database(url)) as other:

        def work(session: Session) -> tuple[str, int]:
            add_coin(session)
            session.flush()
            return "done", coins(other)

        answer, seen_by_others = jars.run(work)

        assert (answer, seen_by_others) == ("done", 10)
        assert coins(other) == 11


def test_objects_are_flushed_and_their_values_stay_readable_after_the_commit(jars: Database) -> None:
    def work(session: Session) -> Jar:
        one = Jar(id=3, coins=7)
        session.add(one)
        return one

    made = jars.run(work)

    assert (made.id, made.coins) == (3, 7)
    assert coins(jars, 3) == 7


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_kept_after_an_exception(jars: Database, failure: type[BaseException]) -> None:
    def work(session: Session) -> None:
        add_coin(session)
        session.add(Jar(id=9, coins=9))
        session.flush()
        raise failure

    with pytest.raises(failure):
        jars.run(work)

    assert coins(jars) == 10
    assert jars.read(count) == 2
    jars.run(add_coin)
    assert coins(jars) == 11


def test_a_mistake_in_sql_is_raised_once_and_not_repeated(jars: Database) -> None:
    attempts = Attempts(lambda session: session.execute(text("SELEC 1")))

    with pytest.raises(exc.DBAPIError, match="SELEC"):
        jars.run(attempts)

    assert attempts.made == 1
    assert coins(jars) == 10


def test_a_constraint_that_no_race_explains_is_raised_once(jars: Database) -> None:
    attempts = Attempts(lambda session: session.execute(text("INSERT INTO jar (id, coins) VALUES (7, NULL)")))

    with pytest.raises(exc.IntegrityError):
        jars.run(attempts)

    assert attempts.made == 1


# Lost races.


def taken_once(session: Session) -> None:
    session.execute(text("INSERT INTO jar (id, coins) VALUES (1, 1)"))


def taken_once_by_the_driver_itself(session: Session) -> None:
    session.connection().connection.cursor().execute("INSERT INTO jar (id, coins) VALUES (1, 1)")


def taken_at_flush(session: Session) -> None:
    session.add(Jar(id=1, coins=1))


@pytest.mark.parametrize("trouble", [taken_once, taken_once_by_the_driver_itself, taken_at_flush])
def test_a_taken_key_makes_the_whole_work_run_again(jars: Database, trouble: Any) -> None:
    attempts = Attempts(trouble)

    assert jars.run(attempts) == 2
    assert coins(jars) == 11


@pytest.mark.parametrize("trouble", [taken_once, taken_once_by_the_driver_itself])
def test_work_that_loses_every_race_is_given_up_after_five_attempts(jars: Database, trouble: Any) -> None:
    attempts = Attempts(trouble, always=True)

    with pytest.raises(LostRace) as lost:
        jars.run(attempts)

    assert attempts.made == ATTEMPTS
    assert lost.value.outcome == "not_executed"
    assert coins(jars) == 10


def test_no_new_attempt_begins_when_the_time_is_over(jars: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_of_work, "PATIENCE_S", 0.0)
    attempts = Attempts(taken_once, always=True)

    with pytest.raises(LostRace):
        Database.run(jars, attempts)

    assert attempts.made == 1


def test_units_that_insert_the_same_key_all_end_well(jars: Database) -> None:
    def work(session: Session) -> str:
        if session.get(Jar, 5) is not None:
            return "found"
        session.add(Jar(id=5, coins=0))
        return "made"

    answers = in_parallel(16, lambda _: jars.run(work))

    assert sorted(answers) == ["found"] * 15 + ["made"]


@only_postgresql
def test_a_deadlock_is_run_again(jars: Database) -> None:
    both_hold_one = threading.Barrier(2)
    attempts = [0, 0]

    def work(index: int) -> None:
        def in_order(session: Session) -> None:
            attempts[index] += 1
            first, second = (1, 2) if index == 0 else (2, 1)
            add_coin(session, first)
            if attempts[index] == 1:
                both_hold_one.wait(10)
            add_coin(session, second)

        jars.run(in_order)

    in_parallel(2, work)

    assert sorted(attempts) == [1, 2]
    assert (coins(jars), coins(jars, 2)) == (12, 12)


@only_postgresql
def test_a_serialization_failure_is_run_again(jars: Database, url: str) -> None:
    with closing(Database(url)) as other:
        made: list[int] = []

        def work(session: Session) -> None:
            made.append(1)
            session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            session.get_one(Jar, 1)
            if len(made) == 1:
                other.run(add_coin)
            add_coin(session)

        jars.run(work)

    assert len(made) == 2
    assert coins(jars) == 12


@only_postgresql
def test_a_lock_that_takes_too_long_is_waited_for_again(jars: Database, narrow: Database) -> None:
    held, enough = threading.Event(), threading.Event()

    def keep(session: Session) -> None:
        add_coin(session)
        held.set()
        enough.wait(10)

    with ThreadPoolExecutor(1) as pool:
        keeper = pool.submit(jars.run, keep)
        held.wait(10)
        attempts: list[int] = []

        def work(session: Session) -> None:
            attempts.append(1)
            if len(attempts) == 2:
                enough.set()
            add_coin(session)

        narrow.run(work)
        keeper.result(10)

    assert len(attempts) >= 2
    assert coins(jars) == 12


@only_postgresql
def test_a_race_that_shows_at_commit_is_run_again(jars: Database) -> None:
    create = "CREATE TABLE late (id INTEGER UNIQUE DEFERRABLE INITIALLY DEFERRED)"
    jars.run(lambda session: session.execute(text(create)))
    jars.run(lambda session: session.execute(text("INSERT INTO late VALUES (1)")))
    attempts = Attempts(lambda session: session.execute(text("INSERT INTO late VALUES (1)")))

    assert jars.run(attempts) == 2
    assert coins(jars) == 11


@only_sqlite
def test_a_file_that_another_process_locks_is_tried_again(
    url: str, jars: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "SQLITE_BUSY_MS", 20)
    path = url.removeprefix("sqlite:///")
    with closing(Database(url)) as database, closing(sqlite3.connect(path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(database.run, add_coin)
            time.sleep(0.06)
            stranger.execute("ROLLBACK")
            writing.result(10)
        assert coins(database) == 11

        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(LostRace):
            database.run(add_coin)
        assert coins(database) == 11


@only_sqlite
def test_a_commit_that_sqlite_refuses_leaves_nothing_open(jars: Database) -> None:
    create = "CREATE TABLE late (id INTEGER REFERENCES jar (id) DEFERRABLE INITIALLY DEFERRED)"
    jars.run(lambda session: session.execute(text(create)))
    attempts = Attempts(lambda session: session.execute(text("INSERT INTO late VALUES (99)")))

    with pytest.raises(exc.IntegrityError, match="FOREIGN KEY"):
        jars.run(attempts)

    assert coins(jars) == 10
    jars.run(add_coin)
    assert coins(jars) == 11


# Lost connections.


def die(session: Session) -> None:
    """Let the server end this very connection, then notice."""
    cut_off(session)
    session.execute(text("SELECT 1"))


def die_in_the_driver(session: Session) -> None:
    cut_off(session)
    session.connection().connection.cursor().execute("SELECT 1")


def cut_off(session: Session) -> None:
    pid = session.execute(text("SELECT pg_backend_pid()")).scalar_one()
    place = make_url(session.get_bind().url).set(drivername="postgresql")  # type: ignore[union-attr]
    with psycopg.connect(place.render_as_string(hide_password=False), autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


@only_postgresql
@pytest.mark.parametrize("trouble", [die, die_in_the_driver])
def test_a_connection_lost_before_commit_is_replaced_and_the_work_run_again(
    jars: Database, trouble: Any
) -> None:
    attempts = Attempts(trouble)

    assert jars.run(attempts) == 2
    assert coins(jars) == 11


@only_postgresql
def test_a_database_that_loses_every_connection_is_unavailable(jars: Database) -> None:
    attempts = Attempts(die, always=True)

    with pytest.raises(DatabaseUnavailable) as gone:
        jars.run(attempts)

    assert attempts.made == ATTEMPTS
    assert gone.value.outcome == "not_executed"
    assert coins(jars) == 10


@only_postgresql
def test_a_database_that_is_not_there_is_unavailable_for_writing_and_reading(url: str) -> None:
    nowhere = make_url(url).set(host="127.0.0.1", port=1).difference_update_query(["host", "port"])
    with closing(Database(nowhere)) as database:
        with pytest.raises(DatabaseUnavailable):
            database.run(add_coin)
        with pytest.raises(DatabaseUnavailable):
            database.read(count)


@only_postgresql
def test_a_reader_whose_connection_died_gets_a_fresh_one(jars: Database) -> None:
    made: list[int] = []

    def look(session: Session) -> int:
        made.append(1)
        if len(made) == 1:
            die(session)
        return count(session)

    assert jars.read(look) == 2
    assert len(made) == 2
    with pytest.raises(DatabaseUnavailable):
        jars.read(die)


@only_postgresql
def test_a_mistake_in_a_second_look_is_raised_as_it_is(jars: Database) -> None:
    made: list[int] = []

    def look(session: Session) -> None:
        made.append(1)
        if len(made) == 1:
            die(session)
        session.execute(text("SELEC 1"))

    with pytest.raises(exc.ProgrammingError, match="SELEC"):
        jars.read(look)


# An answer to COMMIT that was lost.

DYING = """
CREATE SEQUENCE deaths;
CREATE FUNCTION die_at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF nextval('deaths') <= {times} THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER die AFTER UPDATE ON jar DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION die_at_commit()
"""


@only_postgresql
def test_work_that_may_run_once_is_told_that_its_outcome_is_unknown(jars: Database) -> None:
    jars.run(lambda session: session.connection().exec_driver_sql(DYING.format(times=1)))
    attempts = Attempts(lambda session: None)

    with pytest.raises(OutcomeUnknown) as unknown:
        jars.run(attempts)

    assert attempts.made == 1
    assert unknown.value.outcome == "unknown"


@only_postgresql
def test_repeatable_work_runs_again_when_the_answer_to_its_commit_is_lost(jars: Database) -> None:
    jars.run(lambda session: session.connection().exec_driver_sql(DYING.format(times=2)))
    attempts = Attempts(lambda session: None)

    assert jars.run(attempts, repeatable=True) == 3
    assert coins(jars) == 11


@only_postgresql
def test_repeatable_work_that_never_hears_back_is_unknown_after_five_attempts(jars: Database) -> None:
    jars.run(lambda session: session.connection().exec_driver_sql(DYING.format(times=99)))
    attempts = Attempts(lambda session: None)

    with pytest.raises(OutcomeUnknown):
        jars.run(attempts, repeatable=True)

    assert attempts.made == ATTEMPTS


@only_postgresql
def test_an_unknown_outcome_may_well_be_a_commit(
    jars: Database, url: str, postgres: EmbeddedPostgres
) -> None:
    with CommitProxy(postgres.folder / f".s.PGSQL.{SOCKET_PORT}", every=1) as proxy:
        through = (
            make_url(url).difference_update_query(["host", "port"]).set(host="127.0.0.1", port=proxy.port)
        )
        with closing(Database(through)) as database, pytest.raises(OutcomeUnknown):
            database.run(add_coin)

    assert coins(jars) == 11


# Full, busy, slow.


@only_sqlite
def test_a_full_disk_is_said_so_and_keeps_nothing_on_sqlite(jars: Database) -> None:
    def fill(session: Session) -> None:
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
        session.execute(text("CREATE TABLE filler (content TEXT)"))
        session.execute(text("INSERT INTO filler VALUES (:content)"), {"content": "x" * 1_000_000})

    with pytest.raises(StorageFull) as full:
        jars.run(fill)

    assert full.value.outcome == "not_executed"
    assert coins(jars) == 10


@only_postgresql
def test_a_full_disk_is_said_so_on_postgresql(jars: Database) -> None:
    raised = "DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$"
    attempts = Attempts(lambda session: session.connection().exec_driver_sql(raised))

    with pytest.raises(StorageFull):
        jars.run(attempts)

    assert attempts.made == 1
    assert coins(jars) == 10


@only_postgresql
def test_who_finds_every_connection_busy_is_refused_soon(jars: Database, narrow: Database) -> None:
    def inside(session: Session) -> None:
        session.connection()
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="busy"):
            narrow.run(add_coin)
        with pytest.raises(DatabaseUnavailable, match="busy"):
            narrow.read(count)
        assert time.monotonic() - started < 1

    narrow.run(inside)


@only_sqlite
def test_a_reader_who_finds_every_connection_busy_is_refused_soon(jars: Database, narrow: Database) -> None:
    def inside(session: Session) -> None:
        count(session)
        started = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="busy"):
            narrow.read(count)
        assert time.monotonic() - started < 1

    narrow.read(inside)


@only_postgresql
def test_a_reader_whose_fresh_connection_is_not_to_be_had_is_refused(
    jars: Database, narrow: Database
) -> None:
    first: list[int] = []
    taken = threading.Event()

    def look(session: Session) -> None:
        first.append(1)
        cut_off(session)
        pool.submit(narrow.run, lambda other: (other.connection(), taken.set(), time.sleep(0.5)))
        session.execute(text("SELECT 1"))

    with ThreadPoolExecutor(1) as pool, pytest.raises(DatabaseUnavailable):
        narrow.read(look)

    assert first[0] == 1


@only_sqlite
def test_a_writer_waits_for_its_turn_only_so_long(jars: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_of_work, "PATIENCE_S", 0.1)

    def inside(session: Session) -> None:
        add_coin(session)
        with ThreadPoolExecutor(1) as pool, pytest.raises(DatabaseUnavailable, match="others were writing"):
            pool.submit(jars.run, add_coin).result(10)

    jars.run(inside)

    assert coins(jars) == 11


@only_sqlite
def test_writers_take_turns_without_ever_meeting_a_locked_file(jars: Database) -> None:
    inside = [0]

    def work(session: Session) -> int:
        inside[0] += 1
        add_coin(session)
        among = inside[0]
        inside[0] -= 1
        return among

    assert set(in_parallel(64, lambda _: jars.run(work))) == {1}
    assert coins(jars) == 74


@only_postgresql
def test_a_patient_reader_may_take_longer_than_a_statement_may(url: str, database: Database) -> None:
    slow = text("SELECT pg_sleep(0.3)")
    with closing(Database(url, EngineOptions(statement_timeout_ms=100))) as hasty:
        with pytest.raises(DatabaseUnavailable, match="too much to do"):
            hasty.read(lambda session: session.execute(slow))
        with pytest.raises(DatabaseUnavailable, match="too much to do"):
            hasty.run(lambda session: session.execute(slow))

        hasty.read(lambda session: session.execute(slow), patient=True)
        # Patience ends with the transaction that was granted it.
        with pytest.raises(DatabaseUnavailable, match="too much to do"):
            hasty.read(lambda session: session.execute(slow))


@only_postgresql
def test_patience_is_two_settings_of_one_transaction_and_nothing_else(url: str) -> None:
    with closing(Database(url)) as fresh:
        said: list[str] = []

        def hear(*words: Any) -> None:
            said.append(words[2])

        event.listen(Engine, "before_cursor_execute", hear)
        try:
            fresh.read(lambda session: session.execute(text("SELECT 1")), patient=True)
            fresh.read(lambda session: session.execute(text("SELECT 2")))
        finally:
            event.remove(Engine, "before_cursor_execute", hear)

    begins = said.index("SET LOCAL statement_timeout = 0")
    assert said[begins:] == [
        "SET LOCAL statement_timeout = 0",
        "SET LOCAL enable_seqscan = on",
        "SELECT 1",
        "SELECT 2",
    ]


@only_postgresql
def test_a_patient_reader_whose_connection_died_stays_patient(url: str, database: Database) -> None:
    looks: list[str] = []

    def look(session: Session) -> None:
        looks.append(session.execute(text("SHOW statement_timeout")).scalar_one())
        if len(looks) == 1:
            die(session)

    with closing(Database(url, EngineOptions(statement_timeout_ms=100))) as hasty:
        hasty.read(look, patient=True)

    assert looks == ["0", "0"]


# Reading.


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE jar SET coins = 0",
        "INSERT INTO jar VALUES (8, 8)",
        "DELETE FROM jar",
        "CREATE TABLE x (i INTEGER)",
    ],
)
def test_a_reader_cannot_write(jars: Database, statement: str) -> None:
    with pytest.raises(exc.DBAPIError, match=r"(?i)read-?only"):
        jars.read(lambda session: session.execute(text(statement)))

    assert coins(jars) == 10


def test_a_reader_keeps_nothing_of_the_objects_it_changed(jars: Database) -> None:
    def change(session: Session) -> None:
        session.get_one(Jar, 1).coins = 0

    jars.read(change)

    assert coins(jars) == 10


def test_a_reader_sees_one_snapshot_however_long_it_looks(jars: Database) -> None:
    def look(session: Session) -> tuple[int, int]:
        before = session.execute(text("SELECT sum(coins) FROM jar")).scalar_one()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(jars.run, add_coin).result(10)
        return before, session.execute(text("SELECT sum(coins) FROM jar")).scalar_one()

    assert jars.read(look) == (20, 20)
    assert coins(jars) == 11


def test_a_writer_works_as_before_after_a_reader_had_its_connection(narrow: Database, jars: Database) -> None:
    narrow.read(count)
    narrow.run(add_coin)
    narrow.read(count)

    assert coins(narrow) == 11


# How the databases are opened.


def pragma(session: Session, name: str) -> Any:
    return session.execute(text(f"PRAGMA {name}")).scalar_one()


@only_sqlite
def test_sqlite_is_opened_as_durably_as_we_promise(database: Database) -> None:
    names = (
        "journal_mode",
        "synchronous",
        "foreign_keys",
        "recursive_triggers",
        "busy_timeout",
        "wal_autocheckpoint",
        "query_only",
    )

    def look(session: Session) -> dict[str, Any]:
        return {name: pragma(session, name) for name in names}

    common = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "recursive_triggers": 1,
        "busy_timeout": 5_000,
        "wal_autocheckpoint": 4_096,
    }
    assert database.run(look) == {**common, "query_only": 0}
    assert database.read(look) == {**common, "query_only": 1}


@only_sqlite
def test_a_writer_of_sqlite_holds_the_lock_from_its_first_statement(jars: Database, url: str) -> None:
    with closing(
        sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0, isolation_level=None)
    ) as stranger:

        def work(session: Session) -> None:
            count(session)  # Only reads so far; a deferred transaction would let the stranger in.
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                stranger.execute("BEGIN IMMEDIATE")

        jars.run(work)


@only_sqlite
def test_the_folder_of_a_sqlite_file_is_made(tmp_path: Any, url: str) -> None:
    with closing(Database(f"sqlite:///{tmp_path}/one/two/three.sqlite3")) as database:
        database.run(lambda session: session.execute(text("CREATE TABLE x (i INTEGER)")))

    assert (tmp_path / "one" / "two" / "three.sqlite3").is_file()


@only_postgresql
def test_postgresql_is_opened_with_every_limit(url: str) -> None:
    options = EngineOptions(lock_timeout_ms=111, statement_timeout_ms=222, idle_in_transaction_ms=333)
    names = (
        "lock_timeout",
        "statement_timeout",
        "idle_in_transaction_session_timeout",
        "transaction_isolation",
        "transaction_read_only",
        "TimeZone",
        "application_name",
    )

    def look(session: Session) -> list[str]:
        return [session.execute(text(f"SHOW {name}")).scalar_one() for name in names]

    with closing(Database(url, options)) as database:
        limits = ["111ms", "222ms", "333ms"]
        rest = ["UTC", "nerava"]
        assert database.run(look) == [*limits, "read committed", "off", *rest]
        assert database.read(look) == [*limits, "repeatable read", "on", *rest]
        assert database.run(look) == [*limits, "read committed", "off", *rest]


def test_a_database_says_which_it_is(database: Database, url: str) -> None:
    assert database.url == url
    assert database.dialect == make_url(url).get_backend_name()
    assert database.is_sqlite == (database.dialect == "sqlite")
