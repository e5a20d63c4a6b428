"""Readers of the outbox: each goes on from where it was, under a lease, and waits for no other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.outbox.model import OutboxConsumer, OutboxEvent

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from sqlalchemy.orm import Session

LEASE: Final = timedelta(seconds=60)
KEPT: Final = timedelta(days=30)
KEPT_AT_MOST: Final = timedelta(days=90)
"""Even for a reader that has not come this far."""

REMOVED_AT_ONCE: Final = 5_000
_T: Final[Any] = OutboxEvent.__table__
_C: Final[Any] = _T.c


@dataclass(frozen=True, slots=True)
class Told:
    """An event as its readers get it.

    Attributes:
        position: Grows by one from event to event; of two about one subject the later has the greater.
    """

    position: int
    id: UUID
    type: str
    version: int
    subject_id: UUID
    driver_id: UUID | None
    merchant_id: UUID | None
    sponsor_id: UUID | None
    partner_id: UUID | None
    data: Mapping[str, Any]
    happened_at: datetime
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """The right of one worker to go on for one reader, until the lease is over.

    Attributes:
        position: Of the last event that was dealt with.
    """

    name: str
    position: int
    fence: int


def take_turn(session: Session, name: str, now: datetime) -> Reading | None:
    """Let the caller go on for a reader for a minute; None if somebody does, or it is to wait.

    A reader that is new begins with the oldest event there is.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    new = {"name": name, "position": 0, "fence": 0, "next_at": now}
    session.execute(dialect.insert(OutboxConsumer).values(new).on_conflict_do_nothing())
    free = or_(OutboxConsumer.leased_until.is_(None), OutboxConsumer.leased_until <= now)
    turn = (
        update(OutboxConsumer)
        .where(OutboxConsumer.name == name, OutboxConsumer.next_at <= now, free)
        .values(fence=OutboxConsumer.fence + 1, leased_until=now + LEASE)
        .returning(OutboxConsumer.position, OutboxConsumer.fence)
    )
    row = session.execute(turn).one_or_none()
    return None if row is None else Reading(name, row.position, row.fence)


def move_on(
    session: Session,
    reading: Reading,
    position: int,
    next_at: datetime,
    *,
    trouble: str | None = None,
) -> bool:
    """End a turn at a position; False if another worker has taken over, and nothing may be written.

    Args:
        session: The caller's transaction, in which the effect of the events is written as well.
        reading: The turn.
        position: Of the last event that is dealt with.
        next_at: Not before; now when there is nothing against it.
        trouble: Why it does not go on, as one word.
    """
    mine = update(OutboxConsumer).where(
        OutboxConsumer.name == reading.name, OutboxConsumer.fence == reading.fence
    )
    values = {"position": position, "next_at": next_at, "leased_until": None, "trouble": trouble}
    ended = session.execute(mine.values(values).returning(OutboxConsumer.name))
    return ended.one_or_none() is not None


def events_after(session: Session, position: int, limit: int) -> list[Told]:
    """Return the next events after a position, in order."""
    query = select(*(_C[name] for name in Told.__slots__)).where(_C.position > position)
    return [Told(*row) for row in session.execute(query.order_by(_C.position).limit(limit))]


def remove_old(session: Session, readers: Collection[str], now: datetime) -> int:
    """Remove events that are older than 30 days and that the named readers have read; return how many.

    At most 5,000 at once. A reader that stands still keeps what it has not read for 90 days.
    """
    oldest = session.scalar(select(_C.happened_at).order_by(_C.number).limit(1))
    if oldest is None or oldest > now - KEPT:
        return 0
    positions: Sequence[int] = session.scalars(
        select(OutboxConsumer.position).where(OutboxConsumer.name.in_(list(readers)))
    ).all()
    newest = min(positions, default=0)
    head = session.scalar(select(func.max(_C.position))) or 0
    read_by_all = min(newest, head) if readers else head
    over = or_(
        (_C.happened_at <= now - KEPT) & (_C.position <= read_by_all),
        (_C.happened_at <= now - KEPT_AT_MOST) & _C.position.is_not(None),
    )
    some = select(_C.number).where(over).order_by(_C.number).limit(REMOVED_AT_ONCE)
    gone = session.execute(delete(_T).where(_C.number.in_(some)).returning(_C.number))
    return len(gone.all())
