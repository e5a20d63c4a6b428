"""What can go wrong with the database, and what each failure says about the work."""

from __future__ import annotations

import sqlite3
from http import HTTPStatus
from typing import Final

import psycopg
from sqlalchemy import exc

from nerava.kernel.errors import NeravaError


class DatabaseError(NeravaError):
    """Root of the failures of the database itself."""


class DatabaseUnavailable(DatabaseError):
    """No connection, or no turn, within the time limit; nothing was executed."""

    code = "database-unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The database cannot be reached"
    outcome = "not_executed"
    retry_after_s = 2


class OutcomeUnknown(DatabaseError):
    """The connection was lost between COMMIT and its answer; repeat with the same key."""

    code = "outcome-unknown"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "It is not known whether this was carried out"
    outcome = "unknown"
    retry_after_s = 1


class StorageFull(DatabaseError):
    """The disk has no space left; nothing was executed."""

    code = "storage-full"
    status = HTTPStatus.INSUFFICIENT_STORAGE
    title = "No space left"
    outcome = "not_executed"


class StorageFailing(DatabaseError):
    """The disk did not do what was asked of it, before anything was committed; nothing was executed."""

    code = "storage-failing"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The database cannot read or write its disk"
    outcome = "not_executed"
    retry_after_s = 2


class LostRace(DatabaseError):
    """The work lost its race against others more often than it may be repeated."""

    code = "lost-race"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Too much contention"
    outcome = "not_executed"
    retry_after_s = 1


DRIVER_ERRORS: Final = (exc.DBAPIError, psycopg.Error, sqlite3.Error)
"""What a statement may raise: the ledger speaks to the driver itself, so its errors come unwrapped."""

LOST_RACE_STATES: Final = frozenset({"40001", "40P01", "23505", "55P03", "23P01"})
"""Serialization failure, deadlock, unique violation, lock not available, exclusion violation."""

FULL_STATES: Final = frozenset({"53100"})
FAILING_STATES: Final = frozenset({"58030"})
OVERTAXED_STATES: Final = frozenset({"57014", "53200", "53400"})
"""Longer than `statement_timeout`, out of memory, beyond a configured limit."""

READ_ONLY_STATE: Final = "25006"
_STANDBY_STATE: Final = "0A000"
"""Also of much else; what a standby says to `BEGIN READ WRITE` is told by its words."""

_GONE_PREFIXES: Final = ("08", "57P")


def sqlstate_of(error: BaseException) -> str | None:
    """Return PostgreSQL's five-character state of an error, if it has one."""
    origin = getattr(error, "orig", error)
    state = getattr(origin, "sqlstate", None)
    return state if isinstance(state, str) else None


def is_lost_race(error: BaseException) -> bool:
    """Whether running the whole work again may succeed, because somebody else was faster."""
    origin = getattr(error, "orig", error)
    if isinstance(origin, sqlite3.IntegrityError):
        return "UNIQUE" in str(origin)
    if isinstance(origin, sqlite3.OperationalError):
        return "locked" in str(origin) or "busy" in str(origin)
    return sqlstate_of(error) in LOST_RACE_STATES


def is_disconnect(error: BaseException) -> bool:
    """Whether the connection is gone, so that nothing can be learnt on it any more."""
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    state = sqlstate_of(error)
    if state is not None:
        return state.startswith(_GONE_PREFIXES)
    origin = getattr(error, "orig", error)
    return type(origin).__module__.startswith("psycopg") and type(origin).__name__ in {
        "OperationalError",
        "ConnectionTimeout",
        "InterfaceError",
    }


def has_turned_read_only(error: BaseException) -> bool:
    """Whether a writer may only read by now.

    A primary became a standby, a server in want of space was set so, the disk of a file that failed
    was mounted anew for reading. Of a reader that tries to write it says nothing but that.
    """
    origin = getattr(error, "orig", error)
    if isinstance(origin, sqlite3.OperationalError):
        return "readonly database" in str(origin)
    state = sqlstate_of(error)
    return state == READ_ONLY_STATE or (state == _STANDBY_STATE and "during recovery" in str(origin))


def is_overtaxed(error: BaseException) -> bool:
    """Whether PostgreSQL ended the statement because it, or the server, had too much to do."""
    return sqlstate_of(error) in OVERTAXED_STATES


def is_storage_full(error: BaseException) -> bool:
    """Whether the disk, or the space granted to the database, is full."""
    origin = getattr(error, "orig", error)
    if isinstance(origin, sqlite3.OperationalError):
        return "full" in str(origin)
    return sqlstate_of(error) in FULL_STATES


def is_storage_failing(error: BaseException) -> bool:
    """Whether the disk failed to read, write or sync; of a COMMIT nobody knows then what became of it."""
    origin = getattr(error, "orig", error)
    if isinstance(origin, sqlite3.OperationalError):
        return "disk I/O error" in str(origin)
    return sqlstate_of(error) in FAILING_STATES
