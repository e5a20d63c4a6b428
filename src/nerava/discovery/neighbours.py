"""Finds the sites around new ones, so that a site of two sources becomes one location."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.discovery.cells import inside
from nerava.discovery.matching import AGREEING_M, Looks, Match, match
from nerava.discovery.model import ChargingSite, ChargingSiteAlias
from nerava.kernel.geography import Box, Point, box_around

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from sqlalchemy.orm import Session

_T: Final[Any] = ChargingSite.__table__
_ALIAS: Final[Any] = ChargingSiteAlias.__table__
_GRID_DEGREES: Final = 0.01
_PARAMETERS_MAX: Final = 5_000


class Neighbourhood:
    """The sites of every source around the new ones of an area, in a grid of a hundredth of a degree."""

    def __init__(self, session: Session, source: str, new: Mapping[str, Mapping[str, Any]]) -> None:
        self._source = source
        self._grid: defaultdict[tuple[int, int], list[Looks]] = defaultdict(list)
        self._named: defaultdict[str, list[Looks]] = defaultdict(list)
        if not new:
            return
        points = [Point(one["latitude"], one["longitude"]) for one in new.values()]
        columns = (
            _T.c.id,
            _T.c.location_id,
            _T.c.source,
            _T.c.reference,
            _T.c.name,
            _T.c.is_named,
            _T.c.operator,
            _T.c.network,
            _T.c.address,
            _T.c.latitude,
            _T.c.longitude,
        )
        near = select(*columns).where(inside(_T.c, box_of(points, AGREEING_M)), _T.c.gone_at.is_(None))
        rows: dict[UUID, Any] = {row["id"]: row for row in session.execute(near).mappings()}
        names = self._sharing(session, {name for key, one in new.items() for name in self.names(key, one)})
        missing = [site_id for site_id in names if site_id not in rows]
        for part in _parts(missing):
            query = select(*columns).where(_T.c.id.in_(part), _T.c.gone_at.is_(None))
            rows.update((row["id"], row) for row in session.execute(query).mappings())
        for site_id, row in rows.items():
            looks = looks_of(row["source"], row["location_id"], row, names.get(site_id, frozenset()))
            self.add(looks)

    def names(self, reference: str, values: Mapping[str, Any]) -> frozenset[str]:
        """Return every name in the world of a site of this source, its own one included."""
        return frozenset((f"{self._source}:{reference}", *values["aliases"]))

    def add(self, looks: Looks) -> None:
        """Let a site be found by those that follow."""
        self._grid[_square(looks.position)].append(looks)
        for name in looks.names_in_the_world:
            self._named[name].append(looks)

    def match(self, looks: Looks) -> Match | None:
        """Return the location of a new site, None if it is one of its own."""
        row, column = _square(looks.position)
        around = {
            id(one): one
            for near_row in (row - 1, row, row + 1)
            # Meridians draw together: three squares to each side are 120 m even at 80 degrees.
            for near_column in range(column - 3, column + 4)
            for one in self._grid.get((near_row, near_column), ())
        }
        for name in looks.names_in_the_world:
            around.update((id(one), one) for one in self._named.get(name, ()))
        return match(looks, list(around.values())) if around else None

    def _sharing(self, session: Session, names: Iterable[str]) -> dict[Any, frozenset[str]]:
        found: defaultdict[Any, set[str]] = defaultdict(set)
        for part in _parts(sorted(names)):
            query = select(_ALIAS.c.site_id, _ALIAS.c.alias).where(_ALIAS.c.alias.in_(part))
            for row in session.execute(query):
                found[row.site_id].add(row.alias)
        return {site_id: frozenset(aliases) for site_id, aliases in found.items()}


def looks_of(
    source: str,
    location_id: UUID | None,
    values: Mapping[str, Any],
    names: frozenset[str],
) -> Looks:
    """Return what a site looks like, from its columns."""
    address = values["address"]
    street = " ".join(filter(None, (address.get("street"), address.get("house"))))
    return Looks(
        source=source,
        location_id=location_id,
        position=Point(values["latitude"], values["longitude"]),
        name=values["name"] if values["is_named"] else None,
        operator=values["operator"],
        network=values["network"],
        street=street if any(letter.isdigit() for letter in street) else None,
        names_in_the_world=names,
    )


def box_of(points: list[Point], margin_m: int) -> Box:
    """Return a box around some points and so many metres more; all longitudes where they are far apart."""
    south, north = min(one.latitude for one in points), max(one.latitude for one in points)
    west, east = min(one.longitude for one in points), max(one.longitude for one in points)
    edges = [box_around(Point(latitude, 0), margin_m) for latitude in (south, north)]
    wide = max(edge.east if edge.west < edge.east else 180 for edge in edges)
    if east - west + 2 * wide >= 360:  # noqa: PLR2004 - all the way round
        return Box(edges[0].south, edges[1].north, -180, 180)
    return Box(
        edges[0].south,
        edges[1].north,
        west - wide + (360 if west - wide < -180 else 0),  # noqa: PLR2004 - over the 180th meridian
        east + wide - (360 if east + wide > 180 else 0),  # noqa: PLR2004 - over the 180th meridian
    )


def _square(point: Point) -> tuple[int, int]:
    return int(point.latitude // _GRID_DEGREES), int(point.longitude // _GRID_DEGREES)


def _parts(values: list[Any]) -> Iterable[list[Any]]:
    return (values[at : at + _PARAMETERS_MAX] for at in range(0, len(values), _PARAMETERS_MAX))
