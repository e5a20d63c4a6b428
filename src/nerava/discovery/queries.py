"""What drivers ask: chargers around a point or in a box, and what there is to walk to from one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import select

from nerava.charging.model import ChargingLocation
from nerava.discovery.cells import inside
from nerava.discovery.errors import UnknownLocation
from nerava.discovery.matching import names_agree
from nerava.discovery.model import ChargingSite, DiscoverySource, Place, WalkLink
from nerava.discovery.opening import Opening, OpenState, opening_at
from nerava.discovery.site_values import bit_of
from nerava.kernel.geography import Point, box_around, metres_between

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.discovery.records import Access, Category, PlugKind
    from nerava.kernel.geography import Box

SAME_PLACE_M: Final = 40
"""A merchant puts its own pin where the door is; a map, where the house is."""

_SITE: Final[Any] = ChargingSite.__table__
_PLACE: Final[Any] = Place.__table__
_LINK: Final[Any] = WalkLink.__table__
_LOCATION: Final[Any] = ChargingLocation.__table__
_SOURCE: Final[Any] = DiscoverySource.__table__


class Reference(NamedTuple):
    """What a source calls a location, and why it was taken for the same as another source's."""

    source: str
    reference: str
    matched_by: str | None


@dataclass(frozen=True, slots=True)
class ChargerView:
    """A charging location as drivers see it: the words of its best source, the references of all.

    `distance_m` is as the crow flies, where a point was asked for.
    """

    location_id: UUID
    site: Mapping[str, Any]
    timezone: str
    references: tuple[Reference, ...]
    distance_m: int | None = None


@dataclass(frozen=True, slots=True)
class PlaceView:
    """A place and the way to it."""

    place: Mapping[str, Any]
    metres: int
    minutes: int
    is_estimate: bool
    opening: Opening


