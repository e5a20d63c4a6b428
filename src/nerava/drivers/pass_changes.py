"""What makes passes be looked at, and what ends them; in the caller's transaction, asking nobody outside."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.drivers.pass_store import PassState, WalletPass, WalletPassDevice, WalletPassTag

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sqlalchemy.orm import Session

PUSHES_APART: Final = timedelta(minutes=1)
"""However often something moves, phones are told of a pass once in so long."""

_PASS: Final[Any] = WalletPass.__table__
_TAG: Final[Any] = WalletPassTag.__table__


def next_tag(session: Session, now: datetime) -> int:
    """Take the next number of a change: milliseconds of the clock, or one more than the last if that is more.

    Whoever takes one holds back the others until the transaction ends, so it is taken late in it.
    """
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    clock_ms = int(now.timestamp() * 1_000)
    taken = dialect.insert(WalletPassTag).values(id=1, tag=clock_ms)
    greater = case((_TAG.c.tag >= clock_ms, _TAG.c.tag + 1), else_=clock_ms)
    upsert = taken.on_conflict_do_update(index_elements=["id"], set_={"tag": greater})
    return int(session.execute(upsert.returning(_TAG.c.tag)).scalar_one())


def last_tag(session: Session) -> int:
    """Return the number of the last change that is committed; 0 before the first."""
    return session.scalar(select(_TAG.c.tag)) or 0


def look_again(session: Session, driver_ids: Collection[UUID], now: datetime) -> int:
    """Have the passes of drivers looked at soon, each a minute after it was last told; return how many."""
    found = 0
    mine = _PASS.c.driver_id.in_(driver_ids), _PASS.c.state == PassState.ACTIVE.value
    rested = or_(_PASS.c.pushed_at.is_(None), _PASS.c.pushed_at <= now - PUSHES_APART)
    at_once = update(_PASS).where(*mine, rested, _PASS.c.next_at > now).values(next_at=now)
    found += len(session.execute(at_once.returning(_PASS.c.id)).all())
    waiting = select(_PASS.c.id, _PASS.c.pushed_at, _PASS.c.next_at).where(*mine, ~rested)
    for row in session.execute(waiting.order_by(_PASS.c.id).with_for_update(key_share=True)).all():
        if row.next_at > row.pushed_at + PUSHES_APART:
            later = update(_PASS).where(_PASS.c.id == row.id)
            session.execute(later.values(next_at=row.pushed_at + PUSHES_APART))
            found += 1
    return found


def void(session: Session, driver_ids: Collection[UUID], now: datetime, *, kind: str | None = None) -> int:
    """End the good passes of drivers, of one kind or of all; return how many. Repeats safely.

    What could make them again goes at once; phones are told by the next round of the worker.
    """
    mine = update(_PASS).where(_PASS.c.driver_id.in_(driver_ids), _PASS.c.state == PassState.ACTIVE.value)
    if kind is not None:
        mine = mine.where(_PASS.c.kind == kind)
    ended = mine.values(state=PassState.VOIDED.value, sealed=None, next_at=now, attempts=0)
    return len(session.execute(ended.returning(_PASS.c.id)).all())


def forget_device(session: Session, pass_id: UUID, push_token: str) -> None:
    """Forget a phone that Apple does not know any more; the pass's other phones stay. Repeats safely."""
    session.execute(
        delete(WalletPassDevice).where(
            WalletPassDevice.pass_id == pass_id, WalletPassDevice.push_token == push_token
        )
    )


def devices_of(session: Session, pass_id: UUID) -> int:
    """Return how many phones have a pass."""
    query = select(func.count()).select_from(WalletPassDevice).where(WalletPassDevice.pass_id == pass_id)
    return session.scalar(query) or 0
