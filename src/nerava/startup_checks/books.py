"""The books themselves: what was sealed last is still there, and our role cannot rewrite it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import exc, text

from nerava.audit import rights as audit_rights
from nerava.identity import access_store
from nerava.kernel.errors import NeravaError
from nerava.ledger import alarm_store
from nerava.ledger import rights as ledger_rights
from nerava.ledger.verify import verify_tail
from nerava.payouts import rights as payout_rights
from nerava.platform.db import Database, EngineOptions
from nerava.settlements import rights as settlement_rights
from nerava.startup_checks.findings import DATABASE_URL, Finding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

    from nerava.platform.db.roles import TableRights
    from nerava.settings import Settings

GUARDED: Final = (
    *ledger_rights.RIGHTS,
    *alarm_store.RIGHTS,
    *audit_rights.RIGHTS,
    *access_store.RIGHTS,
    *payout_rights.RIGHTS,
    *settlement_rights.RIGHTS,
)

_HELD: Final = text("""
SELECT has_table_privilege(c.oid, 'UPDATE') AS may_update,
       has_any_column_privilege(c.oid, 'UPDATE') AS may_update_some,
       has_table_privilege(c.oid, 'DELETE') AS may_delete,
       has_table_privilege(c.oid, 'TRUNCATE') AS may_truncate
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relname = :table""")


def books(settings: Settings) -> list[Finding]:
    """Find books that end otherwise than they were sealed, and rights that would let us change them."""
    database = Database(settings.database.address, EngineOptions(pool_size=1))
    try:
        return database.read(lambda session: _look(session, settings, is_sqlite=database.is_sqlite))
    except (NeravaError, exc.SQLAlchemyError) as error:
        return [Finding(DATABASE_URL, f"the books cannot be read ({type(error).__name__})")]
    finally:
        database.close()


def excess(session: Session, guarded: Iterable[TableRights]) -> list[str]:
    """Return the tables with which the session's role may do more than `guarded` allows. PostgreSQL only."""
    found = []
    for one in guarded:
        held = session.execute(_HELD, {"table": one.table}).one_or_none()
        if held is None:
            continue
        too_much = (
            held.may_update
            or held.may_truncate
            or (held.may_update_some and not one.updates)
            or (held.may_delete and "DELETE" not in one.actions)
        )
        if too_much:
            found.append(one.table)
    return found


def _look(session: Session, settings: Settings, *, is_sqlite: bool) -> list[Finding]:
    found = [
        Finding(DATABASE_URL, f"the books are damaged at their end: {one.check} {one.subject}")
        for one in verify_tail(session)
    ]
    if settings.is_strict and not is_sqlite and (tables := excess(session, GUARDED)):
        said = f"its role may change history ({', '.join(tables)}); see `nerava migrate --role`"
        found.append(Finding(DATABASE_URL, said))
    return found
