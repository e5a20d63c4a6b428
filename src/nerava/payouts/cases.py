"""Cases: what a person must look into, each opened once and closed by somebody with a reason."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy import and_, not_, or_, select, update

from nerava.payouts.errors import CaseClosed, UnknownCase
from nerava.payouts.model import Payout, PayoutCase
from nerava.payouts.rules import BANK_TAKES, STUCK_AFTER
from nerava.payouts.states import IN_CLEARING, CaseKind, PayoutState, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

log = logging.getLogger(__name__)


def open_case(
    session: Session,
    kind: CaseKind,
    subject: str,
    told: Mapping[str, object],
    now: datetime,
    *,
    payout: Payout | None = None,
) -> bool:
    """Open a case, and return whether it is new; a kind has one case for one subject, closed or not."""
    known = select(PayoutCase.id).where(PayoutCase.kind == kind.value, PayoutCase.subject == subject)
    if session.scalar(known) is not None:
        return False
    row = PayoutCase(
        kind=kind.value,
        subject=subject,
        payout_id=None if payout is None else payout.id,
        told=dict(told),
        opened_at=now,
    )
    session.add(row)
    session.flush()
    log.error("payouts: %s, %s", kind.value, subject)
    return True


def is_stuck(now: datetime) -> ColumnElement[bool]:
    """Return the condition of payouts that are on their way for too long: a day, or five at the bank."""
    at_the_bank = and_(Payout.state == PayoutState.SUBMITTED.value, Payout.step == Step.AWAIT.value)
    return and_(
        Payout.state.in_([one.value for one in IN_CLEARING]),
        or_(
            and_(not_(at_the_bank), Payout.submitted_at <= now - STUCK_AFTER),
            Payout.submitted_at <= now - BANK_TAKES,
        ),
    )


def find_stuck(session: Session, now: datetime, limit: int = 200) -> int:
    """Open a case for every payout that is on its way for too long; return how many are new."""
    known = select(PayoutCase.payout_id).where(PayoutCase.kind == CaseKind.STUCK.value)
    stuck = (
        select(Payout)
        .where(
            is_stuck(now),
            Payout.id.not_in(known.where(PayoutCase.payout_id.is_not(None))),
        )
        .order_by(Payout.submitted_at, Payout.id)
        .limit(limit)
    )
    return sum(
        open_case(
            session, CaseKind.STUCK, str(one.id), {"state": one.state, "step": one.step}, now, payout=one
        )
        for one in session.scalars(stuck).all()
    )


def list_cases(session: Session, *, is_open: bool, after: UUID | None, limit: int) -> Sequence[PayoutCase]:
    """Return cases, the oldest first, from behind the id `after`."""
    closed = PayoutCase.closed_at.is_(None) if is_open else PayoutCase.closed_at.is_not(None)
    query = select(PayoutCase).where(closed)
    if after is not None:
        query = query.where(PayoutCase.id > after)
    return session.scalars(query.order_by(PayoutCase.id).limit(limit)).all()


def close_case(session: Session, case_id: UUID, *, by: UUID, reason: str, now: datetime) -> PayoutCase:
    """Close a case; of two who do, one does.

    Raises:
        UnknownCase: There is none with this id (404).
        CaseClosed: Somebody has closed it (409).
    """
    closed = session.scalars(
        update(PayoutCase)
        .where(PayoutCase.id == case_id, PayoutCase.closed_at.is_(None))
        .values(closed_at=now, closed_by=by, closing_reason=reason)
        .returning(PayoutCase)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if closed is not None:
        return closed
    if session.scalar(select(PayoutCase.id).where(PayoutCase.id == case_id)) is None:
        raise UnknownCase
    raise CaseClosed
