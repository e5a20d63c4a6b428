"""Cursors that record their statements: the text with its gaps, never what is put into them.

Both the ORM and the ledger, which speaks to the driver itself, get their cursors from the connection;
so a connection that hands out these records everything, and one that does not costs nothing.
"""

from __future__ import annotations

import re
import sqlite3
import time
from functools import lru_cache
from typing import Any, Final

import psycopg

from nerava.platform.redaction import REDACTOR
from nerava.platform.tracing.spans import About, Kind, Span, current

TEXT_MAX: Final = 500
STATEMENTS_KNOWN: Final = 4_096

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


def _parent_of(statement: object) -> Span | None:
    return None if statement in _TURNS else current()


def _about(statement: object, system: str) -> About:
    return described(statement if isinstance(statement, str) else "EXECUTE", system)


class PostgresCursor(psycopg.Cursor[Any]):
    """A cursor of psycopg that records."""

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement."""
        parent = _parent_of(query)
        if parent is None:
            return super().execute(query, params, **more)
        began = time.monotonic_ns()
        try:
            super().execute(query, params, **more)
        except BaseException as error:
            parent.leaf(_about(query, "postgresql"), began, error)
            raise
        parent.leaf(_about(query, "postgresql"), began)
        return self

    def executemany(self, query: Any, params_seq: Any, **more: Any) -> None:  # noqa: ANN401 - the driver's
        """Run a statement for many sets of values."""
        parent, began = _parent_of(query), time.monotonic_ns()
        try:
            super().executemany(query, params_seq, **more)
        except BaseException as error:
            if parent is not None:
                parent.leaf(_about(query, "postgresql"), began, error)
            raise
        if parent is not None:
            parent.leaf(_about(query, "postgresql"), began)


class SqliteCursor(sqlite3.Cursor):
    """A cursor of sqlite3 that records."""

    def execute(self, sql: str, parameters: Any = (), /) -> SqliteCursor:  # noqa: ANN401 - the driver's
        """Run a statement."""
        parent = _parent_of(sql)
        if parent is None:
            super().execute(sql, parameters)
            return self
        began = time.monotonic_ns()
        try:
            super().execute(sql, parameters)
        except BaseException as error:
            parent.leaf(_about(sql, "sqlite"), began, error)
            raise
        parent.leaf(_about(sql, "sqlite"), began)
        return self

    def executemany(self, sql: str, parameters: Any, /) -> SqliteCursor:  # noqa: ANN401 - the driver's
        """Run a statement for many sets of values."""
        parent, began = _parent_of(sql), time.monotonic_ns()
        try:
            super().executemany(sql, parameters)
        except BaseException as error:
            if parent is not None:
                parent.leaf(_about(sql, "sqlite"), began, error)
            raise
        if parent is not None:
            parent.leaf(_about(sql, "sqlite"), began)
        return self


class SqliteConnection(sqlite3.Connection):
    """A connection of sqlite3 whose cursors record."""

    def cursor(self, factory: Any = SqliteCursor) -> Any:  # noqa: ANN401 - the driver's
        """Return a cursor."""
        return super().cursor(factory)
