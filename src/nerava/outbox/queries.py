"""How far events are behind: those that have no position yet, and those that a reader has not read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select

from nerava.outbox.model import OutboxConsumer, OutboxEvent, OutboxHead

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

COUNTED_MAX: Final = 10_000
ORDER: Final = "order"
"""The step before all readers: giving positions."""

NO_LAG: Final = timedelta(0)
_EVENT: Final[Any] = OutboxEvent
_READER: Final[Any] = OutboxConsumer


class Behind(NamedTuple):
    """How far one reader is behind.

    Attributes:
        events: How many events it has not read; of `order` at most 10,000 are counted.
        lag: The age of the oldest of them; zero where there is none.
    """

    reader: str
    events: int
    lag: timedelta


def behind(session: Session, now: datetime) -> list[Behind]:
    """Return how far every reader is behind, and first of all the step that gives positions (`order`)."""
    unordered = _EVENT.position.is_(None)
    some = select(_EVENT.number).where(unordered).limit(COUNTED_MAX).subquery()
    number = session.scalar(select(func.count()).select_from(some)) or 0
    first = select(_EVENT.happened_at).where(unordered).order_by(_EVENT.number).limit(1)
    found = [Behind(ORDER, number, _age(session.scalar(first) if number else None, now))]
    head = session.scalar(select(OutboxHead.position)) or 0
    for name, position in session.execute(select(_READER.name, _READER.position)).all():
        unread = select(_EVENT.happened_at).where(_EVENT.position > position).order_by(_EVENT.position)
        oldest = session.scalar(unread.limit(1)) if head > position else None
        found.append(Behind(name, max(0, head - position), _age(oldest, now)))
    return found


def _age(at: datetime | None, now: datetime) -> timedelta:
    return NO_LAG if at is None else max(NO_LAG, now - at)
