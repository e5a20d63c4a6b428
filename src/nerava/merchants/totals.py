"""What a merchant redeemed in a period, from the rows alone: the captures less the refunds of that time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import func, select

from nerava.merchants.model import PerkClaim, Redemption, RedemptionRefund

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

_REDEMPTION: Final[Any] = Redemption.__table__
_REFUND: Final[Any] = RedemptionRefund.__table__
_CLAIM: Final[Any] = PerkClaim.__table__


@dataclass(frozen=True, slots=True)
class RedeemedTotals:
    """A merchant's redemptions of a period.

    Attributes:
        redemptions: How many codes were captured.
        captured: Points they came to, whatever was given back since.
        refunds: How many refunds and voids were made in the period, of whichever redemptions.
        refunded: Points they gave back.
        claims: How many perks were claimed.
        claim_fees_minor: What their fees came to, in minor units.
    """

    redemptions: int
    captured: int
    refunds: int
    refunded: int
    claims: int
    claim_fees_minor: int

    @property
    def points(self) -> int:
        """Captured less refunded; below 0 where a period gave back more than it took."""
        return self.captured - self.refunded


def redeemed_in(session: Session, merchant_id: UUID, since: datetime, until: datetime) -> RedeemedTotals:
    """Return what a merchant redeemed from `since` up to, and without, `until` (aware UTC).

    A refund counts when it is made, not when its redemption was, so that a period that is over
    never changes.
    """
    captured = _sums(session, _REDEMPTION.c.points, _REDEMPTION.c.captured_at, merchant_id, (since, until))
    refunded = _sums(session, _REFUND.c.points, _REFUND.c.refunded_at, merchant_id, (since, until))
    claimed = _sums(session, _CLAIM.c.fee_minor, _CLAIM.c.claimed_at, merchant_id, (since, until))
    return RedeemedTotals(*captured, *refunded, *claimed)


def _sums(
    session: Session,
    amount: ColumnElement[int],
    at: ColumnElement[datetime],
    merchant_id: UUID,
    period: tuple[datetime, datetime],
) -> tuple[int, int]:
    table: Any = amount.table
    query = select(func.count(), func.coalesce(func.sum(amount), 0)).where(
        table.c.merchant_id == merchant_id, at >= period[0], at < period[1]
    )
    count, total = session.execute(query).one()
    return int(count), int(total)
