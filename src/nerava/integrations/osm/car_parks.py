"""Finds the public car parks of an extract by name: where a demonstration may put chargers of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import osmium

from nerava.kernel.geography import Point, metres_between

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

APART_M: Final = 80
"""Closer ones are two entrances of one car park."""

_CLOSED: Final = frozenset({"private", "no", "customers"})


class CarPark(NamedTuple):
    """A car park that is mapped as a point and has a name."""

    reference: str
    name: str
    position: Point


def car_parks_of(path: Path, taken: Iterable[Point] = ()) -> list[CarPark]:
    """Return public car parks by reference, none within 80 m of one before it or of a point that is taken.

    Raises:
        RuntimeError: It is no extract, or not whole (osmium's own words).
    """
    objects: Iterable[Any] = osmium.FileProcessor(str(path), osmium.osm.NODE).with_filter(
        osmium.filter.TagFilter(("amenity", "parking"))
    )
    named = [
        CarPark(f"n{one.id}", one.tags["name"], Point(one.location.lat, one.location.lon))
        for one in objects
        if "name" in one.tags and one.tags.get("access") not in _CLOSED
    ]
    spots, found = list(taken), []
    for park in sorted(named):
        if all(metres_between(park.position, spot) > APART_M for spot in spots):
            spots.append(park.position)
            found.append(park)
    return found
