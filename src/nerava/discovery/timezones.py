"""Which time zone a place is in, from its position, without asking anybody."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours

from nerava.charging.errors import LocationInvalid
from nerava.charging.zones import zone

if TYPE_CHECKING:
    from nerava.kernel.geography import Point

_ANY_DAY: Final = datetime(2026, 1, 1, tzinfo=ZoneInfo("UTC"))


def timezone_at(point: Point) -> str:
    """Return the IANA name of the zone at a point; `Etc/GMT…` on the high seas.

    The borders come with the library that reads opening hours, which knows them to about a hundred
    metres; a charger closer to one than that may be an hour off until somebody says otherwise.
    """
    hours = OpeningHours("10:00-18:00", coords=(point.latitude, point.longitude), auto_country=False)
    at = hours.next_change(_ANY_DAY)
    found = None if at is None else at.tzinfo
    if not isinstance(found, ZoneInfo):
        message = "an expression that changes every day has a next change, in a zone"
        raise AssertionError(message)
    return found.key


@lru_cache(maxsize=1_024)
def is_zone(name: str) -> bool:
    """Whether a time zone has this name, in the pinned edition of the zone data."""
    try:
        zone(name)
    except LocationInvalid:
        return False
    return True
