"""Keeps series of regions: a settled value is never changed, a correction is written beside it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from nerava.grid.carbon import Interval, Region, Signal
from nerava.grid.model import GridCarbon, GridRegion, GridSession
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

FORECAST_EDITION: Final = 1
_CARBON: Final[Any] = GridCarbon.__table__
_C: Final[Any] = _CARBON.c
_REGION: Final[Any] = GridRegion.__table__
_SESSION: Final[Any] = GridSession.__table__
_NEW_REGION: Final = BulkInsert(_REGION, ("id", "source", "name", "signal", "next_at"), if_new=True)
_WRITE: Final = BulkInsert(
    _CARBON, ("region_id", "starts_at", "is_settled", "edition", "ends_at", "mg_per_kwh", "fetched_at")
)
_FORECAST_AGAIN: Final = BulkUpdate(
    _CARBON,
    match=("region_id", "starts_at", "is_settled", "edition"),
    assign=("ends_at", "mg_per_kwh", "fetched_at"),
)


def register_region(session: Session, source: str, name: str, signal: str, *, now: datetime) -> UUID:
    """Make a region known, to be read at once, and return its id. Repeats safely."""
    _NEW_REGION.run(session, [(new_id(), source, name, signal, now)])
    query = select(_REGION.c.id).where(
        _REGION.c.source == source, _REGION.c.name == name, _REGION.c.signal == signal
    )
    region_id: UUID = session.execute(query).scalar_one()
    return region_id


def regions(session: Session, ids: Collection[UUID]) -> dict[UUID, Region]:
    """Return regions by id."""
    query = select(_REGION).where(_REGION.c.id.in_(list(ids)))
    return {row.id: Region(row.source, row.name, Signal(row.signal)) for row in session.execute(query)}


def save_series(session: Session, region_id: UUID, series: Iterable[Interval], now: datetime) -> int:
    """Keep what a source said in the caller's unit of work; return how many settled values are new.

    A settled value that differs from the one that is known becomes its next edition, and sessions that
    were decided by what was known are looked at again. Repeats safely.
    """
    told = {(one.starts_at, one.is_settled): one for one in series}
    if not told:
        return 0
    first, last = min(key[0] for key in told), max(one.ends_at for one in told.values())
    known = _editions(session, region_id, first, last)
    new, again, settled = [], [], []
    for key, one in told.items():
        before = known.get(key)
        if before is not None and before[1:] == (one.ends_at, one.mg_per_kwh):
            continue
        values = (one.ends_at, one.mg_per_kwh, now)
        if one.is_settled:
            new.append((region_id, *key, 1 if before is None else before[0] + 1, *values))
            settled.append(one)
        elif before is None:
            new.append((region_id, *key, FORECAST_EDITION, *values))
        else:
            again.append((region_id, *key, FORECAST_EDITION, *values))
    _WRITE.run(session, new)
    _FORECAST_AGAIN.run(session, again)
    if settled:
        _look_again(session, region_id, min(settled).starts_at, max(one.ends_at for one in settled), now)
    return len(settled)


def series_of(
    session: Session, region_ids: Collection[UUID], since: datetime, until: datetime
) -> Mapping[UUID, Sequence[Interval]]:
    """Return the intervals that touch a time, by start: where there is a settled value that one alone."""
    query = select(_CARBON).where(
        _C.region_id.in_(list(region_ids)), _C.starts_at < until, _C.ends_at > since
    )
    latest: dict[UUID, dict[datetime, Interval]] = defaultdict(dict)
    # Forecasts come first, then editions as they rose: what comes last counts.
    for row in session.execute(query.order_by(_C.is_settled, _C.edition)):
        latest[row.region_id][row.starts_at] = Interval(
            row.starts_at, row.ends_at, row.mg_per_kwh, row.is_settled
        )
    return {region_id: sorted(found.values()) for region_id, found in latest.items()}


def _editions(
    session: Session, region_id: UUID, since: datetime, until: datetime
) -> dict[tuple[datetime, bool], tuple[int, datetime, int]]:
    query = select(_CARBON).where(_C.region_id == region_id, _C.starts_at >= since, _C.starts_at < until)
    return {
        (row.starts_at, row.is_settled): (row.edition, row.ends_at, row.mg_per_kwh)
        for row in session.execute(query.order_by(_C.edition))
    }


def _look_again(session: Session, region_id: UUID, since: datetime, until: datetime, now: datetime) -> None:
    """Have the sessions of a time looked at again; rows are locked in the order that decisions take."""
    met = select(_SESSION.c.session_id).where(
        _SESSION.c.region_id == region_id, _SESSION.c.started_at < until, _SESSION.c.ended_at > since
    )
    ids = session.scalars(met.order_by(_SESSION.c.session_id).with_for_update()).all()
    if ids:
        change = update(_SESSION).where(_SESSION.c.session_id.in_(ids), _SESSION.c.region_id == region_id)
        session.execute(change.values(next_at=now))
