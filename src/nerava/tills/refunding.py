"""Money that went back at a till takes the discount with it: points return in proportion, once a refund."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.kernel.ids import fact_id
from nerava.merchants import refunding
from nerava.merchants.errors import AlreadySettled, NotRefundable
from nerava.merchants.model import Redemption, RedemptionRefund
from nerava.merchants.refunding import Counter
from nerava.tills.model import TillMatch, TillOrder, TillRefund
from nerava.tills.states import RefundState
from nerava.tills.turns import AT_ONCE, is_due

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

ACTOR: Final = "tills"
_REDEMPTION: Final[Any] = Redemption.__table__.c
NOTHING_LEFT: Final = "nothing-left"


class TillRefunding:
    """Gives points back for refunds at tills. Safe to share between threads and processes, and to repeat."""

    def __init__(self, database: Database, ledger: Ledger) -> None:
        self._database = database
        self._ledger = ledger

    def run(self, now: datetime) -> int:
        """Give back for refunds that are due, each in a unit of work, and return for how many.

        Raises:
            SwitchedOff: Refunds are stopped; they wait.
        """
        done = 0
        while done < AT_ONCE and self._database.run(
            lambda session: _give_back_next(session, self._ledger, now)
        ):
            done += 1
        return done


def _give_back_next(session: Session, ledger: Ledger, now: datetime) -> bool:
    due = (
        select(TillRefund.id, TillRefund.order_id)
        .where(is_due(TillRefund, now), TillRefund.state == RefundState.COMPLETED.value)
        .order_by(TillRefund.next_at, TillRefund.id)
        .limit(1)
    )
    found = session.execute(due).one_or_none()
    if found is None:
        return False
    # Of one order after the other: each refund has to see what those before it gave back.
    order = session.scalars(
        select(TillOrder).where(TillOrder.id == found.order_id).with_for_update(key_share=True)
    ).one()
    query = select(TillRefund).where(TillRefund.id == found.id).with_for_update()
    refund = session.scalars(query.execution_options(populate_existing=True)).one()
    if refund.points is not None or refund.next_at is None:
        return True
    refund.next_at = None
    redemption = _proved(session, order.id)
    if redemption is None:
        # It waits for an order to prove something; that lets it be due again.
        return True
    points, refund.trouble = _share(session, redemption, order, refund), None
    if points > 0:
        points, refund.trouble = _give(session, ledger, redemption, order, refund, points=points, now=now)
    else:
        refund.trouble = NOTHING_LEFT
    refund.points = points
    return True


def _proved(session: Session, order_id: UUID) -> Row[Any] | None:
    query = (
        select(_REDEMPTION.id, _REDEMPTION.merchant_id, _REDEMPTION.points)
        .join(TillMatch, TillMatch.redemption_id == _REDEMPTION.id)
        .where(TillMatch.order_id == order_id)
    )
    return session.execute(query).one_or_none()


def _share(session: Session, redemption: Row[Any], order: TillOrder, refund: TillRefund) -> int:
    """Return the points that a refund takes along, rounded down over all refunds of the order together."""
    decided = TillRefund.order_id == order.id, TillRefund.points.is_not(None)
    before = session.scalar(select(func.sum(TillRefund.amount_minor)).where(*decided)) or 0
    given = session.scalar(select(func.sum(TillRefund.points)).where(*decided)) or 0
    back = min(int(before) + refund.amount_minor, order.paid_minor)
    wanted: int = redemption.points * back // max(order.paid_minor, 1) - int(given)
    other = select(func.coalesce(func.sum(RedemptionRefund.points), 0)).where(
        RedemptionRefund.redemption_id == redemption.id
    )
    # Locked before it is counted: a person may give some of it back at this moment.
    mine = select(Redemption.id).where(Redemption.id == redemption.id)
    session.execute(mine.with_for_update(key_share=True))
    left: int = redemption.points - int(session.scalar(other) or 0)
    return max(min(wanted, left), 0)


def _give(
    session: Session,
    ledger: Ledger,
    redemption: Row[Any],
    order: TillOrder,
    refund: TillRefund,
    *,
    points: int,
    now: datetime,
) -> tuple[int, str | None]:
    fact = f"till_refund:{order.provider}:{order.account}:{refund.external_id}"
    try:
        refunding.refund(
            session,
            ledger,
            Counter(redemption.merchant_id, ACTOR),
            redemption.id,
            refund_id=fact_id(fact),
            points=points,
            now=now,
        )
    except (AlreadySettled, NotRefundable) as refusal:
        log.warning("a refund at a till takes no points along: %s", refusal.code)
        return 0, refusal.code
    return points, None
