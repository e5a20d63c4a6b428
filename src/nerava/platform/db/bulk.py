"""Many rows in one statement, on both databases: for work that is done by the thousand.

The ORM, and the driver's own handling of lists, cost more per row than the database itself. Here
PostgreSQL gets one array per column and SQLite one prepared statement, both in the caller's
transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import JSON, BigInteger, Boolean, Double, Integer, LargeBinary, SmallInteger, String
from sqlalchemy.dialects import postgresql

from nerava.platform.db.types import UtcDateTime, UUIDType, instant_text

if TYPE_CHECKING:
    from sqlalchemy import Column, Table
    from sqlalchemy.orm import Session

Row = Sequence[Any]
Encode = Callable[[Any], Any]

_POSTGRESQL: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


class BulkInsert:
    """Inserts rows of some columns of one table.

    Values are given in the order of `columns`: UUIDs, aware instants, numbers, text; JSON columns
    take JSON *text*, because who writes thousands of documents has a fast encoder.
    """

    def __init__(
        self, table: Table, columns: Sequence[str], *, if_new: bool = False, add: str | None = None
    ) -> None:
        """Prepare the statements.

        Args:
            table: Where to.
            columns: Which columns a row has; the others get their default of the database.
            if_new: Leave a row out silently when any unique constraint knows it already.
            add: A number that is added to the row there is when the primary key is known; a row
                must then not occur twice in one call.
        """
        self._codec = _Codec([table.c[name] for name in columns])
        names = ", ".join(columns)
        tail = ""
        if if_new:
            tail = " ON CONFLICT DO NOTHING"
        if add is not None:
            key = ", ".join(column.name for column in table.primary_key)
            tail = f" ON CONFLICT ({key}) DO UPDATE SET {add} = {table.name}.{add} + excluded.{add}"
        self._telling = f" RETURNING {', '.join(column.name for column in table.primary_key)}"
        marks = ", ".join("?" for _ in columns)
        into = f"INSERT INTO {table.name} ({names})"
        self._sqlite = f"{into} VALUES ({marks}){tail}"
        self._postgresql = f"{into} SELECT * FROM unnest({self._codec.arrays}){tail}"

    def run(self, session: Session, rows: Sequence[Row]) -> int:
        """Insert the rows in the caller's transaction and return how many were written."""
        return self._codec.run(session, self._sqlite, self._postgresql, rows)

    def run_telling(self, session: Session, rows: Sequence[Row]) -> list[tuple[Any, ...]]:
        """Do what `run` does, and return the primary keys of what was written, as the driver has them."""
        return self._codec.run_telling(
            session, self._sqlite + self._telling, self._postgresql + self._telling, rows
        )


class BulkUpdate:
    """Updates rows of one table, each where some columns have given values.

    Values are given in the order of `match`, then `assign`, then `add`. A row that does not match
    any more is left alone and not counted, so a guard such as the expected state belongs into
    `match`.
    """

    def __init__(
        self, table: Table, *, match: Sequence[str], assign: Sequence[str] = (), add: Sequence[str] = ()
    ) -> None:
        """Prepare the statements; the columns of `add` grow by the value instead of taking it."""
        self._codec = _Codec([table.c[name] for name in (*assign, *add, *match)])
        changed = len(assign) + len(add)
        self._order = (*range(len(match), len(match) + changed), *range(len(match)))
        sets = [f"{name} = ?" for name in assign] + [f"{name} = {name} + ?" for name in add]
        where = " AND ".join(f"{name} = ?" for name in match)
        update = f"UPDATE {table.name}"
        self._sqlite = f"{update} SET {', '.join(sets)} WHERE {where}"
        values = ", ".join(f"c{number}" for number in range(changed + len(match)))
        plain = [f"{name} = v.c{number}" for number, name in enumerate(assign)]
        grown = [f"{name} = t.{name} + v.c{number}" for number, name in enumerate(add, len(assign))]
        matched = " AND ".join(f"t.{name} = v.c{number}" for number, name in enumerate(match, changed))
        self._postgresql = (
            f"{update} t SET {', '.join(plain + grown)} "
            f"FROM unnest({self._codec.arrays}) AS v ({values}) WHERE {matched}"
        )

    def run(self, session: Session, rows: Sequence[Row]) -> int:
        """Update the rows in the caller's transaction and return how many matched."""
        ordered = [[row[index] for index in self._order] for row in rows]
        return self._codec.run(session, self._sqlite, self._postgresql, ordered)


