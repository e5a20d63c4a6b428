"""Reads an extract once: places, charging stations, car parks, addresses and ways one may walk."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import osmium

from nerava.discovery.feeds import Reject
from nerava.discovery.records import PlaceRecord
from nerava.integrations.osm.network import NetworkBuilder
from nerava.integrations.osm.tags import (
    address_of,
    category_of,
    names_of,
    website_of,
    wheelchair_of,
)
from nerava.kernel.geography import Point

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

LARGE_BYTES: Final = 150_000_000
"""Above it, positions of nodes are kept in a file and not in memory."""

_TOLD_EVERY: Final = 50_000


@dataclass(frozen=True, slots=True)
class Spot:
    """Something of the extract that has a position and tags: a charging station, a car park, an address."""

    reference: str
    position: Point
    tags: Mapping[str, str]


@dataclass(slots=True)
class Extract:
    """What an extract holds for us. `places` are by reference, as they came."""

    places: dict[str, PlaceRecord] = field(default_factory=dict)
    stations: dict[str, Spot] = field(default_factory=dict)
    car_parks: dict[str, Spot] = field(default_factory=dict)
    addresses: list[Spot] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    network: NetworkBuilder = field(default_factory=NetworkBuilder)


def read_extract(path: Path, scratch: Path, tell: Callable[[int], None]) -> Extract:
    """Read a `.osm.pbf`; `tell` hears now and then how many objects were read.

    Raises:
        RuntimeError: It is no such file, or not whole (osmium's own words).
    """
    found = Extract()
    entrances: set[int] = set()
    addresses: defaultdict[tuple[str, str], int] = defaultdict(int)
    storage = "flex_mem"
    if path.stat().st_size > LARGE_BYTES:
        storage = f"sparse_file_array,{scratch / 'nodes'}"
    objects: Iterable[Any] = osmium.FileProcessor(str(path)).with_locations(storage).with_areas()
    for number, one in enumerate(objects, start=1):
        if number % _TOLD_EVERY == 0:
            tell(number)
        if not one.tags:
            continue
        if one.is_node():
            _take_node(found, one, entrances, addresses)
        elif one.is_way():
            _take_way(found, one, entrances)
        elif one.is_area():
            _take_area(found, one)
    return found


def _take_node(
    found: Extract,
    node: Any,  # noqa: ANN401 - osmium's
    entrances: set[int],
    addresses: defaultdict[tuple[str, str], int],
) -> None:
    tags = node.tags
    if "entrance" in tags or tags.get("building") == "entrance":
        entrances.add(node.id)
    if not node.location.valid():
        return
    position = Point(node.location.lat, node.location.lon)
    if "addr:street" in tags and "addr:housenumber" in tags:
        key = (tags["addr:street"], tags["addr:housenumber"])
        addresses[key] += 1
        if addresses[key] == 1:
            kept = {"addr:street": key[0], "addr:housenumber": key[1]}
            found.addresses.append(Spot(f"n{node.id}", position, kept))
    _take(found, f"n{node.id}", tags, position, ())


def _take_way(found: Extract, way: Any, entrances: set[int]) -> None:  # noqa: ANN401 - osmium's
    tags = way.tags
    if "highway" in tags:
        found.network.add(way)
    if "amenity" not in tags and "shop" not in tags and "leisure" not in tags:
        return
    present = [(one.ref, Point(one.lat, one.lon)) for one in way.nodes if one.location.valid()]
    if not present:
        if category_of(tags) is not None:
            lost = "every node of it lies outside of the extract"
            found.rejects.append(Reject(None, f"w{way.id}", "no-position", lost))
        return
    # Where the outline is cut at the border (O1), what is left of it says where the place is.
    middle = Point(
        sum(point.latitude for _, point in present) / len(present),
        sum(point.longitude for _, point in present) / len(present),
    )
    doors = tuple(dict.fromkeys(point for ref, point in present if ref in entrances))
    _take(found, f"w{way.id}", tags, middle, doors)


def _take_area(found: Extract, area: Any) -> None:  # noqa: ANN401 - osmium's
    tags = area.tags
    if "amenity" not in tags and "shop" not in tags and "leisure" not in tags:
        return
    reference = f"{'w' if area.from_way() else 'r'}{area.orig_id()}"
    known = found.places.get(reference)
    outlines = [[Point(one.lat, one.lon) for one in ring] for ring in area.outer_rings()]
    _take(found, reference, tags, _centre(max(outlines, key=len)), known.doors if known else ())


def _take(
    found: Extract,
    reference: str,
    tags: Any,  # noqa: ANN401 - osmium's
    position: Point,
    doors: tuple[Point, ...],
) -> None:
    amenity = tags.get("amenity")
    if amenity == "charging_station":
        found.stations[reference] = Spot(reference, position, dict(tags))
    elif amenity == "parking":
        found.car_parks[reference] = Spot(reference, position, dict(tags))
    else:
        category = category_of(tags)
        if category is None:
            return
        name = tags.get("name")
        if not name:
            return  # Nothing to show on a list: half of the toilets of a city, and empty shops.
        found.places[reference] = PlaceRecord(
            reference=reference,
            name=name,
            names=names_of(dict(tags)),
            category=category[0],
            kind=category[1],
            position=position,
            opening_hours=tags.get("opening_hours"),
            wheelchair=wheelchair_of(tags),
            website=website_of(tags),
            phone=tags.get("phone") or tags.get("contact:phone"),
            address=address_of(tags),
            brand=tags.get("brand"),
            brand_wikidata=tags.get("brand:wikidata"),
            doors=doors,
        )


def _centre(outline: list[Point]) -> Point:
    """Return the centre of gravity of an outline, on a plane, which is true for a building."""
    first = outline[0]
    area = x = y = 0.0
    for one, other in zip(outline, [*outline[1:], first], strict=True):
        ax, ay = one.longitude - first.longitude, one.latitude - first.latitude
        bx, by = other.longitude - first.longitude, other.latitude - first.latitude
        cross = ax * by - bx * ay
        area += cross
        x += (ax + bx) * cross
        y += (ay + by) * cross
    if math.isclose(area, 0, abs_tol=1e-16):
        return first
    return Point(first.latitude + y / (3 * area), first.longitude + x / (3 * area))
