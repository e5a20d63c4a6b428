"""Swaps the charging sites of an area, each with the one location that it stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import delete, select

from nerava.charging.ingest import NewConnector, NewLocation, register_connectors, register_locations
from nerava.charging.locating import Description, describe_locations
from nerava.discovery import edits
from nerava.discovery.model import ChargingSite, ChargingSiteAlias
from nerava.discovery.neighbours import Neighbourhood, looks_of
from nerava.discovery.site_values import DOCUMENTS, FACTS, values_of
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.discovery.areas import Area
    from nerava.discovery.staging import Staged

_T: Final[Any] = ChargingSite.__table__
_ALIAS: Final[Any] = ChargingSiteAlias.__table__
_STATE: Final = ("absences", "gone_at", "imported_at")
_RANKS: Final = ("ocpi", "csv", "nlr", "ocm", "osm")
"""Who is believed first about a site that several know: its operator, then whoever looks after a list."""

_NEW: Final = BulkInsert(
    _T,
    (
        "id", "location_id", "source", "reference", "matched_by", "is_shown", "links_wanted",
        "links_counted", *FACTS, *_STATE,
    ),
)  # fmt: skip
_CHANGED: Final = BulkUpdate(_T, match=("id",), assign=(*FACTS, *_STATE))
_SEEN: Final = BulkUpdate(_T, match=("id",), assign=_STATE)
_HIDE: Final = BulkUpdate(_T, match=("id",), assign=("is_shown",))
_SHOW: Final = BulkUpdate(_T, match=("id",), assign=("is_shown",), add=("links_wanted",))
_NAMED: Final = BulkInsert(_ALIAS, ("alias", "site_id"), if_new=True)


def swap_sites(session: Session, area: Area, staged: Sequence[Staged]) -> None:
    """Write the sites of an area, find or make their locations, and choose who stands for each."""
    known = _known(session, area.source, [one.reference for one in staged])
    fresh = {one.reference: one for one in staged if _is_news(known.get(one.reference), one)}
    values = edits.laid_over(
        session, edits.SITE, area.source, {name: values_of(one) for name, one in fresh.items()}
    )
    locations = {row.reference: row.location_id for row in known.values()}
    matched = _locate(
        session, area, {name: one for name, one in values.items() if name not in known}, locations
    )
    sites: dict[str, UUID] = {row.reference: row.id for row in known.values()}
    new, changed, seen = [], [], []
    for one in staged:
        before, after = known.get(one.reference), values.get(one.reference)
        if after is not None:
            facts = [
                orjson.dumps(after[name]).decode() if name in DOCUMENTS else after[name] for name in FACTS
            ]
            state = (0, None, area.now)
            if before is None:
                sites[one.reference] = site_id = new_id()
                names = (locations[one.reference], area.source, one.reference, matched.get(one.reference))
                new.append((site_id, *names, False, 1, 0, *facts, *state))
            else:
                changed.append((before.id, *facts, *state))
        elif before is not None and (before.absences or before.gone_at):
            seen.append((before.id, 0, None, area.now))
        else:
            area.counts["same"] += 1
    _NEW.run(session, new)
    _CHANGED.run(session, changed)
    _SEEN.run(session, seen)
    area.counts.update(added=len(new), merged=len(matched), changed=len(changed), returned=len(seen))
    _name(session, area.source, values, sites, known)
    _equip(session, values, locations)
    gone = _let_go(session, area)
    back = {known[one.reference].location_id for one in staged if one.reference in known} if seen else set()
    moved = {locations[name] for name in values if name in known and _is_elsewhere(known[name], values[name])}
    _show(session, {locations[name] for name in values} | back | gone, moved)


def _known(session: Session, source: str, references: list[str]) -> dict[str, Any]:
    columns = (
        _T.c.id, _T.c.reference, _T.c.location_id, _T.c.fingerprint, _T.c.absences, _T.c.gone_at,
        _T.c.latitude, _T.c.longitude,
    )  # fmt: skip
    query = select(*columns).where(_T.c.source == source, _T.c.reference.in_(references))
    return {row.reference: row for row in session.execute(query)}


def _is_news(before: Any, one: Staged) -> bool:  # noqa: ANN401 - a row
    return before is None or before.fingerprint != one.fingerprint


def _is_elsewhere(before: Any, after: Mapping[str, Any]) -> bool:  # noqa: ANN401 - a row
    return (before.latitude, before.longitude) != (after["latitude"], after["longitude"])


def _locate(
    session: Session,
    area: Area,
    new: Mapping[str, Mapping[str, Any]],
    locations: dict[str, UUID],
) -> dict[str, str]:
    """Give every new site a location, one that is there or its own; return who was matched, and why."""
    around = Neighbourhood(session, area.source, new)
    matched: dict[str, str] = {}
    own: list[NewLocation] = []
    for reference, values in new.items():
        looks = looks_of(area.source, None, values, around.names(reference, values))
        found = around.match(looks)
        if found is None:
            own.append(
                NewLocation(
                    source=area.source,
                    reference=reference,
                    name=values["name"],
                    timezone=values["timezone"],
                    latitude=values["latitude"],
                    longitude=values["longitude"],
                )
            )
            continue
        matched[reference] = found.because
        locations[reference] = found.location_id
        around.add(looks_of(area.source, found.location_id, values, frozenset()))
    made = register_locations(session, own) if own else {}
    locations.update((reference, location_id) for (_, reference), location_id in made.items())
    return matched


def _name(
    session: Session,
    source: str,
    values: Mapping[str, Mapping[str, Any]],
    sites: Mapping[str, UUID],
    known: Mapping[str, Any],
) -> None:
    """Keep the names in the world of sites that are new or changed."""
    stale = [sites[reference] for reference in values if reference in known]
    if stale:
        session.execute(delete(_ALIAS).where(_ALIAS.c.site_id.in_(stale)))
    rows = {
        (alias, sites[reference])
        for reference, one in values.items()
        for alias in (f"{source}:{reference}", *one["aliases"])
    }
    _NAMED.run(session, sorted(rows))


def _equip(session: Session, values: Mapping[str, Mapping[str, Any]], locations: Mapping[str, UUID]) -> None:
    """Make the units that a source names known where sessions look for them."""
    connectors = [
        NewConnector(
            location_id=locations[reference],
            evse=evse["reference"],
            reference=name,
            power_w_max=plug["power_w_max"],
        )
        for reference, one in values.items()
        for evse in one["evses"]
        for name, plug in evse["connectors"].items()
    ]
    for at in range(0, len(connectors), 5_000):
        register_connectors(session, connectors[at : at + 5_000])


def _let_go(session: Session, area: Area) -> set[UUID]:
    rows, gone = [], []
    for row in area.absent(session, _T, "site"):
        is_gone = row.absences + 1 >= area.absences_max
        rows.append((row.id, row.absences + 1, area.now if is_gone else None, row.imported_at))
        if is_gone:
            gone.append(row)
    _HIDE.run(session, [(row.id, False) for row in gone])
    _SEEN.run(session, rows)
    area.counts.update(gone=len(gone), absent=len(rows) - len(gone))
    return {row.location_id for row in gone}


def end_sites(session: Session, source: str, references: Sequence[str], now: datetime) -> None:
    """Mark sites gone and let other sources stand for their locations. Repeats safely."""
    columns = (_T.c.id, _T.c.location_id, _T.c.absences, _T.c.imported_at)
    query = select(*columns).where(
        _T.c.source == source, _T.c.reference.in_(references), _T.c.gone_at.is_(None)
    )
    rows = session.execute(query).all()
    _HIDE.run(session, [(row.id, False) for row in rows])
    _SEEN.run(session, [(row.id, row.absences + 1, now, row.imported_at) for row in rows])
    _show(session, {row.location_id for row in rows}, set())


def _show(session: Session, locations: set[UUID], moved: set[UUID]) -> None:
    """Choose the row that stands for each location, and let the location take its name and position."""
    columns = (
        _T.c.id, _T.c.location_id, _T.c.source, _T.c.reference, _T.c.is_shown, _T.c.is_exact,
        _T.c.name, _T.c.latitude, _T.c.longitude,
    )  # fmt: skip
    best: dict[UUID, Any] = {}
    rows = [
        row
        for part in _parts(sorted(locations))
        for row in session.execute(select(*columns).where(_T.c.location_id.in_(part), _T.c.gone_at.is_(None)))
    ]
    for row in rows:
        if row.location_id not in best or _precedence(row) < _precedence(best[row.location_id]):
            best[row.location_id] = row
    chosen = {row.id for row in best.values()}
    _HIDE.run(session, [(row.id, False) for row in rows if row.is_shown and row.id not in chosen])
    appearing = [row for row in best.values() if not row.is_shown]
    again = [row for row in best.values() if row.is_shown and row.location_id in moved]
    _SHOW.run(session, [(row.id, True, 1) for row in (*appearing, *again)])
    describe_locations(
        session,
        [Description(row.location_id, row.name, row.latitude, row.longitude) for row in best.values()],
    )


def _precedence(row: Any) -> tuple[object, ...]:  # noqa: ANN401 - a row
    family = row.source.partition(":")[0]
    rank = _RANKS.index(family) if family in _RANKS else len(_RANKS)
    return (rank, not row.is_exact, row.source, row.reference)


def _parts(values: list[UUID]) -> Iterable[list[UUID]]:
    return (values[at : at + 5_000] for at in range(0, len(values), 5_000))
