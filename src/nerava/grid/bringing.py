"""Brings a recorded series in at its own instants: for the past, which no worker reads."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select

from nerava.charging.model import ChargingLocation
from nerava.grid.model import GridSite
from nerava.grid.store import register_region, save_series
from nerava.kernel.outcomes import Ok
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.grid.ports import CarbonSource
    from nerava.platform.db import Database

AT_ONCE: Final = timedelta(days=30)
_LOCATION: Final[Any] = ChargingLocation.__table__.c
_SITE: Final[Any] = GridSite.__table__
_PLACE: Final = BulkInsert(_SITE, ("location_id", "signal", "region_id", "asked_at"), if_new=True)


class Brought(NamedTuple):
    """How many values are new, and how many charging locations lie in the region now."""

    values: int
    sites: int


def bring_series(
    database: Database,
    source: CarbonSource,
    region: str,
    span: tuple[datetime, datetime],
    now: datetime,
) -> Brought | None:
    """Bring a region's series of a time in, a month at a time, and let sites without a region lie in it.

    Sessions whose values come with it are decided once more by the worker. Repeats safely, and goes on
    after it was killed; None where the source does not tell.
    """
    kind = (source.source, region, source.signal.value)
    region_id = database.run(lambda session: register_region(session, *kind, now=now), repeatable=True)
    at, until = span
    values = 0
    while at < until:
        end = min(at + AT_ONCE, until)
        told = source.series(region, at, end)
        if not isinstance(told, Ok):
            return None
        series = told.value
        values += database.run(
            lambda session, page=series: save_series(session, region_id, page, now),  # type: ignore[misc]
            repeatable=True,
        )
        at = end
    return Brought(
        values, database.run(lambda session: _place_others(session, region_id, kind[2], now), repeatable=True)
    )


def _place_others(session: Session, region_id: UUID, signal: str, now: datetime) -> int:
    known = select(_SITE.c.location_id).where(_SITE.c.signal == signal)
    others = session.scalars(select(_LOCATION.id).where(_LOCATION.id.not_in(known))).all()
    return _PLACE.run(session, [(location_id, signal, region_id, now) for location_id in others])