@dataclass(frozen=True, slots=True, kw_only=True)
class ChargerFilter:
    """What a charger must have. `power_w_min` is met by a plug of the asked kind."""

    plug: PlugKind | None = None
    power_w_min: int | None = None
    access: Access | None = None
    network: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return what the database can tell; `fits` tells the rest."""
        found: list[ColumnElement[bool]] = []
        if self.plug is not None:
            found.append(_SITE.c.plug_bits.bitwise_and(bit_of(self.plug)) != 0)
        if self.power_w_min is not None:
            found.append(_SITE.c.power_w_max >= self.power_w_min)
        if self.access is not None:
            found.append(_SITE.c.access == self.access.value)
        if self.network is not None:
            found.append(_SITE.c.network == self.network)
        return found

    def fits(self, plugs: Sequence[Mapping[str, Any]]) -> bool:
        """Whether one of the plugs is both of the kind and strong enough."""
        if self.plug is None or self.power_w_min is None:
            return True
        return any(
            plug["kind"] == self.plug and (plug["power_w_max"] or 0) >= self.power_w_min for plug in plugs
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceFilter:
    """What a place must be like. `state` at the instant that is asked about."""

    category: Category | None = None
    minutes_max: int | None = None
    state: OpenState | None = None


ANY_CHARGER: Final = ChargerFilter()
ANY_PLACE: Final = PlaceFilter()


class Nearness(NamedTuple):
    """Where a list by distance goes on: after this distance and location."""

    distance_m: int
    location_id: UUID


class Walk(NamedTuple):
    """Where a list by way goes on: after this place, so far away."""

    metres: int
    place_id: UUID


def chargers_around(
    session: Session,
    point: Point,
    *,
    radius_m: int,
    wanted: ChargerFilter = ANY_CHARGER,
    after: Nearness | None = None,
    limit: int = 50,
) -> list[ChargerView]:
    """Return the locations within so many metres, the nearest first, those after a place in the list."""
    columns = (_SITE.c.id, _SITE.c.location_id, _SITE.c.latitude, _SITE.c.longitude, _SITE.c.plugs)
    here = inside(_SITE.c, box_around(point, radius_m))
    query = select(*columns).where(here, _SITE.c.gone_at.is_(None), _SITE.c.is_shown, *wanted.conditions())
    near = sorted(
        (Nearness(metres_between(point, Point(row.latitude, row.longitude)), row.location_id), row.id)
        for row in session.execute(query)
        if wanted.fits(row.plugs)
    )
    page = [
        (nearness, site_id)
        for nearness, site_id in near
        if nearness.distance_m <= radius_m and (after is None or nearness > after)
    ][:limit]
    distances = {site_id: nearness.distance_m for nearness, site_id in page}
    return _views(session, list(distances), distances)


def chargers_in(
    session: Session,
    box: Box,
    *,
    wanted: ChargerFilter = ANY_CHARGER,
    after: UUID | None = None,
    limit: int = 50,
) -> list[ChargerView]:
    """Return the locations in a box by id, those after one of them."""
    here = (inside(_SITE.c, box), _SITE.c.gone_at.is_(None), _SITE.c.is_shown)
    query = select(_SITE.c.id, _SITE.c.location_id, _SITE.c.plugs).where(*here, *wanted.conditions())
    if after is not None:
        query = query.where(_SITE.c.location_id > after)
    found = sorted((row.location_id, row.id) for row in session.execute(query) if wanted.fits(row.plugs))
    return _views(session, [site_id for _, site_id in found[:limit]], {})


def charger(session: Session, location_id: UUID) -> ChargerView:
    """Return a location.

    Raises:
        UnknownLocation: No source shows a location with this id (404).
    """
    query = select(_SITE.c.id).where(_SITE.c.location_id == location_id, _SITE.c.is_shown)
    site_id = session.scalar(query)
    if site_id is None:
        raise UnknownLocation(f"no charging location {location_id}")
    return _views(session, [site_id], {})[0]


def places_from(
    session: Session,
    location: ChargerView,
    at: datetime,
    *,
    wanted: PlaceFilter = ANY_PLACE,
    after: Walk | None = None,
    first: Collection[UUID] = (),
    limit: int = 50,
) -> list[PlaceView]:
    """Return what is within ten minutes on foot, the nearest way first, those after a place in the list.

    Places in `first` come before all others, by their way as well.
    """
    ways = (_LINK.c.place_id, _LINK.c.metres, _LINK.c.minutes, _LINK.c.is_estimate)
    query = (
        select(*ways, _PLACE.c.opening_hours, _PLACE.c.latitude, _PLACE.c.longitude)
        .join(_PLACE, _PLACE.c.id == _LINK.c.place_id)
        .where(_LINK.c.location_id == location.location_id, _PLACE.c.gone_at.is_(None))
    )
    if wanted.category is not None:
        query = query.where(_PLACE.c.category == wanted.category.value)
    if wanted.minutes_max is not None:
        query = query.where(_LINK.c.minutes <= wanted.minutes_max)
    found: list[tuple[Walk, Any, Opening]] = []
    rows = session.execute(query)
    for row in sorted(rows, key=lambda row: (row.place_id not in first, Walk(row.metres, row.place_id))):
        walk = Walk(row.metres, row.place_id)
        if len(found) == limit or (after is not None and walk <= after):
            continue
        opening = opening_at(
            row.opening_hours, at, timezone=location.timezone, position=Point(row.latitude, row.longitude)
        )
        if wanted.state is None or opening.state is wanted.state:
            found.append((walk, row, opening))
    whole = select(_PLACE).where(_PLACE.c.id.in_([walk.place_id for walk, _, _ in found]))
    places = {row["id"]: row for row in session.execute(whole).mappings()}
    return [
        PlaceView(dict(places[walk.place_id]), row.metres, row.minutes, row.is_estimate, opening)
        for walk, row, opening in found
    ]


def places_called(
    session: Session, location_id: UUID, asked: Sequence[tuple[Sequence[str], Point]]
) -> list[UUID | None]:
    """Return for names and a point the place that they mean, of those one can walk to from a location.

    It is within 40 m and most of the words of its name and of one of the names agree; of several the
    nearest. None if there is none.
    """
    if not asked:
        return []
    columns = (_PLACE.c.id, _PLACE.c.name, _PLACE.c.latitude, _PLACE.c.longitude)
    query = select(*columns).join(_LINK, _LINK.c.place_id == _PLACE.c.id)
    rows = session.execute(query.where(_LINK.c.location_id == location_id, _PLACE.c.gone_at.is_(None))).all()
    found: list[UUID | None] = []
    for names, point in asked:
        near = [
            (metres, row.id)
            for row in rows
            if (metres := metres_between(point, Point(row.latitude, row.longitude))) <= SAME_PLACE_M
            and any(names_agree(name, row.name) for name in names)
        ]
        found.append(min(near)[1] if near else None)
    return found


@dataclass(frozen=True, slots=True)
class SourceView:
    """A source and what must be shown wherever its rows are."""

    source: str
    attribution: str
    url: str
    licence: str
    imported_at: datetime


def sources(session: Session, names: Iterable[str] | None = None) -> list[SourceView]:
    """Return the sources of these names, or all, by name."""
    query = select(_SOURCE).order_by(_SOURCE.c.source)
    if names is not None:
        query = query.where(_SOURCE.c.source.in_(sorted(set(names))))
    return [
        SourceView(row.source, row.attribution, row.url, row.licence, row.imported_at)
        for row in session.execute(query)
    ]


def _views(session: Session, site_ids: list[UUID], distances: Mapping[UUID, int]) -> list[ChargerView]:
    query = (
        select(_SITE, _LOCATION.c.timezone)
        .join(_LOCATION, _LOCATION.c.id == _SITE.c.location_id)
        .where(_SITE.c.id.in_(site_ids))
    )
    rows = {row["id"]: row for row in session.execute(query).mappings()}
    names: defaultdict[UUID, list[Reference]] = defaultdict(list)
    all_of_them = (
        select(_SITE.c.location_id, _SITE.c.source, _SITE.c.reference, _SITE.c.matched_by)
        .where(_SITE.c.location_id.in_([row["location_id"] for row in rows.values()]))
        .where(_SITE.c.gone_at.is_(None))
        .order_by(_SITE.c.source, _SITE.c.reference)
    )
    for row in session.execute(all_of_them):
        names[row.location_id].append(Reference(row.source, row.reference, row.matched_by))
    return [
        ChargerView(
            location_id=rows[site_id]["location_id"],
            site=dict(rows[site_id]),
            timezone=rows[site_id]["timezone"],
            references=tuple(names[rows[site_id]["location_id"]]),
            distance_m=distances.get(site_id),
        )
        for site_id in site_ids
    ]
