"""Whether a place is open at an instant, in its own time zone; what cannot be known is unknown.

The grammar of OpenStreetMap is read by a library made for it, public holidays of the country included.
Unknown is: no expression; one that cannot be parsed ("Mo-Fr 9-17" without minutes, words); one that
depends on school holidays, of which nobody has a calendar; and hours with a condition in quotes ("by
appointment"), because whether it holds is not for us to say. The condition is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from opening_hours import OpeningHours, State, validate

from nerava.charging.zones import zone

if TYPE_CHECKING:
    from nerava.kernel.geography import Point

_UTC: Final = ZoneInfo("UTC")
_SCHOOL_HOLIDAYS: Final = "SH"
_COUNTRY_DIGITS: Final = 1
"""Positions are rounded to a tenth of a degree to find the country and the sun, so that few are computed."""


class OpenState(StrEnum):
    """Whether one may walk in."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Opening:
    """The state at an instant, until when it holds (None: nobody knows, or for ever), and a condition."""

    state: OpenState
    until: datetime | None = None
    condition: str | None = None


NOT_KNOWN: Final = Opening(OpenState.UNKNOWN)


def opening_at(expression: str | None, at: datetime, *, timezone: str, position: Point) -> Opening:
    """Return whether a place with these hours is open at an instant."""
    if expression is None:
        return NOT_KNOWN
    near = (round(position.latitude, _COUNTRY_DIGITS), round(position.longitude, _COUNTRY_DIGITS))
    hours = _parsed(expression, timezone, near)
    if hours is None:
        return NOT_KNOWN
    instant = at.astimezone(UTC).replace(tzinfo=_UTC)
    state, condition = hours.state(instant)
    if state is State.CLOSED or (state is State.OPEN and not condition):
        change = hours.next_change(instant)
        return Opening(OpenState(str(state)), None if change is None else change.astimezone(UTC))
    return Opening(OpenState.UNKNOWN, condition=condition or None)


@lru_cache(maxsize=8_192)
def _parsed(expression: str, timezone: str, near: tuple[float, float]) -> OpeningHours | None:
    if _SCHOOL_HOLIDAYS in expression or not validate(expression):
        return None
    return OpeningHours(expression, timezone=zone(timezone), coords=near)
