"""Reading payouts: an owner's own, and the queue of those who look after them."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from sqlalchemy import and_, not_, or_, select

from nerava.payouts.cases import is_stuck
from nerava.payouts.errors import UnknownBatch, UnknownPayout
from nerava.payouts.model import Payout, PayoutBatch, PayoutEvidence
from nerava.payouts.states import IN_CLEARING, PayoutState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.payouts.states import OwnerKind

_CHAINS: Final = ("request_key", "outcome_key", "return_key")


class Shown(StrEnum):
    """Which payouts the queue shows."""

    WAITING = "waiting"
    """For a batch, and nothing is unusual about them."""
    FLAGGED = "flagged"
    """For somebody who looks at what is unusual."""
    APPROVED = "approved"
    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"
    STUCK = "stuck"
    """On their way for longer than a day."""
    DEAD = "dead"
    """Nothing goes on without a decision of people."""
    OVER = "over"


def queue(
    session: Session, shown: Shown, now: datetime, *, after: UUID | None, limit: int
) -> Sequence[Payout]:
    """Return payouts of the queue, the oldest first, from behind the id `after`."""
    query = select(Payout).where(_condition(shown, now))
    if after is not None:
        query = query.where(Payout.id > after)
    return session.scalars(query.order_by(Payout.id).limit(limit)).all()


def payouts_of(
    session: Session, owner_kind: OwnerKind, owner_id: UUID, *, after: UUID | None, limit: int
) -> Sequence[Payout]:
    """Return an owner's payouts, the newest first, from behind the id `after`."""
    query = select(Payout).where(Payout.owner_kind == owner_kind.value, Payout.owner_id == owner_id)
    if after is not None:
        query = query.where(Payout.id < after)
    return session.scalars(query.order_by(Payout.id.desc()).limit(limit)).all()


def payouts_behind(session: Session, owner_id: UUID, chains: Collection[UUID]) -> dict[UUID, UUID]:
    """Return which payouts of an owner these chains of the ledger belong to."""
    named = [getattr(Payout, name).in_(chains) for name in _CHAINS]
    query = select(Payout).where(Payout.owner_id == owner_id, or_(*named))
    return {getattr(one, name): one.id for one in session.scalars(query) for name in _CHAINS}


def payout_with_evidence(session: Session, payout_id: UUID) -> tuple[Payout, Sequence[PayoutEvidence]]:
    """Return a payout and everything that was told about it, in order.

    Raises:
        UnknownPayout: There is none with this id (404).
    """
    payout = session.scalars(select(Payout).where(Payout.id == payout_id)).one_or_none()
    if payout is None:
        raise UnknownPayout
    told = select(PayoutEvidence).where(PayoutEvidence.payout_id == payout_id)
    return payout, session.scalars(told.order_by(PayoutEvidence.read_at, PayoutEvidence.id)).all()


def batches(session: Session, state: str, *, after: UUID | None, limit: int) -> Sequence[PayoutBatch]:
    """Return batches in a state, the oldest first, from behind the id `after`."""
    query = select(PayoutBatch).where(PayoutBatch.state == state)
    if after is not None:
        query = query.where(PayoutBatch.id > after)
    return session.scalars(query.order_by(PayoutBatch.id).limit(limit)).all()


def batch_with_payouts(session: Session, batch_id: UUID) -> tuple[PayoutBatch, Sequence[Payout]]:
    """Return a batch and what is in it.

    Raises:
        UnknownBatch: There is none with this id (404).
    """
    batch = session.scalars(select(PayoutBatch).where(PayoutBatch.id == batch_id)).one_or_none()
    if batch is None:
        raise UnknownBatch
    inside = select(Payout).where(Payout.batch_id == batch_id).order_by(Payout.id)
    return batch, session.scalars(inside).all()


def _condition(shown: Shown, now: datetime) -> ColumnElement[bool]:
    waits = and_(Payout.state == PayoutState.REQUESTED.value, Payout.batch_id.is_(None))
    odd = and_(Payout.is_flagged.is_(True), Payout.reviewed_at.is_(None))
    clearing = Payout.state.in_([one.value for one in IN_CLEARING])
    return {
        Shown.WAITING: and_(waits, not_(odd)),
        Shown.FLAGGED: and_(waits, odd),
        Shown.APPROVED: Payout.state == PayoutState.APPROVED.value,
        Shown.UNDER_WAY: clearing,
        Shown.UNKNOWN: Payout.state == PayoutState.UNKNOWN.value,
        Shown.STUCK: is_stuck(now),
        Shown.DEAD: Payout.stalled_because.is_not(None),
        Shown.OVER: and_(Payout.next_at.is_(None), Payout.state != PayoutState.REQUESTED.value),
    }[shown]
