"""Reading what providers told, for people who look into a case, and giving a dead event another chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from nerava.inbound.model import EventState, InboundEvent

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class EventView:
    """An event without its body."""

    id: UUID
    provider: str
    account: str
    event_id: str
    kind: str
    object_id: str
    state: EventState
    attempts: int
    trouble: str | None
    received_at: datetime
    due_at: datetime | None
    done_at: datetime | None


def events(session: Session, state: EventState, *, after: UUID | None = None, limit: int) -> list[EventView]:
    """Return events in this state, the newest first, those older than `after`."""
    query = select(InboundEvent).where(InboundEvent.state == state.value)
    if after is not None:
        query = query.where(InboundEvent.id < after)
    return [_view(row) for row in session.scalars(query.order_by(InboundEvent.id.desc()).limit(limit))]


def revive(session: Session, event_id: UUID, now: datetime) -> bool:
    """Make a dead event due again for another day; return whether there is such a one."""
    statement = (
        update(InboundEvent)
        .where(InboundEvent.id == event_id, InboundEvent.state == EventState.DEAD.value)
        .where(InboundEvent.body.is_not(None))
        .values(state=EventState.RETRY.value, due_at=now, received_at=now, attempts=0, done_at=None)
        .returning(InboundEvent.id)
    )
    return session.execute(statement).one_or_none() is not None


def _view(row: InboundEvent) -> EventView:
    return EventView(
        id=row.id,
        provider=row.provider,
        account=row.account,
        event_id=row.event_id,
        kind=row.kind,
        object_id=row.object_id,
        state=EventState(row.state),
        attempts=row.attempts,
        trouble=row.trouble,
        received_at=row.received_at,
        due_at=row.due_at,
        done_at=row.done_at,
    )
