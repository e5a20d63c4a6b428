"""Keeps the series and tariffs of the regions of known charging sites fresh; one region at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import and_, or_, select, tuple_, update

from nerava.charging.model import ChargingLocation
from nerava.grid.facts import PATIENCE
from nerava.grid.model import TARIFFS, GridRegion, GridSite
from nerava.grid.store import register_region, save_series
from nerava.grid.tariff_keeping import save_tariffs
from nerava.grid.watching import look_again
from nerava.kernel.geography import Point
from nerava.kernel.outcomes import Ok, Outcome, Refused, RetryLater
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.grid.ports import CarbonSource, TariffSource
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

REACH_BACK: Final = timedelta(days=30)
"""However long nothing was read, no more than this is read at once."""

FORECAST: Final = timedelta(days=1)
LEASE: Final = timedelta(minutes=5)
"""Who reads a region has it so long; then it is anybody's again."""

SOON: Final = timedelta(minutes=5)
LATER: Final = timedelta(hours=1)
ASKED_AGAIN: Final = timedelta(days=7)
"""After that a site is asked about again for which no region was known."""

SITES_AT_ONCE: Final = 20
_REGION: Final[Any] = GridRegion.__table__
_SITE: Final[Any] = GridSite.__table__
_LOCATION: Final[Any] = ChargingLocation.__table__
_NEW_SITE: Final = BulkInsert(_SITE, ("location_id", "signal", "region_id", "asked_at"), if_new=True)


class _Kind(NamedTuple):
    """What one source is read for: its name, the signal or `tariffs`, and how."""

    source: str
    signal: str
    every: timedelta
    region_at: Callable[[Point | None], Outcome[str]]
    read: Callable[[str, datetime | None, datetime], Outcome[Callable[[Session, UUID], int]]]


class _Due(NamedTuple):
    region_id: UUID
    kind: _Kind
    name: str
    read_until: datetime | None


class _Found(NamedTuple):
    """Which region a source knows a location in; None is none."""

    location_id: UUID
    region: str | None


class GridKeeping:
    """The background work about the grid; safe beside other workers, and to kill at any point.

    Args:
        database: Where series are kept.
        carbon: At most one source for each signal.
        tariffs: Where tariffs come from; None where nobody is asked.
    """

    def __init__(
        self, database: Database, carbon: Sequence[CarbonSource] = (), tariffs: TariffSource | None = None
    ) -> None:
        self._database = database
        kinds = [_of_carbon(one) for one in carbon] + ([] if tariffs is None else [_of_tariffs(tariffs)])
        self._kinds = {one.signal: one for one in kinds}
        if len(self._kinds) < len(kinds):
            message = "one source for each signal"
            raise AssertionError(message)
        self._has_begun = False

    def look(self, now: datetime) -> int:
        """Have sessions decided once more whose values have come or changed."""
        return self._database.run(lambda session: look_again(session, now), repeatable=True)

    def find_regions(self, now: datetime) -> int:
        """Ask in which regions charging sites lie that nobody asked about; return how many are known now."""
        return sum(self._find(kind, now) for kind in self._kinds.values())

    def read_due(self, now: datetime) -> int:
        """Read the region that is due the longest; return 1, or 0 if none is."""
        if not self._has_begun:
            self._database.run(lambda session: self._begin(session, now), repeatable=True)
            self._has_begun = True
        due = self._database.run(lambda session: self._claim(session, now))
        if due is None:
            return 0
        outcome = due.kind.read(due.name, due.read_until, now)
        self._database.run(lambda session: self._keep(session, due, outcome, now), repeatable=True)
        return 1

    def _find(self, kind: _Kind, now: datetime) -> int:
        found = 0
        places = self._database.read(lambda session: _unknown_sites(session, kind, now))
        for location_id, place in places:
            outcome = kind.region_at(place)
            if not isinstance(outcome, Ok | Refused):
                log.warning("%s does not say where charging sites lie: %s", kind.source, outcome.code)
                break
            name = outcome.value if isinstance(outcome, Ok) else None
            site = _Found(location_id, name)
            self._database.run(lambda session, it=site: _place(session, kind, it, now), repeatable=True)  # type: ignore[misc]
            found += 1
        return found

    def _begin(self, session: Session, now: datetime) -> None:
        """Let regions of sources that are not asked any more rest, and others be read."""
        ours = tuple_(_REGION.c.source, _REGION.c.signal).in_(
            [(one.source, one.signal) for one in self._kinds.values()]
        )
        session.execute(update(_REGION).where(~ours).values(next_at=None))
        session.execute(update(_REGION).where(ours, _REGION.c.next_at.is_(None)).values(next_at=now))

    def _claim(self, session: Session, now: datetime) -> _Due | None:
        query = select(_REGION).where(_REGION.c.next_at <= now).order_by(_REGION.c.next_at, _REGION.c.id)
        row = session.execute(query.limit(1).with_for_update(skip_locked=True, key_share=True)).one_or_none()
        if row is None:
            return None
        kind = self._kinds.get(row.signal)
        if kind is None or kind.source != row.source:
            session.execute(update(_REGION).where(_REGION.c.id == row.id).values(next_at=None))
            return None
        session.execute(update(_REGION).where(_REGION.c.id == row.id).values(next_at=now + LEASE))
        return _Due(row.id, kind, row.name, row.read_until)

    def _keep(
        self, session: Session, due: _Due, outcome: Outcome[Callable[[Session, UUID], int]], now: datetime
    ) -> None:
        change = update(_REGION).where(_REGION.c.id == due.region_id)
        if isinstance(outcome, Ok):
            outcome.value(session, due.region_id)
            session.execute(change.values(read_until=now, next_at=now + due.kind.every))
            return
        log.warning("%s cannot be read for %s: %s", due.kind.source, due.name, outcome.code)
        wait = now + (SOON if isinstance(outcome, RetryLater) else LATER)
        if isinstance(outcome, RetryLater) and outcome.not_before is not None:
            wait = max(wait, outcome.not_before)
        session.execute(change.values(next_at=wait))


