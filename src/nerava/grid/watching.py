"""Sessions that were decided by the grid: kept with their region, and decided once more when values come."""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import delete, select, update

from nerava.charging import service as charging
from nerava.grid.carbon import Signal
from nerava.grid.facts import GridWanted
from nerava.grid.model import GridSession
from nerava.grid.reading import read_grid
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.grid.carbon import CarbonFacts
    from nerava.grid.reading import GridReading

LOOKED_AT_EVERY: Final = timedelta(minutes=15)
_T: Final[Any] = GridSession.__table__
_G: Final[Any] = _T.c
_WATCH: Final = BulkInsert(
    _T,
    ("session_id", "signal", "region_id", "started_at", "ended_at", "is_final", "digest", "next_at"),
)


class _Watched(NamedTuple):
    """By what one session was decided."""

    session_id: UUID
    signal: Signal
    is_final: bool
    digest: str


def watch(
    session: Session,
    decided: Sequence[EvidencedSession],
    reading: GridReading,
    now: datetime,
) -> None:
    """Keep with sessions by what they were decided now, in the caller's unit of work; repeats safely.

    A session whose values are not whole yet is looked at every quarter of an hour; any is when one of
    its values is corrected.
    """
    ids = [one.id for one in decided]
    session.execute(
        select(_G.session_id).where(_G.session_id.in_(ids)).order_by(_G.session_id).with_for_update()
    ).all()
    session.execute(delete(_T).where(_G.session_id.in_(ids)))
    rows = [
        (
            one.id,
            signal.value,
            reading.regions[one.id, signal],
            one.started_at,
            one.ended_at,
            carbon.is_final,
            _digest(carbon),
            None if carbon.is_final else now + LOOKED_AT_EVERY,
        )
        for one in decided
        for signal, carbon in reading.facts[one.id].carbon.items()
    ]
    _WATCH.run(session, rows)


def look_again(session: Session, now: datetime, limit: int = 200) -> int:
    """Let sessions be decided once more whose values are whole now, or others; return how many were due.

    In the caller's unit of work. A session is decided once more only when nothing is missing, or
    `PATIENCE` after its end. Safe to repeat and beside other workers.
    """
    due = select(_G.session_id).where(_G.next_at <= now).order_by(_G.next_at, _G.session_id).limit(limit)
    ids = list(dict.fromkeys(session.scalars(due)))
    if not ids:
        return 0
    # In this order, as decisions do: sessions first, then what is kept of them.
    known = charging.lock_decided(session, ids)
    watched = _locked(session, ids)
    wanted = GridWanted(frozenset(one.signal for one in watched))
    reading = read_grid(session, list(known.values()), wanted, now)
    again, later, done = [], [], []
    for session_id in ids:
        one = known.get(session_id)
        if one is None:
            done.append(session_id)
            continue
        mine = [each for each in watched if each.session_id == session_id]
        facts = reading.facts[session_id].carbon
        if any(facts[each.signal].is_final and _differs(each, facts[each.signal]) for each in mine):
            again.append(session_id)
        elif not all(facts[each.signal].is_final for each in mine):
            later.append(session_id)
        done.append(session_id)
    charging.decide_again(session, again)
    session.execute(update(_T).where(_G.session_id.in_(done)).values(next_at=None))
    session.execute(update(_T).where(_G.session_id.in_(later)).values(next_at=now + LOOKED_AT_EVERY))
    return len(ids)


def _differs(before: _Watched, now_known: CarbonFacts) -> bool:
    return not before.is_final or before.digest != _digest(now_known)


def _locked(session: Session, ids: Sequence[UUID]) -> list[_Watched]:
    query = select(_T).where(_G.session_id.in_(ids)).order_by(_G.session_id, _G.signal).with_for_update()
    return [
        _Watched(row.session_id, Signal(row.signal), row.is_final, row.digest)
        for row in session.execute(query)
    ]


def _digest(carbon: CarbonFacts) -> str:
    """Return the checksum of a region and its values."""
    return hashlib.sha256(orjson.dumps([carbon.region, [list(one) for one in carbon.stretches]])).hexdigest()
