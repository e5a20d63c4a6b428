"""What finance decides about payouts: batches by two people, reviews, rejections, and the proven failure."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import func, select, text, update

from nerava.identity.approvals import DAY, AllowanceSpent, Kind
from nerava.ledger.switches import SelfApproval
from nerava.payouts.errors import (
    BatchDecided,
    NotGoneYet,
    OnHold,
    ReviewNeeded,
    UnknownBatch,
    UnknownPayout,
    WrongPayoutState,
)
from nerava.payouts.evidence import change_step, fail
from nerava.payouts.model import Payout, PayoutBatch
from nerava.payouts.states import IN_CLEARING, PayoutState, Step
from nerava.payouts.telling import tell

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.payouts.rules import PayoutRules

FAILURE: Final = Kind("payout_failure", daily=10**12)
"""Two people say that a payout was never sent; the proof is the provider's, so amounts set no limit."""

SETTLED_BY_HAND: Final = "never-sent"


def find_payout(session: Session, payout_id: UUID) -> Payout:
    """Return a payout, locked, whoever's it is.

    Raises:
        UnknownPayout: There is none with this id (404).
    """
    query = select(Payout).where(Payout.id == payout_id).with_for_update(key_share=True)
    found = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise UnknownPayout
    return found


def review(session: Session, payout_id: UUID, *, by: UUID, now: datetime) -> Payout:
    """Note that somebody has looked at what is unusual about a payout and lets it pass.

    Raises:
        UnknownPayout: There is none with this id (404).
        WrongPayoutState: It does not wait for approval (409).
    """
    payout = find_payout(session, payout_id)
    if payout.state != PayoutState.REQUESTED:
        raise WrongPayoutState(f"it is {payout.state}")
    payout.reviewed_by, payout.reviewed_at = by, now
    session.flush()
    return payout


def propose(session: Session, payout_ids: Collection[UUID], *, maker: UUID, now: datetime) -> PayoutBatch:
    """Put payouts together for a second person to let go.

    Raises:
        UnknownPayout: One does not exist (404).
        WrongPayoutState: One does not wait for approval, or is in another batch (409).
        ReviewNeeded: Something about one is unusual and nobody has looked at it (409).
        OnHold: One must wait some days (409).
    """
    query = (
        select(Payout).where(Payout.id.in_(payout_ids)).order_by(Payout.id).with_for_update(key_share=True)
    )
    payouts = session.scalars(query.execution_options(populate_existing=True)).all()
    if len(payouts) != len(set(payout_ids)):
        raise UnknownPayout
    for one in payouts:
        if one.state != PayoutState.REQUESTED or one.batch_id is not None:
            raise WrongPayoutState(f"payout {one.id} does not wait for a batch")
        if one.is_flagged and one.reviewed_at is None:
            raise ReviewNeeded(f"payout {one.id}: {', '.join(one.flags)}")
        if one.hold_until is not None and one.hold_until > now:
            raise OnHold(f"payout {one.id} waits until {one.hold_until:%Y-%m-%d %H:%M} UTC")
    batch = PayoutBatch(
        state="waiting",
        payouts=len(payouts),
        total_minor=sum(one.amount_minor for one in payouts),
        maker=maker,
        made_at=now,
    )
    session.add(batch)
    session.flush()
    for one in payouts:
        one.batch_id = batch.id
    session.flush()
    return batch


