"""Locations of operators become charging locations, and change as their owners change them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select, update

from nerava.charging.charger_status import note_status
from nerava.charging.ingest import NewConnector, NewLocation, register_connectors, register_locations
from nerava.charging.model import ChargingLocation, Connector, Evse
from nerava.discovery import single_sites

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.discovery.feeds import Attribution
    from nerava.discovery.records import SiteRecord

CLOCKS_DIFFER_BY: Final = timedelta(minutes=5)

_L: Final[Any] = ChargingLocation.__table__.c
_E: Final[Any] = Evse.__table__.c
_C: Final[Any] = Connector.__table__.c


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A connector of a location. `power_w_max` in watts, None where nobody says."""

    evse: str
    connector: str
    power_w_max: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseState:
    """What an operator says an EVSE is doing, and since when (aware UTC)."""

    evse: str
    in_use: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A location as its operator describes it; coordinates WGS 84, both or none.

    Attributes:
        listed: As drivers find it; None where it is nowhere or shown to nobody.
        terms: What is shown beside it.
    """

    source: str
    reference: str
    name: str
    timezone: str
    latitude: float | None
    longitude: float | None
    terms: Attribution
    listed: SiteRecord | None = None
    plugs: tuple[Plug, ...] = ()
    states: tuple[EvseState, ...] = ()


def keep_site(session: Session, site: Site, now: datetime) -> UUID:
    """Make a location known, or what is known of it true again, and return its id. Repeats safely.

    One that drivers may find is the same location as that of another source that means it.

    Raises:
        LocationInvalid: No such time zone, or coordinates outside the globe (422).
    """
    location_id = None
    if site.listed is not None:
        location_id = single_sites.keep_site(session, site.source, site.terms, site.listed, now)
    else:
        hide_site(session, site.source, site.reference, now)
    if location_id is None:
        location_id = _kept_alone(session, site)
    for plug in site.plugs:
        connector_id = plug_of(session, location_id, plug)
        other = _C.power_w_max.is_distinct_from(plug.power_w_max)
        session.execute(
            update(Connector).where(_C.id == connector_id, other).values(power_w_max=plug.power_w_max),
            execution_options={"synchronize_session": False},
        )
    _note_states(session, location_id, site, now)
    return location_id


def hide_site(session: Session, source: str, reference: str, now: datetime) -> None:
    """Let drivers find a location no more; sessions that took place there keep it. Repeats safely."""
    single_sites.drop_site(session, source, reference, now)


def _kept_alone(session: Session, site: Site) -> UUID:
    """Keep a location that no driver can find; where it is known already, its place is not forgotten."""
    known = single_sites.location_of(session, site.source, site.reference)
    if known is not None:
        return known
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
    return location_id


def _note_states(session: Session, location_id: UUID, site: Site, now: datetime) -> None:
    """Keep what the operator says of its EVSEs: it bears witness for cars, or against them."""
    if not site.states:
        return
    names = [one.evse for one in site.states]
    query = select(_E.reference, _E.id).where(_E.location_id == location_id, _E.reference.in_(names))
    ids = {row.reference: row.id for row in session.execute(query)}
    for one in site.states:
        if one.evse in ids and one.at <= now + CLOCKS_DIFFER_BY:
            note_status(session, ids[one.evse], in_use=one.in_use, at=one.at, source=site.source)


def site_known_as(session: Session, source: str, reference: str) -> UUID | None:
    """Return the id of a location, None when its operator never described it."""
    found = single_sites.location_of(session, source, reference)
    if found is None:
        found = session.scalar(select(_L.id).where(_L.source == source, _L.reference == reference))
    return found


def plug_of(session: Session, location_id: UUID, plug: Plug) -> UUID:
    """Return the id of a connector, which is made known where it is not; its rating stays as it is."""
    new = NewConnector(
        location_id=location_id, evse=plug.evse, reference=plug.connector, power_w_max=plug.power_w_max
    )
    return register_connectors(session, [new])[location_id, plug.evse, plug.connector]
