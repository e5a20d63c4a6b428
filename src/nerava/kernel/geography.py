"""Distances on the globe: a box to look into, and metres along a great circle."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

EARTH_RADIUS_M: Final = 6_371_009
METRES_PER_DEGREE: Final = 111_195


class Point(NamedTuple):
    """A place on the globe, WGS 84, in degrees."""

    latitude: float
    longitude: float


class Box(NamedTuple):
    """Degrees between which everything within a distance lies, and some more.

    `west` is above `east` where the box crosses the 180th meridian.
    """

    south: float
    north: float
    west: float
    east: float


def metres_between(one: Point, other: Point) -> int:
    """Return the distance of two places in whole metres, rounded to the nearest (haversine)."""
    south, north = math.radians(one.latitude), math.radians(other.latitude)
    across = math.radians(other.longitude - one.longitude)
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(across / 2) ** 2
    return round(2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord))))


def box_around(point: Point, radius_m: int) -> Box:
    """Return a box that holds every place within so many metres; around a pole all longitudes."""
    high = (radius_m + 1) / METRES_PER_DEGREE * 1.01  # Distances are rounded.
    south, north = point.latitude - high, point.latitude + high
    widest = max(abs(south), abs(north))
    if widest >= 90:  # noqa: PLR2004 - the poles
        return Box(max(south, -90), min(north, 90), -180, 180)
    wide = high / math.cos(math.radians(widest))
    if wide >= 180:  # noqa: PLR2004 - all the way round
        return Box(south, north, -180, 180)
    return Box(south, north, _wrapped(point.longitude - wide), _wrapped(point.longitude + wide))


def _wrapped(longitude: float) -> float:
    return (longitude + 180) % 360 - 180
