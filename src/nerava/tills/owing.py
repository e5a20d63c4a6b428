"""Refunds at tills that gave nothing back because the merchant was settled since: a person decides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from sqlalchemy import CursorResult, select, update

from nerava.merchants.errors import AlreadySettled
from nerava.merchants.model import Redemption
from nerava.tills.model import TillMatch, TillOrder, TillRefund

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

_REDEMPTION: Final[Any] = Redemption.__table__.c
WAITS_FOR_A_PERSON: Final = TillRefund.trouble == AlreadySettled.code
CLOSED: Final = "closed-by-ops"


class Owing(NamedTuple):
    """Money that went back at a till without its share of the points, in minor units of `currency`.

    Attributes:
        paid_minor: What the order had brought.
        points: What its redemption took; the driver was to get the refund's share of it.
    """

    id: UUID
    merchant_id: UUID
    driver_id: UUID
    redemption_id: UUID
    amount_minor: int
    paid_minor: int
    currency: str | None
    points: int
    told_at: datetime


def owing(session: Session, *, after: UUID | None, limit: int) -> list[Owing]:
    """Return the refunds that gave nothing back and wait for a person, the oldest first."""
    query = (
        select(
            TillRefund.id,
            _REDEMPTION.merchant_id,
            _REDEMPTION.driver_id,
            _REDEMPTION.id,
            TillRefund.amount_minor,
            TillOrder.paid_minor,
            TillOrder.currency,
            _REDEMPTION.points,
            TillRefund.told_at,
        )
        .join(TillOrder, TillOrder.id == TillRefund.order_id)
        .join(TillMatch, TillMatch.order_id == TillOrder.id)
        .join(Redemption, _REDEMPTION.id == TillMatch.redemption_id)
        .where(WAITS_FOR_A_PERSON)
    )
    if after is not None:
        query = query.where(TillRefund.id > after)
    return [Owing(*row) for row in session.execute(query.order_by(TillRefund.id).limit(limit))]


def close(session: Session, refund_id: UUID) -> bool:
    """Note that a person has seen to a refund; return whether it waited for one. No points are moved."""
    mine = update(TillRefund).where(TillRefund.id == refund_id, WAITS_FOR_A_PERSON).values(trouble=CLOSED)
    return cast("CursorResult[Any]", session.execute(mine)).rowcount == 1
