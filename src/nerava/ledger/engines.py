"""Which statements speak to which database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.ledger.store_postgresql import PostgresEngine
from nerava.ledger.store_sqlite import SqliteEngine

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger.store import Engine


def engine_for(session: Session) -> Engine:
    """Return the engine that works on the session's own connection and transaction."""
    connection = session.connection()
    cursor = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        return PostgresEngine(cursor)
    return SqliteEngine(cursor)
