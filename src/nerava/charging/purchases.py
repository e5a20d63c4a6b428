"""Purchases near charging sessions: which session one belongs to, and which one a session has."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select, update

from nerava.charging.model import ChargingLocation, ChargingSession, SessionPurchase
from nerava.charging.states import SessionEvent, SessionState, transition
from nerava.kernel.geography import Point, metres_between
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

REACH: Final = timedelta(hours=2)
"""How long before a session, or after it, a purchase may be."""

REACH_M: Final = 1_000
"""How far from the charger."""

_LONGEST: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)
_NEVER: Final = (SessionState.REJECTED.value,)
_S: Final[Any] = ChargingSession.__table__
_LOCATION: Final[Any] = ChargingLocation.__table__
_PURCHASE: Final[Any] = SessionPurchase.__table__
_INSERT: Final = BulkInsert(
    _PURCHASE,
    ("source", "reference", "session_id", "bought_at", "seconds_apart", "metres_apart", "bill_minor"),
    if_new=True,
)


class Match(StrEnum):
    """What became of a purchase."""

    MATCHED = "matched"
    NOT_YET = "not-yet"
    """Nothing fits it so far; a session may be told later, or still be on its way."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Something that a driver bought. `source` and `reference` name it; `bill_minor` is above 0."""

    source: str
    reference: str
    driver_id: UUID
    bought_at: datetime
    place: Point
    bill_minor: int


@dataclass(frozen=True, slots=True)
class NearPurchase:
    """The purchase of a session that is nearest in time, then in place."""

    seconds_apart: int
    metres_apart: int
    bill_minor: int


def match(session: Session, one: Purchase) -> Match:
    """Give a purchase to the session of its driver that is nearest in time, in the caller's unit of work.

    Within `REACH` and `REACH_M`. A session that was decided is decided once more, because a campaign may
    ask for a purchase. Safe to repeat: a purchase belongs to the first session that it was given to.
    """
    known = select(_PURCHASE.c.session_id).where(
        _PURCHASE.c.source == one.source, _PURCHASE.c.reference == one.reference
    )
    if session.scalar(known) is not None:
        return Match.MATCHED
    near = [(*_apart(row, one), row) for row in session.execute(_around(one)) if row.latitude is not None]
    fitting = [each for each in near if each[0] <= REACH // _SECOND and each[1] <= REACH_M]
    if not fitting:
        return Match.NOT_YET
    seconds, metres, nearest = min(fitting, key=lambda each: (each[0], each[1], each[2].id))
    if nearest.ended_at is None:
        return Match.NOT_YET
    row = (one.source, one.reference, nearest.id, one.bought_at, seconds, metres, one.bill_minor)
    if _INSERT.run(session, [row]):
        following = transition(SessionState(nearest.state), SessionEvent.ATTEST)
        session.execute(update(_S).where(_S.c.id == nearest.id).values(state=following.value))
    return Match.MATCHED


def near_purchases(session: Session, session_ids: Sequence[UUID]) -> dict[UUID, NearPurchase]:
    """Return for each session that has one its nearest purchase."""
    query = select(_PURCHASE).where(_PURCHASE.c.session_id.in_(session_ids))
    ordered = query.order_by(_PURCHASE.c.seconds_apart.desc(), _PURCHASE.c.metres_apart.desc())
    return {
        row.session_id: NearPurchase(row.seconds_apart, row.metres_apart, row.bill_minor)
        for row in session.execute(ordered)
    }


def _around(one: Purchase) -> Any:  # noqa: ANN401 - a select of columns
    """Return the sessions of the driver that may fit; locked, so that none is decided meanwhile."""
    return (
        select(
            *(_S.c[name] for name in ("id", "started_at", "ended_at", "state")),
            *(_LOCATION.c[name] for name in ("latitude", "longitude")),
        )
        .join(_LOCATION, _LOCATION.c.id == _S.c.location_id)
        .where(
            _S.c.driver_id == one.driver_id,
            _S.c.state.not_in(_NEVER),
            _S.c.started_at >= one.bought_at - REACH - _LONGEST,
            _S.c.started_at <= one.bought_at + REACH,
        )
        .order_by(_S.c.id)
        .with_for_update(key_share=True, of=_S)
    )


def _apart(row: Row[Any], one: Purchase) -> tuple[int, int]:
    """Return how many seconds, rounded up, and metres lie between a session and a purchase."""
    before, after = row.started_at - one.bought_at, one.bought_at - (row.ended_at or one.bought_at)
    seconds = max(0, -(-before // _SECOND), -(-after // _SECOND))
    return seconds, metres_between(Point(row.latitude, row.longitude), one.place)
