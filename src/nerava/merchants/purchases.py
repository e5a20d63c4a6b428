"""Orders that were paid with a code near a charger: each is looked for a charging session of its driver."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from nerava.charging.purchases import Match, Purchase, match
from nerava.kernel.geography import Point
from nerava.merchants.model import MerchantSite, PosOrder, Redemption

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SOURCE: Final = "redemption"
FIRST_LOOK: Final = timedelta(minutes=2)
"""After the minute in which a register can void it."""

LOOKED_FOR: Final = timedelta(days=7)
"""How long a session may be told after the order."""

_ORDER: Final[Any] = PosOrder.__table__
_REDEMPTION: Final[Any] = Redemption.__table__.c
_SITE: Final[Any] = MerchantSite.__table__.c


def match_orders(session: Session, now: datetime, limit: int = 100) -> int:
    """Look at up to `limit` orders that are due, in the caller's unit of work; return how many were.

    One that fits no session yet is looked at again after as long as it is old, for a week. Safe to repeat
    and to run beside other workers.
    """
    query = (
        select(
            _ORDER.c.merchant_id,
            _ORDER.c.pos_order_id,
            _REDEMPTION.id,
            _REDEMPTION.driver_id,
            _REDEMPTION.captured_at,
            _REDEMPTION.bill_minor,
            _REDEMPTION.points,
            _SITE.latitude,
            _SITE.longitude,
        )
        .join(Redemption, _REDEMPTION.id == _ORDER.c.redemption_id)
        .join(MerchantSite, _SITE.id == _REDEMPTION.site_id)
        .where(_ORDER.c.next_at <= now)
        .order_by(_ORDER.c.next_at, _ORDER.c.redemption_id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=_ORDER)
    )
    rows = session.execute(query).all()
    for row in rows:
        found = match(
            session,
            Purchase(
                SOURCE,
                str(row.id),
                row.driver_id,
                row.captured_at,
                Point(row.latitude, row.longitude),
                row.bill_minor or row.points,
            ),
        )
        again = now + max(now - row.captured_at, FIRST_LOOK)
        over = found is Match.MATCHED or again - row.captured_at > LOOKED_FOR
        mine = _ORDER.c.merchant_id == row.merchant_id, _ORDER.c.pos_order_id == row.pos_order_id
        session.execute(update(_ORDER).where(*mine).values(next_at=None if over else again))
    return len(rows)