def approve(
    session: Session, batch_id: UUID, rules: PayoutRules, *, checker: UUID, now: datetime
) -> tuple[PayoutBatch, Sequence[Payout]]:
    """Let a batch go that somebody else proposed; what was canceled meanwhile stays so.

    Raises:
        UnknownBatch: Nobody proposed it (404).
        SelfApproval: The checker proposed it, or reviewed a payout in it (403).
        BatchDecided: It waits no longer (409).
        AllowanceSpent: Together with the last 24 hours it would be too much (409).
    """
    _lock(session)
    batch = _decide(session, batch_id, to="approved", checker=checker, now=now)
    waiting = select(Payout).where(Payout.batch_id == batch_id, Payout.state == PayoutState.REQUESTED.value)
    payouts = session.scalars(waiting.order_by(Payout.id).with_for_update(key_share=True)).all()
    for one in payouts:
        if one.reviewed_by == checker:
            raise SelfApproval
        one.state, one.approved_by, one.approved_at = PayoutState.APPROVED.value, checker, now
        one.next_at = now
        tell(session, one, now)
    session.flush()
    day = select(func.coalesce(func.sum(Payout.amount_minor), 0)).where(
        Payout.approved_at > now - DAY, Payout.state != PayoutState.CANCELED.value
    )
    if int(session.execute(day).scalar_one()) > rules.day_max_minor:
        raise AllowanceSpent(f"{rules.day_max_minor} in 24 hours")
    return batch, payouts


def refuse(session: Session, batch_id: UUID, *, checker: UUID, now: datetime) -> PayoutBatch:
    """Refuse a batch that somebody else proposed; its payouts wait for another one.

    Raises:
        UnknownBatch: Nobody proposed it (404).
        SelfApproval: The checker proposed it (403).
        BatchDecided: It waits no longer (409).
    """
    batch = _decide(session, batch_id, to="refused", checker=checker, now=now)
    free = update(Payout).where(Payout.batch_id == batch_id, Payout.state == PayoutState.REQUESTED.value)
    session.execute(free.values(batch_id=None, version=Payout.version + 1))
    return batch


def require_gone(payout: Payout) -> None:
    """Check that the provider has shown twice that a payout was never sent.

    Raises:
        WrongPayoutState: It is not on its way (409).
        NotGoneYet: It has not (409).
    """
    if PayoutState(payout.state) not in IN_CLEARING:
        raise WrongPayoutState(f"it is {payout.state}")
    if payout.gone_at is None or payout.step not in {Step.SEND, Step.PAY_OUT}:
        raise NotGoneYet


def set_failed(session: Session, ledger: Ledger, payout_id: UUID, now: datetime) -> Payout:
    """Give back what two people know was never sent; what reached the recipient's account is fetched first.

    Raises:
        UnknownPayout, WrongPayoutState, NotGoneYet: As `require_gone` (404, 409).
    """
    payout = find_payout(session, payout_id)
    require_gone(payout)
    payout.leased_until = None
    if payout.step == Step.SEND:
        fail(session, ledger, payout, SETTLED_BY_HAND, now)
    else:
        payout.reason, payout.stalled_because = SETTLED_BY_HAND, None
        change_step(payout, Step.TAKE_BACK, now)
    session.flush()
    return payout


def look_now(session: Session, payout_id: UUID, now: datetime) -> Payout:
    """Have a payout that is under way looked at at once.

    Raises:
        UnknownPayout: There is none with this id (404).
        WrongPayoutState: There is nothing to do about it (409).
    """
    payout = find_payout(session, payout_id)
    if payout.next_at is None:
        raise WrongPayoutState(f"it is {payout.state}")
    payout.next_at = now
    session.flush()
    return payout


def _decide(session: Session, batch_id: UUID, *, to: str, checker: UUID, now: datetime) -> PayoutBatch:
    decided = session.scalars(
        update(PayoutBatch)
        .where(PayoutBatch.id == batch_id, PayoutBatch.state == "waiting", PayoutBatch.maker != checker)
        .values(state=to, checker=checker, decided_at=now)
        .returning(PayoutBatch)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if decided is not None:
        return decided
    maker = session.scalar(select(PayoutBatch.maker).where(PayoutBatch.id == batch_id))
    if maker is None:
        raise UnknownBatch
    if maker == checker:
        raise SelfApproval
    raise BatchDecided


def _lock(session: Session) -> None:
    """Let approvals wait for each other, so that their sum is what it will be."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": zlib.crc32(b"approve:payouts")})
