"""Tells customer records what happened: each event once at most, and none without consent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, func, or_, select, update

from nerava.crm.halving import halved
from nerava.crm.ports import Happening
from nerava.crm.reading import consenting
from nerava.crm.waiting import after
from nerava.kernel.outcomes import Ok, Refused, Unknown
from nerava.outbox.crm_store import CrmContact, CrmContactState, CrmEvent, CrmEventState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.crm.ports import Crm
    from nerava.kernel.outcomes import Outcome
    from nerava.platform.db import Database

TOO_OLD: Final = timedelta(days=7)
"""What was not told by then is of no use to anybody and makes way."""

KEPT: Final = timedelta(days=30)
LOOKED_AT_AGAIN: Final = timedelta(minutes=1)
REMOVED_AT_ONCE: Final = 5_000
ATTEMPTS_COUNTED: Final = 1_000
_HERE: Final = (CrmContactState.KEPT.value, CrmContactState.WANTED.value)


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that this worker tells now."""

    fence: int
    happening: Happening


def send(database: Database, crm: Crm, now: datetime, lease: timedelta) -> int:
    """Tell what is due and return how many rows ended; those that wait for their person are put off."""
    claims, ended = database.run(lambda session: _taken(session, crm.happenings_max, now, lease))
    by_trace = {one.happening.trace: one for one in claims}
    for part in halved([one.happening for one in claims], crm.tell):
        taken = [by_trace[one.trace] for one in part.rows]
        ended += database.run(
            lambda session, taken=taken, outcome=part.outcome: sum(  # type: ignore[misc]
                _note(session, one, outcome, now) for one in taken
            ),
            repeatable=True,
        )
    return ended


def forget_old(session: Session, now: datetime) -> int:
    """Forget what was given up a month ago; return how many rows, at most 5,000."""
    old = select(CrmEvent.id).where(
        CrmEvent.state != CrmEventState.WAITING.value, CrmEvent.happened_at <= now - KEPT
    )
    gone = delete(CrmEvent).where(CrmEvent.id.in_(old.limit(REMOVED_AT_ONCE)))
    return len(session.execute(gone.returning(CrmEvent.id)).all())


def retry(session: Session, now: datetime) -> int:
    """Give what was refused another chance; return how many rows. What may have been told is not among it."""
    parked = update(CrmEvent).where(CrmEvent.state == CrmEventState.PARKED.value)
    again = {"state": CrmEventState.WAITING.value, "next_at": now, "attempts": 0, "trouble": None}
    return len(session.execute(parked.values(**again).returning(CrmEvent.id)).all())


def counts(session: Session) -> dict[str, int]:
    """Return how many events wait, were refused, or may have been told."""
    query = select(CrmEvent.state, func.count()).group_by(CrmEvent.state)
    return {state: many for state, many in session.execute(query)}  # noqa: C416 - typed when unpacked


def _taken(session: Session, limit: int, now: datetime, lease: timedelta) -> tuple[list[Claim], int]:
    rows = _due(session, limit, now)
    users = {row.user_id for row in rows}
    agreeing = consenting(session, users)
    known = {
        row.user_id: row for row in session.scalars(select(CrmContact).where(CrmContact.user_id.in_(users)))
    }
    claims, dropped = [], 0
    for row in rows:
        person = known.get(row.user_id)
        is_here = person is not None and person.state in _HERE
        if row.leased_until is not None:
            # Whoever took it was killed, perhaps after telling it.
            row.state, row.next_at, row.leased_until = CrmEventState.UNKNOWN.value, None, None
            row.trouble = "interrupted"
            dropped += 1
        elif row.happened_at <= now - TOO_OLD or row.user_id not in agreeing or not is_here:
            session.delete(row)
            dropped += 1
        elif person is None or person.remote_id is None:
            row.next_at = now + LOOKED_AT_AGAIN
        else:
            row.fence += 1
            row.leased_until, row.attempts = now + lease, min(row.attempts + 1, ATTEMPTS_COUNTED)
            told = Happening(row.id, person.remote_id, row.name, row.happened_at, row.properties)
            claims.append(Claim(row.fence, told))
    return claims, dropped


def _due(session: Session, limit: int, now: datetime) -> Sequence[CrmEvent]:
    free = or_(CrmEvent.leased_until.is_(None), CrmEvent.leased_until <= now)
    query = select(CrmEvent).where(
        CrmEvent.state == CrmEventState.WAITING.value, CrmEvent.next_at <= now, free
    )
    return session.scalars(
        query.order_by(CrmEvent.next_at, CrmEvent.id).limit(limit).with_for_update(skip_locked=True)
    ).all()


def _note(session: Session, claim: Claim, outcome: Outcome[None], now: datetime) -> int:
    mine = select(CrmEvent).where(CrmEvent.id == claim.happening.trace, CrmEvent.fence == claim.fence)
    row = session.scalars(mine.with_for_update()).one_or_none()
    if row is None:
        return 0
    row.leased_until = None
    if isinstance(outcome, Ok):
        session.delete(row)
        return 1
    row.trouble = outcome.code[:60]
    if isinstance(outcome, Unknown | Refused):
        state = CrmEventState.UNKNOWN if isinstance(outcome, Unknown) else CrmEventState.PARKED
        row.state, row.next_at = state.value, None
        return 1
    row.next_at = after(outcome, row.attempts, now)
    return 0
