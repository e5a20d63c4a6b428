"""Which layer of the base map an object is drawn in, under which class, and from which zoom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from nerava.integrations.osm.tags import is_below_ground

if TYPE_CHECKING:
    from collections.abc import Mapping


class Drawn(NamedTuple):
    """A layer, the class in it, and the first zoom at which it is there."""

    layer: str
    kind: str
    zoom: int


LAYERS: Final = ("building", "green", "plaza", "rail", "road", "sea", "water", "waterway")

_ROADS: Final = {
    **dict.fromkeys(("motorway", "motorway_link"), ("motorway", 10)),
    **dict.fromkeys(("trunk", "trunk_link"), ("trunk", 10)),
    **dict.fromkeys(("primary", "primary_link"), ("primary", 10)),
    **dict.fromkeys(("secondary", "secondary_link"), ("secondary", 11)),
    **dict.fromkeys(("tertiary", "tertiary_link"), ("tertiary", 12)),
    **dict.fromkeys(("residential", "unclassified", "living_street", "road"), ("street", 12)),
    "pedestrian": ("pedestrian", 13),
    "service": ("service", 14),
    **dict.fromkeys(("footway", "path", "cycleway", "track", "bridleway"), ("foot", 14)),
    "steps": ("steps", 15),
}
_SIDEWALK_ZOOM: Final = 15
_RAILS: Final = {
    "rail": ("rail", 12), "light_rail": ("rail", 12), "narrow_gauge": ("rail", 12), "tram": ("tram", 14),
    "subway": ("rail", 13),
}  # fmt: skip
_WATERWAYS: Final = {"river": ("river", 11), "canal": ("canal", 12), "stream": ("stream", 14)}
_PARKS: Final = {"park", "garden", "nature_reserve", "golf_course"}
_GREEN: Final = {
    "leisure": {"pitch", "common", "playground"},
    "landuse": {
        "grass",
        "meadow",
        "recreation_ground",
        "cemetery",
        "village_green",
        "allotments",
        "farmland",
    },
    "natural": {"scrub", "wetland", "heath", "grassland"},
}  # fmt: skip
_PUBLIC: Final = {
    "church", "cathedral", "chapel", "mosque", "synagogue", "temple", "school", "university", "museum",
    "public", "civic", "hospital", "train_station", "government",
}  # fmt: skip
_PUBLIC_AMENITIES: Final = {
    "place_of_worship",
    "school",
    "university",
    "library",
    "townhall",
    "theatre",
    "hospital",
}
_NO_BUILDINGS: Final = {"no", "roof", "entrance", "construction"}


def drawn_line(tags: Mapping[str, str]) -> Drawn | None:
    """Return where a line belongs, None where it is not drawn."""
    highway = tags.get("highway")
    if highway is not None:
        found = _ROADS.get(highway)
        if found is None or tags.get("area") == "yes":
            return None
        is_beside = tags.get("footway") in {"sidewalk", "crossing"}
        return Drawn("road", found[0], _SIDEWALK_ZOOM if is_beside else found[1])
    if is_below_ground(tags):
        return None
    for key, layer, kinds in (("railway", "rail", _RAILS), ("waterway", "waterway", _WATERWAYS)):
        found = kinds.get(tags.get(key, ""))
        if found is not None:
            return Drawn(layer, *found)
    return None


def drawn_area(tags: Mapping[str, str]) -> Drawn | None:
    """Return where an area belongs, None where it is not drawn."""
    if is_below_ground(tags):
        return None
    building = tags.get("building", "no")
    if building not in _NO_BUILDINGS:
        is_public = building in _PUBLIC or tags.get("amenity") in _PUBLIC_AMENITIES
        return Drawn("building", "public" if is_public else "plain", 13)
    return _ground(tags)


def _ground(tags: Mapping[str, str]) -> Drawn | None:
    is_water = tags.get("natural") == "water" or tags.get("waterway") in {"riverbank", "dock"}
    if is_water or tags.get("landuse") in {"basin", "reservoir"}:
        return Drawn("water", "water", 10)
    if tags.get("leisure") in _PARKS:
        return Drawn("green", "park", 12)
    if tags.get("landuse") == "forest" or tags.get("natural") == "wood":
        return Drawn("green", "wood", 12)
    if any(tags.get(key) in kinds for key, kinds in _GREEN.items()):
        return Drawn("green", "grass", 14)
    is_plaza = tags.get("place") == "square" or tags.get("highway") == "pedestrian"
    return Drawn("plaza", "plaza", 13) if is_plaza else None
