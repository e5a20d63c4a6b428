"""Reads charging sessions with all that verification and rules ask about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select

from nerava.charging.evidence import EvidencedSession
from nerava.charging.model import ChargingLocation, ChargingSession, Connector, Evse, SessionPriceRow
from nerava.charging.prices import price_of_row
from nerava.charging.queries import decisive_finding
from nerava.charging.states import SessionState

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Row, Select
    from sqlalchemy.orm import Session

PAGE: Final = 2_000
_S: Final[Any] = ChargingSession.__table__.c
_LOCATION: Final[Any] = ChargingLocation.__table__
_CONNECTOR: Final[Any] = Connector.__table__
_PRICE: Final[Any] = SessionPriceRow.__table__
_DECIDED: Final = (SessionState.VERIFIED.value, SessionState.REVIEW.value, SessionState.REJECTED.value)


class DecidedSession(NamedTuple):
    """A session of the past; `rejected_for` is the finding that rejected it, None where none did."""

    session: EvidencedSession
    state: SessionState
    rejected_for: str | None


def evidenced_query() -> Select[Any]:
    """Return the query whose rows `session_of` reads."""
    return (
        select(
            _S.id,
            _S.source,
            _S.reference,
            _S.driver_id,
            _S.location_id,
            _S.connector_id,
            _LOCATION.c.timezone,
            _S.started_at,
            _S.ended_at,
            _S.energy_wh,
            func.coalesce(_CONNECTOR.c.power_w_max, _best_there()).label("power_w_max"),
            _S.evidence_level,
            *(_LOCATION.c[name] for name in ("is_test", "latitude", "longitude")),
            _PRICE.c.price_minor,
            _PRICE.c.currency,
            _S.score,
            _S.evaluations,
            _S.state,
        )
        .join(_LOCATION, _LOCATION.c.id == _S.location_id)
        .outerjoin(_CONNECTOR, _CONNECTOR.c.id == _S.connector_id)
        .outerjoin(_PRICE, _PRICE.c.session_id == _S.id)
    )


def _best_there() -> ColumnElement[Any]:
    """Return the highest rating at a session's place, where nobody says which connector it was."""
    best = select(func.max(_CONNECTOR.c.power_w_max)).join(Evse, Evse.id == _CONNECTOR.c.evse_id)
    there = best.where(Evse.location_id == _S.location_id, _S.connector_id.is_(None))
    return there.correlate(ChargingSession).scalar_subquery()


def session_of(row: Row[Any]) -> EvidencedSession:
    """Return the session of a row of `evidenced_query`."""
    return EvidencedSession(
        id=row.id,
        source=row.source,
        reference=row.reference,
        driver_id=row.driver_id,
        location_id=row.location_id,
        connector_id=row.connector_id,
        timezone=row.timezone,
        started_at=row.started_at,
        ended_at=row.ended_at,
        energy_wh=row.energy_wh,
        power_w_max=row.power_w_max,
        evidence_level=row.evidence_level,
        is_test=row.is_test,
        latitude=row.latitude,
        longitude=row.longitude,
        price=price_of_row(row),
        score=row.score or 0,
        under_review=row.state == SessionState.REVIEW,
        evaluations=row.evaluations,
    )


def count_decided(session: Session, since: datetime, until: datetime, most: int) -> int:
    """Return how many decided sessions began at or after `since` and before `until`; counts to `most`."""
    some = select(_S.id).where(*_within(since, until)).limit(most).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def latest_start(session: Session) -> datetime:
    """Return when the last of all sessions began; there must be one."""
    found: datetime = session.execute(
        select(_S.started_at).order_by(_S.started_at.desc()).limit(1)
    ).scalar_one()
    return found


def decided_pages(
    session: Session, since: datetime, until: datetime
) -> Generator[Sequence[DecidedSession], None, None]:
    """Yield the same sessions in the order in which they are decided: by start, then by id.

    They are streamed page by page, so memory holds one page however many there are. Who stops early
    closes it.
    """
    query = evidenced_query().add_columns(_S.findings).where(*_within(since, until))
    ordered = query.order_by(_S.started_at, _S.id).execution_options(yield_per=PAGE)
    with session.execute(ordered) as rows:
        for page in rows.partitions():
            yield [
                DecidedSession(session_of(row), SessionState(row.state), decisive_finding(row.findings))
                for row in page
            ]


def _within(since: datetime, until: datetime) -> tuple[ColumnElement[bool], ...]:
    return _S.state.in_(_DECIDED), _S.started_at >= since, _S.started_at < until
