"""What an owner with bad intentions could do to the books: guards off, then a change of one value."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import Connection, and_, create_engine, exc, select, text, update

from nerava.ledger import model

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from sqlalchemy import Column, ColumnElement, Row, Table
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

LOOK_AWAY: Final = frozenset({
    # How far an account may go, and whether it is open, is the owner's to change; it is not the past.
    "ledger_balance.floor", "ledger_balance.ceiling", "ledger_balance.closed",
    # Notes about an account and when it was opened; no amount rests on them.
    "ledger_account.owner", "ledger_account.created_at", "ledger_account.metadata",
    # How an asset is shown, and when a seal was written: no amount rests on them either.
    "ledger_asset.scale", "ledger_asset.kind", "ledger_seal.sealed_at",
})  # fmt: skip
"""Columns that are settings or notes, not history."""


class Tampering(NamedTuple):
    """One change to the books: what it was, and the names of which one must be in the finding."""

    what: str
    names: frozenset[str]


def drop_every_guard(database: Database) -> int:
    """Remove every trigger that guards the ledger, as its owner can; return how many there were."""
    return database.run(_drop_triggers)


def _drop_triggers(session: Session | Connection) -> int:
    connection = session if isinstance(session, Connection) else session.connection()
    on_sqlite = connection.dialect.name == "sqlite"
    if on_sqlite:
        query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'ledger%'"
    else:
        query = """SELECT tgname, tgrelid::regclass::text FROM pg_trigger
                   WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'ledger%'"""
    triggers = connection.execute(text(query)).all()
    for name, table in triggers:
        connection.execute(text(f"DROP TRIGGER {name}" + ("" if on_sqlite else f" ON {table}")))
    return len(triggers)


@contextmanager
def as_owner(url: str) -> Iterator[Connection]:
    """Open the database as its owner, triggers and foreign keys out of the way; commit at the end."""
    engine = create_engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SET session_replication_role = replica"))
            _drop_triggers(connection)
            yield connection
    finally:
        engine.dispose()


def columns() -> list[Column[Any]]:
    """Return every column of the ledger that states a fact."""
    tables = [table for name, table in model.transfer.metadata.tables.items() if name.startswith("ledger_")]
    return [one for table in tables for one in table.columns if f"{table.name}.{one.name}" not in LOOK_AWAY]


def change_one_value(connection: Connection, rng: Random, column: Column[Any]) -> Tampering | None:
    """Change one value of a column a little, in a row that lets itself be changed; None if there is none."""
    table = column.table
    rows = connection.execute(select(table)).all()
    for row in rng.sample(rows, len(rows)):
        value = getattr(row, column.name)
        changed = _a_little_off(value, column, rng)
        if changed == value:
            continue
        try:
            with connection.begin_nested():
                connection.execute(update(table).where(is_row(table, row)).values({column.name: changed}))
        except exc.IntegrityError:
            continue  # A constraint holds this row; another may have none.
        what = f"{table.name}.{column.name} from {value!r} to {changed!r}"
        before = row._asdict()
        return Tampering(
            what, names_of(connection, before) | names_of(connection, {**before, column.name: changed})
        )
    return None


def _a_little_off(value: Any, column: Column[Any], rng: Random) -> Any:
    match value:
        case None:
            return None
        case int() if column.type.python_type is bool:
            return type(value)(1 - value)
        case int():
            return value + rng.choice((-1, 1)) * rng.randint(1, 3)
        case bytes():
            place = rng.randrange(len(value))
            return value[:place] + bytes([value[place] ^ 1 << rng.randrange(8)]) + value[place + 1 :]
        case uuid.UUID():
            return uuid.UUID(int=value.int ^ 1 << rng.randrange(60))
        case datetime():
            return value + rng.choice((-1, 1)) * timedelta(microseconds=10 ** rng.randrange(8))
        case dict():
            return {**value, "number": -1}
        case str():
            return _another_text(value, column, rng)
    raise AssertionError(f"{column} holds a {type(value).__name__}")


def _another_text(value: str, column: Column[Any], rng: Random) -> str:
    if column is model.transfer.c.kind:
        return rng.choice(["direct", "hold", "capture", "release", "expire"])
    if column is model.transfer.c.metadata:  # Text on SQLite; it has to stay readable.
        return '{"number":-1}'
    place = rng.randrange(len(value))
    return value[:place] + chr(ord(value[place]) ^ 1) + value[place + 1 :]


def is_row(table: Table, row: Row[Any]) -> ColumnElement[bool]:
    """Return the condition that finds this row of a table."""
    return and_(*(column == getattr(row, column.name) for column in table.primary_key.columns))


def names_of(connection: Connection, values: dict[str, Any]) -> frozenset[str]:
    """Return what a finding may call a row: its id, its key, its batch, its account, its height."""
    names = ("id", "key", "code", "account_id", "hold_id", "batch_id", "lot_id")
    found = {str(values[name]) for name in names if values.get(name)}
    if "height" in values:
        found.add(f"{values['lane']}/{values['height']}")
    account = values.get("account_id")
    if account is not None:
        code = connection.execute(select(model.account.c.code).where(model.account.c.id == account)).scalar()
        found.add(str(code))
    return frozenset(found)
