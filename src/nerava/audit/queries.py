"""Reading the audit log, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from nerava.audit import model

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_E: Final = model.entry.c


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry as it is stored; the hashes and the sealed difference are left out.

    Attributes:
        seq: Its place in the chain; None while it waits for the sealer.
        at: Aware UTC.
        has_difference: Whether what changed is kept, sealed under the key of whom it is about.
    """

    id: UUID
    seq: int | None
    at: datetime
    actor_kind: str
    actor_id: str
    role: str | None
    session_id: str | None
    action: str
    object_kind: str
    object_id: str
    tenant_id: str | None
    reason: str | None
    ticket: str | None
    request_id: str | None
    ip_prefix: str | None
    client_kind: str | None
    result: str
    has_difference: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries are asked for; None means all of them.

    Attributes:
        object_id: Looked up together with its kind.
    """

    action: str | None = None
    actor_id: str | None = None
    object_kind: str | None = None
    object_id: str | None = None


def entries(
    session: Session, wanted: Wanted, *, before: UUID | None = None, limit: int = 50
) -> list[EntryView]:
    """Return at most `limit` entries, the newest first, those older than the entry `before`."""
    query = select(model.entry, model.block.c.height).outerjoin(model.block, model.block.c.entry_id == _E.id)
    for column in (_E.action, _E.actor_id, _E.object_kind, _E.object_id):
        value = getattr(wanted, column.name)
        if value is not None:
            query = query.where(column == value)
    if before is not None:
        query = query.where(_E.id < before)
    rows = session.execute(query.order_by(_E.id.desc()).limit(limit))
    return [
        EntryView(
            id=row.id,
            seq=row.height,
            at=row.at,
            actor_kind=row.actor_kind,
            actor_id=row.actor_id,
            role=row.role,
            session_id=row.session_id,
            action=row.action,
            object_kind=row.object_kind,
            object_id=row.object_id,
            tenant_id=row.tenant_id,
            reason=row.reason,
            ticket=row.ticket,
            request_id=row.request_id,
            ip_prefix=row.ip_prefix,
            client_kind=row.client_kind,
            result=row.result,
            has_difference=row.diff_ciphertext is not None,
        )
        for row in rows
    ]
