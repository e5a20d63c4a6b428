"""What lies in the lots of an account: how many points expire when, and whose money is behind them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import Integer, bindparam, func, select

from nerava.ledger import model
from nerava.ledger.accounts import account_uuid

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

_LOT: Final = model.lot.c

# Built once: building it costs more than running it, and every look into a wallet runs it.
_NEXT: Final = (
    select(func.sum(_LOT.remaining).label("points"), _LOT.expires_at)
    .where(_LOT.account_id == bindparam("account"), _LOT.remaining > 0, _LOT.expires_at.is_not(None))
    .group_by(_LOT.expires_at)
    .order_by(_LOT.expires_at)
    .limit(bindparam("most", type_=Integer()))
)


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
    rows = session.execute(_NEXT, {"account": account_uuid(code), "most": limit})
    return [ExpiringPoints(int(row.points), row.expires_at) for row in rows]


@dataclass(frozen=True, slots=True)
class OpenLot:
    """What is left of one lot.

    Attributes:
        created_by: Key of the transfer that created the lot.
    """

    id: UUID
    created_by: UUID
    remaining: int


def open_lots(session: Session, code: str) -> list[OpenLot]:
    """Return the lots of an account with something left, in the order in which they are spent."""
    wanted = (
        select(_LOT.id, _LOT.key, _LOT.remaining)
        .where(_LOT.account_id == account_uuid(code), _LOT.remaining > 0)
        .order_by(_LOT.expires_at.is_(None), _LOT.expires_at, _LOT.id)
    )
    return [OpenLot(row.id, row.key, int(row.remaining)) for row in session.execute(wanted)]
