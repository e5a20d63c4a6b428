"""Watches over the books: what an invariant forbids becomes an alarm within a quarter of an hour.

Every look checks what is there now. As long as that is quick it checks all of history too; on books
that have grown, a proof does that once a day (`nerava.ledger.proving`). Nothing is corrected here.
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
HISTORY: Final = "history"
CHAIN: Final = "chain"
_NOW: Final = "now"
_OURS: Final = frozenset(check.name for check in CHECKS)
EVERY_LOOK: Final = ("crossings-are-young", "work-is-done-in-time", "disputes-are-answered")
"""What every look finds by itself, without a check."""


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
        light = HISTORY not in scopes
        found = self.database.read(lambda session: self._look(session, scopes, now), patient=True)
        took_ms = int((time.monotonic() - began) * 1_000)
        names = {check.name for check in (*CHECKS, *self.checks) if check.is_light or not light}

        def work(session: Session) -> list[Alarm]:
            took(session, scopes, now, took_ms)
            return note(session, found, now, looked_at=names.union(EVERY_LOOK))

        stop_if_broken(self.database.run(work, essential=True), self.stop, now)
        return 1

    def _look(self, session: Session, scopes: Sequence[str], now: datetime) -> list[Finding]:
        found = audit(session, self.checks, only_light=HISTORY not in scopes)
        return [*found, *late_crossings(session, now), *self.late(session, now)]


def stop_if_broken(new: Iterable[Alarm], stop: Callable[[str, datetime], object], now: datetime) -> None:
    """Stop all money if one of the new alarms is about an invariant of the ledger itself."""
    broken = sorted({one.name for one in new} & _OURS)
    if broken:
        stop(f"the audit found: {', '.join(broken)}", now)


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


def begin(session: Session, now: datetime) -> None:
    """Count from now when a look of each scope was: there was none yet."""
    rows = [{"scope": scope, "looked_at": now, "took_ms": 0} for scope in (_NOW, HISTORY, CHAIN)]
    session.execute(insert(watch), rows)


def took(session: Session, scopes: Iterable[str], at: datetime, took_ms: int) -> None:
    """Write down when a look of these scopes was, and how long it took."""
    mine = update(watch).where(_W.scope.in_(scopes))
    session.execute(mine.values(looked_at=at, took_ms=took_ms))


def note(
    session: Session, found: Iterable[Finding], now: datetime, *, looked_at: Iterable[str]
) -> list[Alarm]:
    """Write down what a look found and what it found no more; return the alarms that are new.

    Args:
        session: The caller's unit of work.
        found: What is broken.
        now: Aware UTC.
        looked_at: Names of the checks that ran; alarms of others stay as they are.
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
    ran = {*looked_at, *(one.check for one in seen.values())}
    gone = [row.id for place, row in open_now.items() if place not in seen and row.name in ran]
    if gone:
        session.execute(update(alarm).where(_A.id.in_(gone)).values(over_at=now))
    return new


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
        begin(session, now)
        return []
    if now - known[_NOW].looked_at < EVERY:
        return []
    due = [_NOW, HISTORY] if known[HISTORY].took_ms <= QUICK_MS else [_NOW]
    session.execute(update(watch).where(_W.scope.in_(due)).values(looked_at=now))
    return due
