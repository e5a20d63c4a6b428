"""What people may ask about charging sessions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, tuple_

from nerava.charging.errors import UnknownSession
from nerava.charging.model import ChargingLocation, ChargingSession, SessionEvidence, SessionPriceRow
from nerava.charging.prices import price_of_row
from nerava.charging.states import SessionState
from nerava.charging.verification import Finding, FindingCode, Severity

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from nerava.charging.evidence import SessionPrice

PAGE_MAX: Final = 200
_S: Final[Any] = ChargingSession.__table__
_LOCATION: Final[Any] = ChargingLocation.__table__
_EVIDENCE: Final[Any] = SessionEvidence.__table__
_PRICE: Final[Any] = SessionPriceRow.__table__.c


@dataclass(frozen=True, slots=True)
class FindingView:
    """One thing that speaks against a session, and the points it took from the score."""

    code: str
    severity: str
    text: str
    score_taken: int


@dataclass(frozen=True, slots=True)
class SessionView:
    """A charging session as people see it. `energy_wh` in watt-hours, instants aware UTC."""

    id: UUID
    source: str
    reference: str
    driver_id: UUID
    location_id: UUID
    location_name: str
    timezone: str
    connector_id: UUID | None
    started_at: datetime
    ended_at: datetime | None
    energy_wh: int
    evidence_level: int
    state: SessionState
    score: int | None
    findings: tuple[FindingView, ...]
    evaluations: int
    price: SessionPrice | None

    @property
    def price_minor(self) -> int | None:
        """Return what it cost, in minor units of `currency`; None where nobody told."""
        return None if self.price is None else self.price.minor

    @property
    def currency(self) -> str | None:
        """Return the currency of the price, by its ISO 4217 code."""
        return None if self.price is None else self.price.currency


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One piece of evidence as it came; of an emptied one the checksum of what it was is left."""

    level: int
    source: str
    reference: str
    at: datetime
    received_at: datetime
    body: dict[str, Any]
    body_sha256: str | None


def session_view(session: Session, session_id: UUID) -> SessionView:
    """Return a session.

    Raises:
        UnknownSession: No session has this id (404).
    """
    row = session.execute(_viewed().where(_S.c.id == session_id)).one_or_none()
    if row is None:
        raise UnknownSession(f"no charging session {session_id}")
    return _view(row)


def sessions_of_driver(
    session: Session,
    driver_id: UUID,
    *,
    until: datetime | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[SessionView]:
    """Return a driver's sessions, the latest start first.

    Those that began before `until`; `before` is start and id of the last one seen.
    """
    query = _viewed().where(_S.c.driver_id == driver_id)
    if until is not None:
        query = query.where(_S.c.started_at < until)
    if before is not None:
        query = query.where(tuple_(_S.c.started_at, _S.c.id) < before)
    latest = query.order_by(_S.c.started_at.desc(), _S.c.id.desc()).limit(min(limit, PAGE_MAX))
    return [_view(row) for row in session.execute(latest)]


def location_names(session: Session, session_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return where sessions took place, by the id of the session."""
    query = select(_S.c.id, _LOCATION.c.name).join(_LOCATION, _LOCATION.c.id == _S.c.location_id)
    return {row.id: row.name for row in session.execute(query.where(_S.c.id.in_(session_ids)))}


def evidence_of(session: Session, session_id: UUID) -> list[EvidenceView]:
    """Return the evidence of a session in the order in which it was received."""
    query = select(_EVIDENCE).where(_EVIDENCE.c.session_id == session_id)
    ordered = query.order_by(_EVIDENCE.c.received_at, _EVIDENCE.c.id)
    return [
        EvidenceView(row.level, row.source, row.reference, row.at, row.received_at, row.body, row.body_sha256)
        for row in session.execute(ordered)
    ]


def ids_by_reference(session: Session, source: str, references: Sequence[str]) -> dict[str, UUID]:
    """Return the ids of a source's sessions by its own references; unknown ones are left out."""
    query = select(_S.c.reference, _S.c.id).where(_S.c.source == source, _S.c.reference.in_(references))
    return {row.reference: row.id for row in session.execute(query)}


def decisive_finding(findings: Sequence[Sequence[Any]]) -> str | None:
    """Return the code of the stored finding that rejected a session, None if none did."""
    for code, _taken, _facts in findings:
        if Finding(FindingCode(code), {}).severity is Severity.REJECT:
            return str(code)
    return None


def _viewed() -> Select[Any]:
    location = _LOCATION.c.id == _S.c.location_id
    place = _LOCATION.c.name.label("location_name"), _LOCATION.c.timezone
    query = select(_S, *place, _PRICE.price_minor, _PRICE.currency).join(_LOCATION, location)
    return query.outerjoin(SessionPriceRow, _PRICE.session_id == _S.c.id)


def _view(row: Any) -> SessionView:  # noqa: ANN401 - a row of `_viewed`
    return SessionView(
        row.id,
        row.source,
        row.reference,
        row.driver_id,
        row.location_id,
        row.location_name,
        row.timezone,
        row.connector_id,
        row.started_at,
        row.ended_at,
        row.energy_wh,
        row.evidence_level,
        SessionState(row.state),
        row.score,
        tuple(_finding(stored) for stored in row.findings),
        row.evaluations,
        price_of_row(row),
    )


def _finding(stored: Sequence[Any]) -> FindingView:
    code, taken, facts = stored
    finding = Finding(FindingCode(code), facts)
    return FindingView(code, finding.severity.value, finding.text, -taken)
