"""Disputes as people of ops see them: which wait for somebody, since when, and the end of a stop by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import or_, select

from nerava.ledger.findings import Finding
from nerava.rewards.checkout_store import SponsorCheckout
from nerava.rewards.dispute_money import collect, owed_of, sums_of
from nerava.rewards.dispute_store import DisputeState, SponsorDispute
from nerava.rewards.errors import NotStopped, UnknownDispute
from nerava.rewards.sponsor_stops import STOPPING, WAITS_FOR_A_PERSON, lock_sponsor, stops

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger

ANSWER_AHEAD: Final = timedelta(days=3)
"""A dispute nobody has answered rings so long before the provider takes no evidence any more."""

LOST_FOR: Final = timedelta(days=7)
"""A lost dispute whose stop nobody has looked at rings after this time."""

IN_TROUBLE_FOR: Final = timedelta(days=1)
CHECK: Final = "disputes-are-answered"
_D: Final[Any] = SponsorDispute
_C: Final[Any] = SponsorCheckout


@dataclass(frozen=True, slots=True)
class DisputeCase:
    """A dispute, and what was booked of it; amounts in minor units of `currency`.

    Attributes:
        taken: What the payer's bank has of us now.
        open: What of it nothing has paid yet.
    """

    id: UUID
    provider: str
    dispute: str
    payment: str | None
    checkout_id: UUID | None
    sponsor_id: UUID | None
    state: DisputeState
    is_stopping: bool
    amount: int | None
    currency: str | None
    reason: str | None
    taken: int
    open: int
    trouble: str | None
    told_at: datetime
    answer_by: datetime | None
    ended_at: datetime | None
    lifted_at: datetime | None


class Lifted(NamedTuple):
    """What the lifting of a stop did, in minor units.

    Attributes:
        collected: Paid out of the sponsor's deposits for what was lost.
        owed: What the sponsor still owes, for this dispute and others.
    """

    collected: int
    owed: int


def cases(session: Session, *, is_waiting: bool, after: UUID | None, limit: int) -> list[DisputeCase]:
    """Return disputes, the oldest first: those that wait for a person, or all."""
    query = select(SponsorDispute)
    if is_waiting:
        query = query.where(WAITS_FOR_A_PERSON)
    if after is not None:
        query = query.where(_D.id > after)
    return [_case(session, row) for row in session.scalars(query.order_by(_D.id).limit(limit))]


def case_of(session: Session, dispute_id: UUID) -> DisputeCase:
    """Return one dispute.

    Raises:
        UnknownDispute: There is none of this id (404).
    """
    return _case(session, _found(session, dispute_id))


def weight_of(session: Session, dispute_id: UUID) -> int | None:
    """Return what a stop is about: what is disputed, or the payment while that was not read, else None.

    Raises:
        UnknownDispute: There is none of this id (404).
    """
    row = _found(session, dispute_id)
    if row.amount is not None or row.checkout_id is None:
        return row.amount
    gross: int | None = session.scalar(select(_C.gross).where(_C.id == row.checkout_id))
    return gross


def lift(session: Session, ledger: Ledger, dispute_id: UUID, now: datetime) -> Lifted:
    """Say that a person has seen to a dispute; from now on it stops nobody, whatever becomes of it.

    What a lost one left open is paid first, as far as the deposits go. Campaigns stay paused until
    their sponsor activates them.

    Raises:
        UnknownDispute: There is none of this id (404).
        NotStopped: It stops nobody and waits for nobody (409).
        SwitchedOff: Somebody has stopped all money (503).
    """
    row = _found(session, dispute_id, for_change=True)
    waits = row.state in {DisputeState.TOLD, DisputeState.OPEN, DisputeState.LOST} or row.trouble is not None
    if row.lifted_at is not None or not waits:
        raise NotStopped
    row.lifted_at = now
    collected = owed = 0
    if row.sponsor_id is not None:
        lock_sponsor(session, row.sponsor_id)
        collected = collect(session, ledger, row, now) if row.state == DisputeState.LOST else 0
        owed = owed_of(session, row.sponsor_id)
    session.flush()
    return Lifted(collected, owed)


def unanswered(session: Session, now: datetime) -> list[Finding]:
    """Return what rings: evidence soon too late, a lost dispute nobody looks at, one that leads nowhere."""
    late = or_(
        STOPPING & (_D.answer_by <= now + ANSWER_AHEAD),
        (_D.state == DisputeState.LOST.value) & (_D.ended_at <= now - LOST_FOR),
        _D.trouble.is_not(None) & (_D.told_at <= now - IN_TROUBLE_FOR),
    )
    query = select(SponsorDispute).where(WAITS_FOR_A_PERSON, late).order_by(_D.id).limit(100)
    return [Finding(CHECK, str(row.id), _why(row)) for row in session.scalars(query)]


def _why(row: SponsorDispute) -> str:
    amount = "" if row.amount is None else f"{row.amount} {row.currency}, "
    until = "" if row.answer_by is None else f", evidence until {row.answer_by:%Y-%m-%d %H:%M}"
    trouble = "" if row.trouble is None else f", {row.trouble}"
    return f"{amount}{row.state} at {row.provider} since {row.told_at:%Y-%m-%d %H:%M}{until}{trouble}"


def _found(session: Session, dispute_id: UUID, *, for_change: bool = False) -> SponsorDispute:
    query = select(SponsorDispute).where(_D.id == dispute_id)
    row = session.scalars(query.with_for_update(key_share=True) if for_change else query).one_or_none()
    if row is None:
        raise UnknownDispute(f"no dispute {dispute_id}")
    return row


def _case(session: Session, row: SponsorDispute) -> DisputeCase:
    sums = sums_of(session, row.id)
    return DisputeCase(
        id=row.id,
        provider=row.provider,
        dispute=row.dispute,
        payment=row.payment,
        checkout_id=row.checkout_id,
        sponsor_id=row.sponsor_id,
        state=DisputeState(row.state),
        is_stopping=stops(row),
        amount=row.amount,
        currency=row.currency,
        reason=row.reason,
        taken=sums.away,
        open=max(0, sums.owed),
        trouble=row.trouble,
        told_at=row.told_at,
        answer_by=row.answer_by,
        ended_at=row.ended_at,
        lifted_at=row.lifted_at,
    )