class _Codec:
    """Turns rows into what each database is given, column by column."""

    def __init__(self, columns: Sequence[Column[Any]]) -> None:
        types = [column.type.compile(dialect=_POSTGRESQL) for column in columns]
        self.arrays = ", ".join(f"%s::{name}[]" for name in types)
        self._literals = [_literal_of(column) for column in columns]
        self._stored = [_stored_of(column) for column in columns]

    def run(self, session: Session, sqlite: str, postgresql: str, rows: Sequence[Row]) -> int:
        """Execute the database's own statement and return how many rows it touched."""
        if not rows:
            return 0
        connection = session.connection()
        values = zip(*rows, strict=True)
        if connection.dialect.name == "postgresql":
            return connection.exec_driver_sql(postgresql, tuple(map(_array, self._literals, values))).rowcount
        return connection.exec_driver_sql(sqlite, self._as_stored(values)).rowcount

    def run_telling(
        self, session: Session, sqlite: str, postgresql: str, rows: Sequence[Row]
    ) -> list[tuple[Any, ...]]:
        """Execute the database's own statement and return what it tells about the rows it touched."""
        if not rows:
            return []
        connection = session.connection()
        values = zip(*rows, strict=True)
        if connection.dialect.name == "postgresql":
            literals = tuple(map(_array, self._literals, values))
            return [tuple(row) for row in connection.exec_driver_sql(postgresql, literals)]
        # SQLite tells nothing about many rows at once.
        cursor = connection.connection.cursor()
        return [told for row in self._as_stored(values) for told in cursor.execute(sqlite, row).fetchall()]

    def _as_stored(self, values: Iterable[Row]) -> list[Row]:
        return list(zip(*map(_column, self._stored, values), strict=True))


def _array(encode: Encode, values: Row) -> str:
    """Return one column as an array literal of PostgreSQL."""
    first = values[0]
    if values.count(first) == len(values):  # The instant of the batch, mostly.
        return "{" + ",".join(["NULL" if first is None else encode(first)] * len(values)) + "}"
    return "{" + ",".join(["NULL" if value is None else encode(value) for value in values]) + "}"


def _column(encode: Encode | None, values: Row) -> Row:
    """Return one column as SQLite stores it."""
    if encode is None:
        return values
    first = values[0]
    if values.count(first) == len(values):  # The instant of the batch, mostly.
        return [None if first is None else encode(first)] * len(values)
    return [None if value is None else encode(value) for value in values]


def _quoted(value: str) -> str:
    if "\\" in value or '"' in value:
        value = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + value + '"'


def _quoted_instant(at: datetime) -> str:
    return '"' + instant_text(at) + '"'


def _quoted_bytes(value: bytes) -> str:
    return f'"\\\\x{value.hex()}"'


def _truth(value: bool) -> str:  # noqa: FBT001 - a column's value
    return "t" if value else "f"


_NUMBERS: Final = (Integer, BigInteger, SmallInteger, Double)


def _literal_of(column: Column[Any]) -> Encode:
    """Return how one value of the column stands inside an array literal of PostgreSQL."""
    kind = column.type
    if isinstance(kind, UUIDType):
        return str
    if isinstance(kind, UtcDateTime):
        return _quoted_instant
    if isinstance(kind, Boolean):
        return _truth
    if isinstance(kind, _NUMBERS):
        return repr
    if isinstance(kind, LargeBinary):
        return _quoted_bytes
    if isinstance(kind, String | JSON):
        return _quoted
    message = f"no way is known to write many values of {kind!r}"
    raise AssertionError(message)


def _stored_of(column: Column[Any]) -> Encode | None:
    """Return how SQLite stores one value of the column; None where it is as it is."""
    kind = column.type
    if isinstance(kind, UUIDType):
        return str
    if isinstance(kind, UtcDateTime):
        return instant_text
    return None
