"""Keeps what is known of locations in step with the sources that describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from nerava.charging.model import ChargingLocation
from nerava.platform.db.bulk import BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

_TABLE: Final[Any] = ChargingLocation.__table__
_DESCRIBE: Final = BulkUpdate(_TABLE, match=("id",), assign=("name", "latitude", "longitude"))


class Description(NamedTuple):
    """What a location is called and where it is, WGS 84. Its time zone stays: sessions were judged in it."""

    location_id: UUID
    name: str
    latitude: float
    longitude: float


def describe_locations(session: Session, described: Sequence[Description]) -> int:
    """Give locations their current name and position; return how many there were. Repeats safely."""
    return _DESCRIBE.run(session, sorted(described))
