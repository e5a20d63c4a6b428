"""What lies in the lots of an account: how many points expire when, and whose money is behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import func, select

from nerava.ledger import model
from nerava.ledger.accounts import account_uuid

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class ExpiringPoints:
    """Points of an account that expire at one instant, whatever lots they lie in.

    Attributes:
        points: What is left of them, minor units of the account's asset.
        expires_at: From when on they may be taken back, aware UTC.
    """

    points: int
    expires_at: datetime


def expiring_next(session: Session, code: str, *, limit: int) -> list[ExpiringPoints]:
    """Return the account's points with an expiry, the soonest first, at most `limit` instants.

    Points that are overdue but not yet expired by the job come first; an unknown account has none.
    """
    lot = model.lot.c
    rows = session.execute(
        select(func.sum(lot.remaining).label("points"), lot.expires_at)
        .where(lot.account_id == account_uuid(code), lot.remaining > 0, lot.expires_at.is_not(None))
        .group_by(lot.expires_at)
        .order_by(lot.expires_at)
        .limit(limit)
    )
    return [ExpiringPoints(int(row.points), row.expires_at) for row in rows]
