"""Which charging location a car stands at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import or_, select

from nerava.charging.model import ChargingLocation

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

NEAR_M: Final = 100
"""A car's position is some metres off, and a site is one point for all its chargers."""

EARTH_RADIUS_M: Final = 6_371_009
METRES_PER_DEGREE: Final = 111_195
_L: Final[Any] = ChargingLocation.__table__


class Nearest(NamedTuple):
    """A location and how far it is, in whole metres."""

    location_id: UUID
    distance_m: int


def nearest_location(session: Session, latitude: float, longitude: float) -> Nearest | None:
    """Return the nearest charging location within 100 m of a point (WGS 84), None if there is none."""
    high = NEAR_M / METRES_PER_DEGREE * 1.01
    wide = min(180.0, high / max(math.cos(math.radians(min(abs(latitude) + high, 90.0))), 1e-9))
    across = [
        _L.c.longitude.between(longitude + turn - wide, longitude + turn + wide) for turn in (-360, 0, 360)
    ]
    query = select(_L.c.id, _L.c.latitude, _L.c.longitude).where(
        _L.c.latitude.between(latitude - high, latitude + high), or_(*across)
    )
    found = [
        Nearest(row.id, _metres(latitude, longitude, row.latitude, row.longitude))
        for row in session.execute(query)
    ]
    return min(
        (one for one in found if one.distance_m <= NEAR_M),
        key=lambda one: (one.distance_m, one.location_id),
        default=None,
    )


def _metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> int:
    south, north = math.radians(latitude), math.radians(other_latitude)
    across = math.radians(other_longitude - longitude)
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * math.sin(across / 2) ** 2
    return round(2 * EARTH_RADIUS_M * math.asin(min(1.0, math.sqrt(chord))))
