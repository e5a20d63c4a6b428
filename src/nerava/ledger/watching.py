"""Watches over the books: what an invariant forbids becomes an alarm within a quarter of an hour.

Every look checks what is there now. As long as that is quick it checks all of history too; on books
that have grown, history is read once a day. Once a day the hash chain is computed again. Nothing
is corrected here.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, update

from nerava.kernel.ids import new_id
from nerava.ledger import model
from nerava.ledger.alarm_store import alarm, watch
from nerava.ledger.audit import CHECKS, audit
from nerava.ledger.findings import Finding
from nerava.ledger.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from sqlalchemy.orm import Session

    from nerava.ledger.audit import Check
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

EVERY: Final = timedelta(minutes=15)
QUICK_MS: Final = 2_000
"""History is read at every look for as long as that took no longer the last time."""

CROSSING_MAX: Final = timedelta(minutes=10)
"""Money between two lanes arrives within moments; later somebody has to look."""

_A: Final = alarm.c
_W: Final[Any] = watch.c
_HISTORY: Final = "history"
_NOW: Final = "now"
_CHAIN: Final = "chain"
_OURS: Final = frozenset(check.name for check in CHECKS)


class Alarm(NamedTuple):
    """Something that no look may find: which check found it, at what, and since when it has been seen."""

    id: UUID
    name: str
    subject: str
    detail: str
    first_seen_at: datetime
    last_seen_at: datetime
    over_at: datetime | None


@dataclass(frozen=True, slots=True)
class Watching:
    """Looks over the books. Safe to share between threads and processes: one of them has each look.

    Attributes:
        checks: Of the packages that keep rows beside the ledger.
        late: Finds work that nobody does, whatever the books say.
        stop: Stops all money; called when an invariant of the ledger itself is broken.
    """

    database: Database
    checks: Sequence[Check]
    late: Callable[[Session, datetime], Sequence[Finding]]
    stop: Callable[[str, datetime], object]

    def run(self, now: datetime) -> int:
        """Look if a quarter of an hour is over and return 1, else 0. The first look comes a quarter later."""
        scopes = self.database.run(lambda session: _due(session, now), repeatable=True, essential=True)
        if not scopes:
            return 0
        began = time.monotonic()
        light = _HISTORY not in scopes
        found = self.database.read(lambda session: self._look(session, scopes, now), patient=True)
        took_ms = int((time.monotonic() - began) * 1_000)
        names = {check.name for check in (*CHECKS, *self.checks) if check.is_light or not light}
        new = self.database.run(
            lambda session: note(session, found, now, looked_at=names, took_ms=took_ms), essential=True
        )
        broken = sorted({one.name for one in new} & _OURS)
        if broken:
            self.stop(f"the audit found: {', '.join(broken)}", now)
        return 1

    def _look(self, session: Session, scopes: Sequence[str], now: datetime) -> list[Finding]:
        found = audit(session, self.checks, only_light=_HISTORY not in scopes)
        if _CHAIN in scopes:
            found += verify(session)
        return [*found, *late_crossings(session, now), *self.late(session, now)]


def late_crossings(session: Session, now: datetime) -> list[Finding]:
    """Return every crossing between lanes that has been on its way for more than ten minutes."""
    hold, transfer = model.open_hold.c, model.transfer.c
    query = (
        select(transfer.id, transfer.posted_at, hold.amount)
        .join(model.transfer, transfer.id == hold.hold_id)
        .where(transfer.template == "transit", transfer.posted_at < now - CROSSING_MAX)
        .order_by(transfer.posted_at)
        .limit(100)
    )
    return [
        Finding(
            "crossings-are-young", str(row.id), f"{row.amount} under way since {row.posted_at:%Y-%m-%d %H:%M}"
        )
        for row in session.execute(query)
    ]


def note(
    session: Session, found: Iterable[Finding], now: datetime, *, looked_at: Iterable[str], took_ms: int = 0
) -> list[Alarm]:
    """Write down what a look found and what it found no more; return the alarms that are new.

    Args:
        session: The caller's unit of work.
        found: What is broken.
        now: Aware UTC.
        looked_at: Names of the checks that ran; alarms of others stay as they are.
        took_ms: How long the look took.
    """
    open_now = {
        (row.name, row.about): row
        for row in session.execute(select(alarm).where(_A.over_at.is_(None)).with_for_update())
    }
    seen = {(one.check, one.subject): one for one in found}
    new = []
    for place, one in seen.items():
        if place in open_now:
            mine = update(alarm).where(_A.id == open_now[place].id)
            session.execute(mine.values(detail=one.detail, last_seen_at=now))
            continue
        row = Alarm(new_id(), one.check, one.subject, one.detail, now, now, None)
        session.execute(insert(alarm).values(dict(zip(_A.keys(), row, strict=True))))
        log.error("alarm: %s, %s: %s", one.check, one.subject, one.detail)
        new.append(row)
    ran = {*looked_at, *(one.check for one in seen.values()), "crossings-are-young"}
    gone = [row.id for place, row in open_now.items() if place not in seen and row.name in ran | _NOT_CHECKS]
    if gone:
        session.execute(update(alarm).where(_A.id.in_(gone)).values(over_at=now))
    session.execute(update(watch).where(_W.looked_at == now).values(took_ms=took_ms))
    return new


_NOT_CHECKS: Final = frozenset({"work-is-done-in-time"})
"""What every look finds by itself."""


def alarms(session: Session, *, is_open: bool, after: UUID | None, limit: int) -> list[Alarm]:
    """Return alarms that still ring, or those that are over, the oldest first, from behind the id `after`."""
    query = select(alarm).where(_A.over_at.is_(None) if is_open else _A.over_at.is_not(None))
    if after is not None:
        query = query.where(_A.id > after)
    return [Alarm(*row) for row in session.execute(query.order_by(_A.id).limit(limit))]


def _due(session: Session, now: datetime) -> list[str]:
    """Return what is looked at now and take it on; the look of an hour belongs to one process."""
    known = {row.scope: row for row in session.execute(select(watch).with_for_update())}
    if not known:
        rows = [{"scope": scope, "looked_at": now, "took_ms": 0} for scope in (_NOW, _HISTORY, _CHAIN)]
        session.execute(insert(watch), rows)
        return []
    if now - known[_NOW].looked_at < EVERY:
        return []
    due = [_NOW]
    if known[_HISTORY].took_ms <= QUICK_MS or known[_HISTORY].looked_at.date() < now.date():
        due.append(_HISTORY)
    if known[_CHAIN].looked_at.date() < now.date():
        due.append(_CHAIN)
    session.execute(update(watch).where(_W.scope.in_(due)).values(looked_at=now))
    return due
