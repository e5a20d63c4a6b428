"""Locations of operators become charging locations, and change as their owners change them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select, update

from nerava.charging.ingest import NewConnector, NewLocation, register_connectors, register_locations
from nerava.charging.model import ChargingLocation, Connector

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

_L: Final[Any] = ChargingLocation.__table__.c
_C: Final[Any] = Connector.__table__.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A connector of a location. `power_w_max` in watts, None where nobody says."""

    evse: str
    connector: str
    power_w_max: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A location as its operator describes it; coordinates WGS 84, both or none."""

    source: str
    reference: str
    name: str
    timezone: str
    latitude: float | None
    longitude: float | None
    plugs: tuple[Plug, ...] = ()


def keep_site(session: Session, site: Site) -> UUID:
    """Make a location known, or what is known of it true again, and return its id. Repeats safely.

    Raises:
        LocationInvalid: No such time zone, or coordinates outside the globe (422).
    """
    new = NewLocation(
        source=site.source,
        reference=site.reference,
        name=site.name,
        timezone=site.timezone,
        latitude=site.latitude,
        longitude=site.longitude,
    )
    location_id = register_locations(session, [new])[site.source, site.reference]
    now_true = {
        "name": site.name[:200],
        "timezone": site.timezone,
        "latitude": site.latitude,
        "longitude": site.longitude,
    }
    differs = or_(*(_L[name].is_distinct_from(value) for name, value in now_true.items()))
    session.execute(
        update(ChargingLocation).where(_L.id == location_id, differs).values(now_true),
        execution_options={"synchronize_session": False},
    )
    for plug in site.plugs:
        connector_id = plug_of(session, location_id, plug)
        other = _C.power_w_max.is_distinct_from(plug.power_w_max)
        session.execute(
            update(Connector).where(_C.id == connector_id, other).values(power_w_max=plug.power_w_max),
            execution_options={"synchronize_session": False},
        )
    return location_id


def site_known_as(session: Session, source: str, reference: str) -> UUID | None:
    """Return the id of a location, None when its operator never described it."""
    found: UUID | None = session.scalar(select(_L.id).where(_L.source == source, _L.reference == reference))
    return found


def plug_of(session: Session, location_id: UUID, plug: Plug) -> UUID:
    """Return the id of a connector, which is made known where it is not; its rating stays as it is."""
    new = NewConnector(
        location_id=location_id, evse=plug.evse, reference=plug.connector, power_w_max=plug.power_w_max
    )
    return register_connectors(session, [new])[location_id, plug.evse, plug.connector]
