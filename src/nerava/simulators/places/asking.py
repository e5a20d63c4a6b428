"""What a search asks for: counts, circles, rectangles, types."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.places.problems import invalid

if TYPE_CHECKING:
    from nerava.simulators.wire import Json

RESULTS_MAX: Final = 20
TYPES_MAX: Final = 50
RADIUS_MAX: Final = 50_000.0
EARTH_M: Final = 6_371_010.0
_TYPE_LISTS: Final = ("includedTypes", "excludedTypes", "includedPrimaryTypes", "excludedPrimaryTypes")


def count_of(body: Json, name: str) -> int:
    """Return how many results are wanted."""
    found = body.get(name, RESULTS_MAX)
    if type(found) is not int or not 1 <= found <= RESULTS_MAX:
        raise invalid(f"{name} must be between 1 and {RESULTS_MAX} (inclusive).")
    return found


def types_of(body: Json) -> dict[str, set[str]]:
    """Return the lists of types, each with at most 50."""
    found = {}
    for name in _TYPE_LISTS:
        given = body.get(name, [])
        if not isinstance(given, list) or len(given) > TYPES_MAX:
            raise invalid(f"{name} must have at most {TYPES_MAX} types.")
        found[name] = set(given)
    return found


def fits(place: Json, types: dict[str, set[str]]) -> bool:
    """Say whether a place is of the wanted types."""
    its, primary = set(place["types"]), place["primaryType"]
    return (
        (not types["includedTypes"] or bool(its & types["includedTypes"]))
        and not its & types["excludedTypes"]
        and (not types["includedPrimaryTypes"] or primary in types["includedPrimaryTypes"])
        and primary not in types["excludedPrimaryTypes"]
    )


def circle_of(body: Json) -> tuple[float, float, float]:
    """Return latitude, longitude and metres of the circle that a search must have."""
    circle = (body.get("locationRestriction") or {}).get("circle")
    if not isinstance(circle, dict):
        raise invalid("location_restriction must be set.")
    latitude, longitude = _centre(circle.get("center"))
    radius = circle.get("radius", 0)
    if not isinstance(radius, int | float) or not 0 < radius <= RADIUS_MAX:
        raise invalid(f"radius must be between 0 and {RADIUS_MAX}.")
    return latitude, longitude, float(radius)


def _centre(centre: Any) -> tuple[float, float]:  # noqa: ANN401 - whatever JSON it is
    given = centre if isinstance(centre, dict) else {}
    latitude, longitude = given.get("latitude"), given.get("longitude")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        raise invalid("center must have a latitude and a longitude.")
    if abs(latitude) > 90 or abs(longitude) > 180:  # noqa: PLR2004 - degrees
        raise invalid("center is not on the globe.")
    return float(latitude), float(longitude)


def metres_between(latitude: float, longitude: float, place: Json) -> float:
    """Return metres along a great circle."""
    there = place["location"]
    south, north = math.radians(latitude), math.radians(there["latitude"])
    across = math.radians(there["longitude"] - longitude)
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(across / 2) ** 2
    return 2 * EARTH_M * math.asin(min(1.0, math.sqrt(chord)))


def within(rectangle: Json, place: Json) -> bool:
    """Say whether a place lies in a rectangle of two corners."""
    low, high, there = rectangle.get("low", {}), rectangle.get("high", {}), place["location"]
    return bool(
        low.get("latitude", -90) <= there["latitude"] <= high.get("latitude", 90)
        and low.get("longitude", -180) <= there["longitude"] <= high.get("longitude", 180)
    )
