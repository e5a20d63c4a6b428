"""Takes in locations, connectors, sessions and their evidence by the hundred; repeats safely."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import select, tuple_

from nerava.charging.errors import LocationInvalid, SessionInvalid
from nerava.charging.evidence import EvidenceLevel, SessionPrice, body_sha256
from nerava.charging.model import ChargingLocation, ChargingSession, Connector, Evse, SessionEvidence
from nerava.charging.prices import keep_prices
from nerava.charging.states import SessionState
from nerava.charging.zones import zone
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

REFERENCE_LENGTH_MAX: Final = 200
SOURCE_LENGTH_MAX: Final = 80

_LOCATION: Final[Any] = ChargingLocation.__table__
_EVSE: Final[Any] = Evse.__table__
_CONNECTOR: Final[Any] = Connector.__table__
_SESSION: Final[Any] = ChargingSession.__table__

_NEW_LOCATIONS: Final = BulkInsert(
    _LOCATION,
    ("id", "source", "reference", "name", "timezone", "latitude", "longitude", "is_test"),
    if_new=True,
)
_NEW_EVSES: Final = BulkInsert(_EVSE, ("id", "location_id", "reference"), if_new=True)
_NEW_CONNECTORS: Final = BulkInsert(_CONNECTOR, ("id", "evse_id", "reference", "power_w_max"), if_new=True)
_NEW_SESSIONS: Final = BulkInsert(
    _SESSION,
    (
        "id",
        "source",
        "reference",
        "driver_id",
        "location_id",
        "connector_id",
        "started_at",
        "ended_at",
        "energy_wh",
        "evidence_level",
        "state",
        "findings",
        "evaluations",
        "created_at",
    ),
    if_new=True,
)
NEW_EVIDENCE: Final = BulkInsert(
    SessionEvidence.__table__,  # type: ignore[arg-type]
    ("id", "session_id", "level", "source", "reference", "at", "received_at", "body", "body_sha256"),
    if_new=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLocation:
    """A charging location as its source describes it; `source` and `reference` name it for ever.

    Coordinates are WGS 84, both or none.
    """

    source: str
    reference: str
    name: str
    timezone: str
    latitude: float | None = None
    longitude: float | None = None
    is_test: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnector:
    """A connector and the EVSE it belongs to. `power_w_max` is its rating, None where unknown."""

    location_id: UUID
    evse: str
    reference: str = "1"
    power_w_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSession:
    """A session that is over, with the piece of evidence that told us.

    Attributes:
        source: Who told us; with `reference` unique.
        body: What the source sent, values of JSON.
        evidence_reference: The source's name for the piece of evidence; None means `reference`.
        price: What it cost; None where the source says nothing.
    """

    source: str
    reference: str
    driver_id: UUID
    location_id: UUID
    connector_id: UUID | None
    started_at: datetime
    ended_at: datetime
    energy_wh: int
    evidence_level: int = EvidenceLevel.CDR
    body: Mapping[str, object] = field(default_factory=dict)
    evidence_reference: str | None = None
    price: SessionPrice | None = None


class IngestCounts(NamedTuple):
    """What became of sessions that were taken in."""

    new: int
    known: int


def register_locations(session: Session, locations: Iterable[NewLocation]) -> dict[tuple[str, str], UUID]:
    """Make locations known and return their ids by source and reference. Repeats safely.

    What is known already stays as it is.

    Raises:
        LocationInvalid: There is no such time zone, or the coordinates are outside the globe (422).
    """
    wanted = {(one.source, one.reference): _checked_location(one) for one in locations}
    rows = [
        (
            new_id(),
            *key,
            one.name[:REFERENCE_LENGTH_MAX],
            one.timezone,
            one.latitude,
            one.longitude,
            one.is_test,
        )
        for key, one in sorted(wanted.items(), key=lambda item: item[0])
    ]
    _NEW_LOCATIONS.run(session, rows)
    key = tuple_(_LOCATION.c.source, _LOCATION.c.reference)
    query = select(_LOCATION.c.source, _LOCATION.c.reference, _LOCATION.c.id).where(key.in_(list(wanted)))
    return {(row.source, row.reference): row.id for row in session.execute(query)}


def register_connectors(
    session: Session, connectors: Iterable[NewConnector]
) -> dict[tuple[UUID, str, str], UUID]:
    """Make EVSEs and connectors known; return connectors' ids by location, EVSE and reference.

    Repeats safely; what is known already stays as it is.

    Raises:
        LocationInvalid: A rating is not a positive number of watts (422).
    """
    wanted = {(one.location_id, one.evse, one.reference): one for one in connectors}
    for one in wanted.values():
        if one.power_w_max is not None and one.power_w_max <= 0:
            raise LocationInvalid(f"a connector cannot be rated {one.power_w_max} W", evse=one.evse)
    evses = sorted({(location, evse) for location, evse, _ in wanted})
    _NEW_EVSES.run(session, [(new_id(), *key) for key in evses])
    key = tuple_(_EVSE.c.location_id, _EVSE.c.reference)
    query = select(_EVSE.c.location_id, _EVSE.c.reference, _EVSE.c.id).where(key.in_(evses))
    ids = {(row.location_id, row.reference): row.id for row in session.execute(query)}
    named = {(ids[location, evse], reference): (location, evse) for location, evse, reference in wanted}
    rows = [
        (new_id(), evse_id, reference, wanted[*named[evse_id, reference], reference].power_w_max)
        for evse_id, reference in sorted(named)
    ]
    _NEW_CONNECTORS.run(session, rows)
    key = tuple_(_CONNECTOR.c.evse_id, _CONNECTOR.c.reference)
    query = select(_CONNECTOR.c.evse_id, _CONNECTOR.c.reference, _CONNECTOR.c.id).where(key.in_(list(named)))
    return {(*named[row.evse_id, row.reference], row.reference): row.id for row in session.execute(query)}


def ingest(session: Session, sessions: Sequence[NewSession], now: datetime) -> IngestCounts:
    """Store sessions that are over, closed and waiting for evaluation, with their evidence.

    Set based, in the caller's unit of work; made for hundreds in one call. A session whose source
    and reference are known is left as it is, evidence included: better evidence for it comes by
    `attest`. So repeating a call, or a part of it, changes nothing.

    Raises:
        SessionInvalid: One ends before it starts, has negative energy or a reference that is empty
            or too long; nothing was stored (422).
    """
    fresh = {(one.source, one.reference): _checked(one) for one in sessions}
    # In one order, so that two callers with the same sessions wait for each other and never in a ring.
    new = [(new_id(), fresh[name]) for name in sorted(fresh)]
    stored = _NEW_SESSIONS.run(session, [_session_row(key, one, now) for key, one in new])
    if stored < len(new):
        query = select(_SESSION.c.id).where(_SESSION.c.id.in_([key for key, _ in new]))
        present = set(session.scalars(query))
        new = [(key, one) for key, one in new if key in present]
    NEW_EVIDENCE.run(session, [_evidence_row(key, one, now) for key, one in new])
    keep_prices(session, {key: one.price for key, one in new if one.price is not None})
    return IngestCounts(new=stored, known=len(sessions) - stored)


def _session_row(session_id: UUID, one: NewSession, now: datetime) -> tuple[Any, ...]:
    return (
        session_id,
        one.source,
        one.reference,
        one.driver_id,
        one.location_id,
        one.connector_id,
        one.started_at,
        one.ended_at,
        one.energy_wh,
        int(one.evidence_level),
        SessionState.CLOSED.value,
        "[]",
        0,
        now,
    )


def _evidence_row(session_id: UUID, one: NewSession, now: datetime) -> tuple[Any, ...]:
    body = orjson.dumps(one.body).decode()
    return (
        new_id(),
        session_id,
        int(one.evidence_level),
        one.source,
        one.evidence_reference or one.reference,
        one.ended_at,
        now,
        body,
        body_sha256(one.body),
    )


def _checked(one: NewSession) -> NewSession:
    check_names(one.source, one.reference)
    check_names(one.source, one.evidence_reference or one.reference)
    if one.ended_at < one.started_at or one.energy_wh < 0:
        detail = f"session {one.reference!r} ends before it starts, or its energy is negative"
        raise SessionInvalid(detail, reference=one.reference)
    return one


def check_names(source: str, reference: str) -> None:
    """Refuse names that one of the databases could not keep as they are.

    Raises:
        SessionInvalid: One is empty, too long or holds a NUL (422).
    """
    for name, most in ((source, SOURCE_LENGTH_MAX), (reference, REFERENCE_LENGTH_MAX)):
        if not 0 < len(name) <= most or "\0" in name:
            raise SessionInvalid(f"a name must have 1 to {most} characters: {name[:50]!r}")


def _checked_location(one: NewLocation) -> NewLocation:
    zone(one.timezone)
    latitude, longitude = one.latitude, one.longitude
    if (latitude is None) != (longitude is None):
        raise LocationInvalid(f"{one.reference!r} has one coordinate without the other")
    if latitude is not None and longitude is not None:
        outside = not -90 <= latitude <= 90 or not -180 <= longitude <= 180  # noqa: PLR2004 - degrees
        if outside:
            raise LocationInvalid(f"{one.reference!r} lies outside the globe")
    return one
