"""Cursors that record their statements: the text with its gaps, never what is put into them.

Both the ORM and the ledger, which speaks to the driver itself, get their cursors from the connection;
so a connection that hands out these records everything, and one that does not costs nothing.
"""

from __future__ import annotations

import re
import sqlite3
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import psycopg

from nerava.platform.redaction import REDACTOR
from nerava.platform.tracing.spans import Kind, current

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.platform.tracing.spans import Attributes, Span

TEXT_MAX: Final = 500
STATEMENTS_KNOWN: Final = 4_096

_TURNS: Final = frozenset({"BEGIN", "BEGIN IMMEDIATE"})
"""Begin a transaction, which is no work."""

_VERB: Final = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE)\b", re.IGNORECASE)
_TABLE: Final = re.compile(r"\b(?:INTO|UPDATE)\s+\"?(\w++)|\bFROM\s+\"?(\w++)(?!\s*+\()", re.IGNORECASE)
_SPACE: Final = re.compile(r"\s++")


@lru_cache(STATEMENTS_KNOWN)
def described(statement: str, system: str) -> tuple[str, Attributes]:
    """Return the name of a statement's span and what is said about it."""
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
    return name, MappingProxyType(about)


def _recorded(statement: object, system: str, run: Callable[[], Any]) -> Any:  # noqa: ANN401 - the driver's
    here = current()
    if here is None or statement in _TURNS:
        return run()
    name, about = described(statement if isinstance(statement, str) else "EXECUTE", system)
    one: Span = here.child(name, Kind.CLIENT, about)
    try:
        return run()
    except BaseException as error:
        one.fail(error)
        raise
    finally:
        one.end()


class PostgresCursor(psycopg.Cursor[Any]):
    """A cursor of psycopg that records."""

    def execute(self, query: Any, params: Any = None, **more: Any) -> Any:  # noqa: ANN401 - the driver's
        """Run a statement."""
        plain = super().execute
        return _recorded(query, "postgresql", lambda: plain(query, params, **more))

    def executemany(self, query: Any, params_seq: Any, **more: Any) -> None:  # noqa: ANN401 - the driver's
        """Run a statement for many sets of values."""
        plain = super().executemany
        _recorded(query, "postgresql", lambda: plain(query, params_seq, **more))


class SqliteCursor(sqlite3.Cursor):
    """A cursor of sqlite3 that records."""

    def execute(self, sql: str, parameters: Any = (), /) -> SqliteCursor:  # noqa: ANN401 - the driver's
        """Run a statement."""
        plain = super().execute
        _recorded(sql, "sqlite", lambda: plain(sql, parameters))
        return self

    def executemany(self, sql: str, parameters: Any, /) -> SqliteCursor:  # noqa: ANN401 - the driver's
        """Run a statement for many sets of values."""
        plain = super().executemany
        _recorded(sql, "sqlite", lambda: plain(sql, parameters))
        return self


class SqliteConnection(sqlite3.Connection):
    """A connection of sqlite3 whose cursors record."""

    def cursor(self, factory: Any = SqliteCursor) -> Any:  # noqa: ANN401 - the driver's
        """Return a cursor."""
        return super().cursor(factory)
