"""Connections: how each database is opened so that a commit means what we promise."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.pool import QueuePool

from nerava.platform import tracing
from nerava.platform.tracing.cursors import PostgresCursor, SqliteConnection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from nerava.platform.live_secrets import LiveSecret

SQLITE_BUSY_MS: Final = 5_000
SQLITE_BEGIN: Final = "BEGIN IMMEDIATE"


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How many connections, and how long anything may take.

    Attributes:
        pool_size: Connections kept open, and at most in use at once.
        pool_wait_ms: How long a caller waits for one before it is refused.
        lock_timeout_ms: PostgreSQL: longest wait for a row lock.
        statement_timeout_ms: PostgreSQL: longest statement.
        idle_in_transaction_ms: PostgreSQL: longest pause of a client inside a transaction.
        password: PostgreSQL: who knows the role's password as it is now; None takes the address's.
    """

    pool_size: int = 16
    pool_wait_ms: int = 500
    lock_timeout_ms: int = 2_000
    statement_timeout_ms: int = 5_000
    idle_in_transaction_ms: int = 10_000
    password: LiveSecret | None = None


def is_sqlite(url: str | URL) -> bool:
    """Whether the address names the embedded database."""
    return make_url(url).get_backend_name() == "sqlite"


def open_engine(url: str | URL, options: EngineOptions, *, read_only: bool = False) -> Engine:
    """Return an engine for the address; SQLite's writer begins IMMEDIATE, its reader cannot write."""
    if is_sqlite(url):
        return _open_sqlite(make_url(url), options, read_only=read_only)
    return _open_postgresql(make_url(url), options)


def _open_sqlite(url: URL, options: EngineOptions, *, read_only: bool) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    arguments: dict[str, Any] = {
        "check_same_thread": False,
        "isolation_level": None,
        "timeout": SQLITE_BUSY_MS / 1_000,
        **({"factory": SqliteConnection} if tracing.is_on() else {}),
    }
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=options.pool_size,
        max_overflow=0,
        hide_parameters=True,  # an error is logged, and what people gave us is not to be
        pool_timeout=options.pool_wait_ms / 1_000 if read_only else 30,
        connect_args=arguments,
    )
    begin = "BEGIN" if read_only else SQLITE_BEGIN

    @event.listens_for(engine, "connect")
    def _configure(connection: sqlite3.Connection, _record: object) -> None:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "recursive_triggers = ON",  # so that INSERT OR REPLACE cannot slip past a DELETE trigger
            "cache_size = -65536",
            # 16 MB. Batches change thousands of pages, mostly those of the batch before, and after 4 MB, as
            # SQLite would, each is copied back at every batch. With 64 MB the one who copies holds up others.
            "wal_autocheckpoint = 4096",
            # An audit sorts all of history: by files as soon as it is more than the cache.
            f"temp_store = {'FILE' if read_only else 'MEMORY'}",
            f"query_only = {'ON' if read_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        driver: Any = connection.connection.driver_connection
        if not driver.in_transaction:  # A unit of work may have begun it by the driver itself.
            connection.exec_driver_sql(begin)

    @event.listens_for(engine, "reset")
    def _end(connection: sqlite3.Connection, _record: object, _state: object) -> None:
        # A COMMIT that SQLite refuses leaves its transaction open, and the session takes it for ended.
        connection.rollback()

    return engine


def _open_postgresql(url: URL, options: EngineOptions) -> Engine:
    limits = {
        "lock_timeout": options.lock_timeout_ms,
        "statement_timeout": options.statement_timeout_ms,
        "idle_in_transaction_session_timeout": options.idle_in_transaction_ms,
        "timezone": "UTC",
        # Our statements take arrays: planned for one size they suit every size, and planning them
        # anew costs more than running them.
        "plan_cache_mode": "force_generic_plan",
        # A plan made while a table was empty, or before its first ANALYZE, reads it from end to end
        # and stays: 0.6 ms per session of a replay, growing with the table. Every hot statement has
        # its index; audits and exports turn this on again for themselves.
        "enable_seqscan": "off",
    }
    settings = " ".join(f"-c {name}={value}" for name, value in limits.items())
    arguments: dict[str, Any] = {"options": settings, "connect_timeout": 3, "application_name": "nerava"}
    if tracing.is_on():
        arguments["cursor_factory"] = PostgresCursor
    engine = create_engine(
        url,
        pool_size=options.pool_size,
        max_overflow=0,
        hide_parameters=True,
        pool_timeout=options.pool_wait_ms / 1_000,
        connect_args=arguments,
        isolation_level="READ COMMITTED",
    )
    if options.password is not None:
        _connect_with(engine, options.password)
    return engine


def _connect_with(engine: Engine, secret: LiveSecret) -> None:
    """Open connections with the password as it is now; one that is refused is asked for anew, once."""

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, _record: object, arguments: list[Any], named: dict[str, Any]) -> Any:  # noqa: ANN401 - SQLAlchemy's
        password = secret.reveal()
        try:
            return dialect.connect(*arguments, **{**named, "password": password})
        except dialect.loaded_dbapi.OperationalError as error:
            newer = secret.newer_than(password) if _is_about_password(error) else None
            if newer is None:
                raise
        return dialect.connect(*arguments, **{**named, "password": newer})


def _is_about_password(error: Exception) -> bool:
    # libpq gives no SQLSTATE to a connection that was refused; its words are PostgreSQL's own.
    return "authentication failed" in str(error)
