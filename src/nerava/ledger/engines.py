"""Which statements speak to which database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nerava.ledger.store_postgresql import PostgresEngine
from nerava.ledger.store_sqlite import SqliteEngine
from nerava.platform.db.unit_session import UnitSession

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger.store import Engine


def engine_for(session: Session) -> Engine:
    """Return the engine that works on the session's own connection and transaction."""
    cursor = session.driver_cursor() if isinstance(session, UnitSession) else _cursor_of(session)
    if session.get_bind().dialect.name == "postgresql":
        return PostgresEngine(cursor)
    return SqliteEngine(cursor)


def _cursor_of(session: Session) -> Any:  # noqa: ANN401 - a cursor of psycopg or sqlite3
    return session.connection().connection.cursor()
