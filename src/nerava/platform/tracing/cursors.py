"""Cursors that record their statements: the text with its gaps, never what is put into them.

Both the ORM and the ledger, which speaks to the driver itself, get their cursors from the connection;
so a connection that hands out these records everything, and one that does not costs nothing.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from time import monotonic_ns
from typing import Any, Final

import psycopg

from nerava.platform.redaction import REDACTOR
from nerava.platform.tracing.spans import CURRENT, About, Kind

TEXT_MAX: Final = 500
STATEMENTS_KNOWN: Final = 4_096

POSTGRESQL: Final = "postgresql"
SQLITE: Final = "sqlite"

_TURNS: Final = frozenset({"BEGIN", "BEGIN IMMEDIATE"})
"""Begin a transaction, which is no work."""

_VERB: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_TABLE: Final = re.compile(r"\b(?:INTO|UPDATE)\s+\"?(\w++)|\bFROM\s+\"?(\w++)(?!\s*+\()", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s++")


@lru_cache(STATEMENTS_KNOWN)
def described(statement: str, system: str) -> About:
    """Return what is said about a statement."""
    verb, table = _VERB.search(statement), _TABLE.search(statement)
    word = verb[1].upper() if verb else _SPACE.split(statement.strip(), 1)[0].upper()[:20]
    name = f"{word} {(table[1] or table[2]).lower()}" if verb and table else word
    text = REDACTOR.redacted(_SPACE.sub(" ", statement).strip()[:TEXT_MAX])
    about = {
        "db.system.name": system,
        "db.operation.name": word,
        "db.query.summary": name,
        "db.query.text": text,
    }
    return About(name, Kind.CLIENT, about)


def _text_of(query: object) -> str:
    return query if isinstance(query, str) else "EXECUTE"


class PostgresCursor(psycopg.Cursor[Any]):
    """A cursor of psycopg that records."""

    __slots__ = ()

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement."""
        parent = CURRENT.get()
        if parent is None or query in _TURNS:
            return _pg_execute(self, query, params, **more)
        began_ns = monotonic_ns()
        try:
            _pg_execute(self, query, params, **more)
        except BaseException as error:
            parent.ran(_text_of(query), POSTGRESQL, began_ns, error)
            raise
        parent.ran(_text_of(query), POSTGRESQL, began_ns)
        return self

    def executemany(self, query: Any, params_seq: Any, **more: Any) -> None:  # noqa: ANN401 - the driver's
        """Run a statement for many sets of values."""
        parent, began_ns = CURRENT.get(), monotonic_ns()
        try:
            super().executemany(query, params_seq, **more)
        except BaseException as error:
            if parent is not None:
                parent.ran(_text_of(query), POSTGRESQL, began_ns, error)
            raise
        if parent is not None:
            parent.ran(_text_of(query), POSTGRESQL, began_ns)


class SqliteCursor(sqlite3.Cursor):
    """A cursor of sqlite3 that records."""

    __slots__ = ()

    def execute(self, sql: str, parameters: Any = (), /) -> SqliteCursor:  # noqa: ANN401 - the driver's
        """Run a statement."""
        parent = CURRENT.get()
        if parent is None or sql in _TURNS:
            _sqlite_execute(self, sql, parameters)
            return self
        began_ns = monotonic_ns()
        try:
            _sqlite_execute(self, sql, parameters)
        except BaseException as error:
            parent.ran(sql, SQLITE, began_ns, error)
            raise
        parent.ran(sql, SQLITE, began_ns)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> SqliteCursor:  # noqa: ANN401 - the driver's
        """Run a statement for many sets of values."""
        parent, began_ns = CURRENT.get(), monotonic_ns()
        try:
            super().executemany(sql, parameters)
        except BaseException as error:
            if parent is not None:
                parent.ran(sql, SQLITE, began_ns, error)
            raise
        if parent is not None:
            parent.ran(sql, SQLITE, began_ns)
        return self


class SqliteConnection(sqlite3.Connection):
    """A connection of sqlite3 whose cursors record."""

    def cursor(self, factory: Any = SqliteCursor) -> Any:  # noqa: ANN401 - the driver's
        """Return a cursor."""
        return _sqlite_cursor(self, factory)


# Called by their names, they cost a third of what `super()` does, some fifteen times in a request.
_pg_execute: Final = psycopg.Cursor.execute
_sqlite_execute: Final = sqlite3.Cursor.execute
_sqlite_cursor: Final = sqlite3.Connection.cursor
