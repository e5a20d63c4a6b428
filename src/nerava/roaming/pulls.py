"""Which peer's module is to be read next, how far one is, and when it is read again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select, update

from nerava.roaming.model import Module, RoamingPull

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

EVERY: Final = {
    Module.SESSIONS: timedelta(hours=1),
    Module.CDRS: timedelta(hours=1),
    Module.LOCATIONS: timedelta(hours=24),
    Module.TARIFFS: timedelta(hours=24),
}
SPLAY: Final = 0.1
"""How far a reading may shift, so that peers are not asked by everybody on the hour."""

OVERLAP: Final = timedelta(hours=1)
FIRST_LOOK_BACK: Final = timedelta(days=31)
LEASE: Final = timedelta(seconds=60)
"""Longer than a page can take: the deadline of a call is 20 s."""

FRESH: Final = timedelta(minutes=15)
PAUSE: Final = timedelta(minutes=1)
PAUSE_MAX: Final = timedelta(hours=6)
_P: Final[Any] = RoamingPull.__table__


@dataclass(frozen=True, slots=True)
class Turn:
    """A page that one worker is to read; what it writes counts only while nobody took the lease after it."""

    peer_id: UUID
    module: Module
    fence: int
    next_url: str | None
    since: datetime | None
    total: int | None


def claim(session: Session, now: datetime, *, of: tuple[UUID, Module] | None = None) -> Turn | None:
    """Take the reading that is due for the longest time, for a minute; None when nothing is due.

    With `of` the reading of that module of a peer, due or not; None when another worker has it.
    """
    free = or_(_P.c.leased_until.is_(None), _P.c.leased_until <= now)
    query = select(RoamingPull).where(free)
    if of is None:
        query = query.where(_P.c.due_at <= now)
    else:
        query = query.where(_P.c.peer_id == of[0], _P.c.module == of[1].value)
    row = session.scalars(
        query.order_by(_P.c.due_at, _P.c.peer_id).limit(1).with_for_update(skip_locked=True)
    ).one_or_none()
    if row is None:
        return None
    row.leased_until, row.fence = now + LEASE, row.fence + 1
    if row.began_at is None or row.next_url is None:
        row.began_at, row.next_url, row.total = now, None, None
    session.flush()
    module = Module(row.module)
    since = None
    if module in {Module.SESSIONS, Module.CDRS}:
        since = now - FIRST_LOOK_BACK if row.read_until is None else row.read_until - OVERLAP
    return Turn(row.peer_id, module, row.fence, row.next_url, since, row.total)


def page_read(
    session: Session, turn: Turn, now: datetime, *, next_url: str | None, total: int | None
) -> bool:
    """Note that a page was read: the next one is due, or, after the last one, the next reading.

    Returns False when another worker has taken the reading over.
    """
    row = _held(session, turn)
    if row is None:
        return False
    row.leased_until, row.failures, row.failure = None, 0, None
    row.next_url, row.total = next_url, total
    if next_url is None:
        row.read_until, row.began_at = row.began_at, None
        every = EVERY[turn.module]
        row.due_at = now + every * random.uniform(1 - SPLAY, 1 + SPLAY)  # noqa: S311 - no secret
    else:
        row.due_at = now
    session.flush()
    return True


def failed(
    session: Session, turn: Turn, now: datetime, code: str, not_before: datetime | None = None
) -> None:
    """Note that a page could not be read: the same one is due later, longer after each failure."""
    row = _held(session, turn)
    if row is None:
        return
    row.leased_until, row.failure = None, code[:60]
    row.due_at = max(now + min(PAUSE * 2 ** min(row.failures, 10), PAUSE_MAX), not_before or now)
    row.failures = min(row.failures + 1, 1_000)
    if row.failures > 1:
        # A page that fails twice may be gone, with a link that names it: begin again.
        row.next_url = None
    session.flush()


def hasten(session: Session, peer_id: UUID, module: Module, now: datetime) -> None:
    """Let a module be read now, unless that was done a moment ago."""
    stale = or_(_P.c.read_until.is_(None), _P.c.read_until < now - FRESH)
    mine = (_P.c.peer_id == peer_id) & (_P.c.module == module.value) & (_P.c.due_at > now)
    session.execute(
        update(RoamingPull).where(mine, stale, _P.c.failures == 0).values(due_at=now),
        execution_options={"synchronize_session": False},
    )


def pulls_of(session: Session, peer_id: UUID) -> list[RoamingPull]:
    """Return how far the readings of a peer are."""
    return list(session.scalars(select(RoamingPull).where(_P.c.peer_id == peer_id).order_by(_P.c.module)))


def ask_now(session: Session, peer_id: UUID, now: datetime) -> int:
    """Let everything of a peer be read now and return how many modules that is."""
    rows = pulls_of(session, peer_id)
    for row in rows:
        row.due_at = now
    session.flush()
    return len(rows)


def _held(session: Session, turn: Turn) -> RoamingPull | None:
    row = session.get(RoamingPull, (turn.peer_id, turn.module.value), with_for_update=True)
    return row if row is not None and row.fence == turn.fence else None