def _of_carbon(source: CarbonSource) -> _Kind:
    def read(
        name: str, read_until: datetime | None, now: datetime
    ) -> Outcome[Callable[[Session, UUID], int]]:
        since = now - PATIENCE if read_until is None else read_until - source.corrects_within
        told = source.series(name, max(since, now - REACH_BACK), now + FORECAST)
        if not isinstance(told, Ok):
            return told
        series = told.value
        return Ok(lambda session, region_id: save_series(session, region_id, series, now))

    return _Kind(source.source, source.signal.value, source.every, source.region_at, read)


def _of_tariffs(source: TariffSource) -> _Kind:
    def read(
        name: str, read_until: datetime | None, now: datetime
    ) -> Outcome[Callable[[Session, UUID], int]]:
        told = source.tariffs(name, read_until)
        if not isinstance(told, Ok):
            return told
        tariffs = told.value
        return Ok(lambda session, _region_id: save_tariffs(session, tariffs, now))

    return _Kind(source.source, TARIFFS, source.every, source.region_at, read)


def _unknown_sites(session: Session, kind: _Kind, now: datetime) -> list[tuple[UUID, Point | None]]:
    """Return some locations whose region is to be asked for, of this source."""
    query = (
        select(_LOCATION.c.id, _LOCATION.c.latitude, _LOCATION.c.longitude)
        .outerjoin(_SITE, and_(_SITE.c.location_id == _LOCATION.c.id, _SITE.c.signal == kind.signal))
        .outerjoin(_REGION, _REGION.c.id == _SITE.c.region_id)
        .where(
            or_(
                _SITE.c.location_id.is_(None),
                _REGION.c.source != kind.source,
                and_(_SITE.c.region_id.is_(None), _SITE.c.asked_at <= now - ASKED_AGAIN),
            )
        )
        .order_by(_LOCATION.c.id)
        .limit(SITES_AT_ONCE)
    )
    return [
        (row.id, None if row.latitude is None else Point(row.latitude, row.longitude))
        for row in session.execute(query)
    ]


def _place(session: Session, kind: _Kind, site: _Found, now: datetime) -> None:
    """Write down in which region a site lies; sessions that were decided keep theirs."""
    location_id, name = site
    region_id = None if name is None else register_region(session, kind.source, name, kind.signal, now=now)
    _NEW_SITE.run(session, [(location_id, kind.signal, region_id, now)])
    same = (_SITE.c.location_id == location_id, _SITE.c.signal == kind.signal)
    session.execute(update(_SITE).where(*same).values(region_id=region_id, asked_at=now))
