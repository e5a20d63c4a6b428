"""What an owner with bad intentions could do to the books: guards off, then a change anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import text

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database


def drop_every_guard(database: Database) -> int:
    """Remove every trigger that guards the ledger, as its owner can; return how many there were."""

    def work(session: Session) -> int:
        if database.is_sqlite:
            query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND tbl_name LIKE 'ledger%'"
        else:
            query = """SELECT tgname, tgrelid::regclass::text FROM pg_trigger
                       WHERE NOT tgisinternal AND tgrelid::regclass::text LIKE 'ledger%'"""
        triggers = session.execute(text(query)).all()
        for name, table in triggers:
            session.execute(text(f"DROP TRIGGER {name}" + ("" if database.is_sqlite else f" ON {table}")))
        return len(triggers)

    return database.run(work)
