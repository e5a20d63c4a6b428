"""One charge that several sources tell of is one session: finds the one that is known already."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select

from nerava.charging.model import ChargingLocation, ChargingSession

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

SAME_PLACE_M: Final = 250
"""Sources put one site at its entrance, its middle or the parked car."""

OVERLAP_LEAST: Final = timedelta(minutes=1)
"""Less is two cars of one household after each other, and clocks that differ."""

_EARTH_M: Final = 6_371_000
_S: Final[Any] = ChargingSession.__table__.c
_L: Final[Any] = ChargingLocation.__table__.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one source tells of a charge: who, where and when.

    `ended_at` is None while it goes on. `told_as` is the source and reference of the teller, whose
    own session is not another telling of the same charge.
    """

    driver_id: UUID
    location_id: UUID
    started_at: datetime
    ended_at: datetime | None
    told_as: tuple[str, str]


def known_session(session: Session, seen: Sighting) -> UUID | None:
    """Return the session that another source told of the same charge, None if there is none.

    It is of the same driver, at the same place (the location, or one at most 250 m away) and shares
    more than a minute with what was seen; of several the one that shares most. Sessions without
    energy that are over, such as credited ones, do not count.
    """
    ended_at = seen.ended_at
    overlapping = [
        _S.driver_id == seen.driver_id,
        or_(_S.source != seen.told_as[0], _S.reference != seen.told_as[1]),
        or_(_S.state == "open", _S.energy_wh > 0),
        or_(_S.ended_at.is_(None), _S.ended_at > seen.started_at + OVERLAP_LEAST),
    ]
    if ended_at is not None:
        overlapping.append(_S.started_at < ended_at - OVERLAP_LEAST)
    place = session.execute(select(_L.latitude, _L.longitude).where(_L.id == seen.location_id)).one_or_none()
    query = (
        select(_S.id, _S.started_at, _S.ended_at, _S.location_id, _L.latitude, _L.longitude)
        .join(ChargingLocation, _L.id == _S.location_id)
        .where(*overlapping)
        .order_by(_S.started_at, _S.id)
        .limit(20)
    )
    rows = [row for row in session.execute(query) if _is_near(row, seen.location_id, place)]
    return max(rows, key=lambda row: _shared(row, seen)).id if rows else None


def metres_between(one: tuple[float, float], other: tuple[float, float]) -> float:
    """Return the distance of two points (latitude, longitude), WGS 84, along a sphere."""
    first, second = math.radians(one[0]), math.radians(other[0])
    half_south = math.sin((second - first) / 2) ** 2
    half_east = math.sin(math.radians(other[1] - one[1]) / 2) ** 2
    chord = half_south + math.cos(first) * math.cos(second) * half_east
    return 2 * _EARTH_M * math.asin(math.sqrt(min(1.0, chord)))


def _is_near(row: Any, location_id: UUID, place: Any) -> bool:  # noqa: ANN401 - rows
    if row.location_id == location_id:
        return True
    if place is None or place.latitude is None or row.latitude is None:
        return False
    there, here = (row.latitude, row.longitude), (place.latitude, place.longitude)
    return metres_between(there, here) <= SAME_PLACE_M


def _shared(row: Any, seen: Sighting) -> timedelta:  # noqa: ANN401 - a row
    begins = max(row.started_at, seen.started_at)
    ends = [one for one in (row.ended_at, seen.ended_at) if one is not None]
    return min(ends) - begins if ends else timedelta.max
