"""Reads what the grid did during sessions, from series, sites and tariffs that are known; asks nobody."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select, tuple_

from nerava.grid.carbon import CarbonFacts, Region, Signal, stretches_of
from nerava.grid.facts import PATIENCE, GridFacts, GridWanted
from nerava.grid.model import GridSession, GridSite, GridTariff
from nerava.grid.store import regions, series_of
from nerava.grid.tariffs import Tariff, TariffFacts, TariffName, periods_of_document, schedule_of, spans_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.grid.carbon import Interval

_SITE: Final[Any] = GridSite.__table__.c
_SESSION: Final[Any] = GridSession.__table__.c
_TARIFF: Final[Any] = GridTariff.__table__


class Lying(NamedTuple):
    """Where a session lies in the grid. `is_known` is False until somebody has asked for its region."""

    region_id: UUID | None
    is_known: bool


_NOT_ASKED: Final = Lying(None, is_known=False)


class _Series:
    """Intervals of one region by start, of which a session's are found without looking at all of them."""

    def __init__(self, intervals: Sequence[Interval]) -> None:
        self._intervals = intervals
        self._starts = [one.starts_at for one in intervals]
        self._longest = max((one.ends_at - one.starts_at for one in intervals), default=timedelta(0))

    def around(self, started_at: datetime, ended_at: datetime) -> Sequence[Interval]:
        """Return all that touch a time, and perhaps some before it."""
        first = bisect_left(self._starts, started_at - self._longest)
        return self._intervals[first : bisect_left(self._starts, ended_at)]


class GridReading(NamedTuple):
    """What was read for some sessions: the facts, and the region of each for each signal."""

    facts: Mapping[UUID, GridFacts]
    regions: Mapping[tuple[UUID, Signal], UUID | None]


def read_grid(
    session: Session, sessions: Sequence[EvidencedSession], wanted: GridWanted, now: datetime | None
) -> GridReading:
    """Return what rules may ask about the grid during these sessions, as far as it is wanted.

    A session keeps the region that it was first decided with; any other lies in that of its site.

    Args:
        session: The caller's unit of work.
        sessions: Which.
        wanted: Signals and tariffs.
        now: The instant of the decision; None takes what is known as all there will ever be.
    """
    carbon: dict[UUID, dict[Signal, CarbonFacts]] = defaultdict(dict)
    found: dict[tuple[UUID, Signal], UUID | None] = {}
    for signal in sorted(wanted.signals):
        lying = _lying(session, sessions, signal)
        series, names = _series(session, sessions, lying)
        for one in sessions:
            where = lying.get(one.id, _NOT_ASKED)
            found[one.id, signal] = where.region_id
            name = "" if where.region_id is None else str(names[where.region_id])
            known = None if where.region_id is None else series.get(where.region_id)
            met = () if known is None else known.around(one.started_at, one.ended_at)
            carbon[one.id][signal] = _carbon(one, name, met, now, is_known=where.is_known)
    versions = _versions(session, wanted.tariffs)
    tariffs = {one.id: _tariffs(one, versions) for one in sessions}
    return GridReading({one.id: GridFacts(carbon[one.id], tariffs[one.id]) for one in sessions}, found)


def tariff_of(row: Any) -> Tariff:  # noqa: ANN401 - a row of the table
    """Return the tariff of a row."""
    return Tariff(
        source=row.source,
        reference=row.reference,
        called=TariffName(row.utility, row.name),
        starts_on=None if row.starts_on is None else date.fromisoformat(row.starts_on),
        ends_on=None if row.ends_on is None else date.fromisoformat(row.ends_on),
        periods=periods_of_document(row.document),
        weekday=schedule_of(row.document["weekday"]),
        weekend=schedule_of(row.document["weekend"]),
    )


def _carbon(
    one: EvidencedSession,
    region: str,
    series: Iterable[Interval],
    now: datetime | None,
    *,
    is_known: bool,
) -> CarbonFacts:
    read = CarbonFacts(region, is_final=True, stretches=stretches_of(series, one.started_at, one.ended_at))
    is_whole = read.covered_us(one.started_at, one.ended_at) == one.duration_us
    is_nowhere = is_known and not region
    is_over = now is None or now >= one.ended_at + PATIENCE
    return read._replace(is_final=(is_whole and bool(region)) or is_nowhere or is_over)


def _lying(session: Session, sessions: Sequence[EvidencedSession], signal: Signal) -> dict[UUID, Lying]:
    """Return where sessions lie: what was kept with them, else what is known of their sites."""
    ids, places = [one.id for one in sessions], {one.location_id for one in sessions}
    by_site = select(_SITE.location_id, _SITE.region_id).where(
        _SITE.location_id.in_(places), _SITE.signal == signal.value
    )
    sites = {row.location_id: Lying(row.region_id, is_known=True) for row in session.execute(by_site)}
    kept = select(_SESSION.session_id, _SESSION.region_id).where(
        _SESSION.session_id.in_(ids), _SESSION.signal == signal.value, _SESSION.region_id.is_not(None)
    )
    lying = {one.id: sites[one.location_id] for one in sessions if one.location_id in sites}
    lying |= {row.session_id: Lying(row.region_id, is_known=True) for row in session.execute(kept)}
    return lying


def _series(
    session: Session, sessions: Sequence[EvidencedSession], lying: Mapping[UUID, Lying]
) -> tuple[Mapping[UUID, _Series], Mapping[UUID, Region]]:
    ids = {one.region_id for one in lying.values() if one.region_id is not None}
    if not ids:
        return {}, {}
    since, until = min(one.started_at for one in sessions), max(one.ended_at for one in sessions)
    found = series_of(session, ids, since, until)
    return {region_id: _Series(one) for region_id, one in found.items()}, regions(session, ids)


def _versions(session: Session, names: Collection[TariffName]) -> dict[TariffName, list[Tariff]]:
    found: dict[TariffName, list[Tariff]] = {name: [] for name in names}
    if not names:
        return found
    query = select(_TARIFF).where(tuple_(_TARIFF.c.utility, _TARIFF.c.name).in_(list(names)))
    for row in session.execute(query):
        one = tariff_of(row)
        found[one.called].append(one)
    return found


def _tariffs(
    one: EvidencedSession, versions: Mapping[TariffName, Sequence[Tariff]]
) -> dict[TariffName, TariffFacts]:
    return {
        name: spans_of(known, one.started_at, one.ended_at, one.timezone) for name, known in versions.items()
    }
