"""Writing the audit log: one row in the transaction of the change it tells of."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import func, insert

from nerava.audit import model
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.audit.entries import Entry

_SQLITE_NOW: Final = "%Y-%m-%dT%H:%M:%f000+00:00"


class AuditLog:
    """The one door to the audit log. Safe to share between threads."""

    def record(self, session: Session, entry: Entry, now: datetime | None = None) -> UUID:
        """Write an entry in the caller's transaction and return its id.

        It stands when that commits; so it is written together with what it tells of, or not at
        all. `now` is aware UTC; without it the database's own time is taken.
        """
        entry_id = new_id()
        session.execute(
            insert(model.entry).values(
                id=entry_id,
                at=now if now is not None else _database_time(session),
                actor_kind=str(entry.actor_kind),
                actor_id=entry.actor_id,
                role=entry.role,
                session_id=_text(entry.session_id),
                action=entry.action,
                object_kind=entry.object_kind,
                object_id=entry.object_id,
                tenant_id=_text(entry.tenant_id),
                reason=entry.reason,
                ticket=entry.ticket,
                request_id=entry.request_id,
                ip_prefix=entry.ip_prefix,
                client_kind=entry.client_kind,
                before_hash=_hash(entry.before),
                after_hash=_hash(entry.after),
                diff_ciphertext=None,
                result=str(entry.result),
            )
        )
        session.execute(insert(model.unsealed).values(entry_id=entry_id))
        return entry_id


def record(session: Session, entry: Entry, now: datetime | None = None) -> UUID:
    """Write an entry without a vault: what changed is kept as hashes alone. As `AuditLog.record`."""
    return _LOG.record(session, entry, now)


_LOG: Final = AuditLog()


def _database_time(session: Session) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "postgresql":
        return func.clock_timestamp()
    return func.strftime(_SQLITE_NOW, "now")


def _text(value: UUID | str | None) -> str | None:
    return None if value is None else str(value)


def _hash(fields: Mapping[str, object] | None) -> bytes | None:
    return None if fields is None else hashlib.sha256(_canonical(fields)).digest()


def _canonical(fields: Mapping[str, object]) -> bytes:
    return orjson.dumps(dict(fields), option=orjson.OPT_SORT_KEYS)
