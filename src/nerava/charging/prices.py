"""Keeps what sessions cost; a session has one price, that of its best evidence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, select

from nerava.charging.evidence import SessionPrice
from nerava.charging.model import SessionPriceRow
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

_T: Final[Any] = SessionPriceRow.__table__
_INSERT: Final = BulkInsert(_T, ("session_id", "price_minor", "currency"))


def price_of_row(row: Row[Any]) -> SessionPrice | None:
    """Return the price in a row that may have been joined to none."""
    return None if row.price_minor is None else SessionPrice(row.price_minor, row.currency)


def prices_of(session: Session, session_ids: Collection[UUID]) -> dict[UUID, SessionPrice]:
    """Return the prices of those sessions that have one."""
    query = select(_T).where(_T.c.session_id.in_(session_ids))
    return {row.session_id: SessionPrice(row.price_minor, row.currency) for row in session.execute(query)}


def keep_prices(session: Session, prices: Mapping[UUID, SessionPrice | None]) -> None:
    """Write what these sessions cost now; None forgets it. Their rows are locked by the caller, or new."""
    told = {key: price for key, price in prices.items() if price is not None}
    if not prices:
        return
    session.execute(delete(_T).where(_T.c.session_id.in_(prices)))
    _INSERT.run(session, [(key, *told[key]) for key in sorted(told)])
