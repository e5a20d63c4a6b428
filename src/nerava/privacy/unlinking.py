"""What rewards still say of a driver whose old sessions name nobody any more."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, or_, select, update

from nerava.charging.model import SessionPriceRow, SessionPurchase
from nerava.drivers.nobody import NOBODY
from nerava.platform.db.bulk import BulkUpdate
from nerava.rewards.model import Campaign, RewardCap, RewardGrant
from nerava.rewards.usage import TOTAL

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

CAPS: Final = "caps that count nobody's points"
"""How the report names what `forget_caps` removes."""

_PURCHASE: Final[Any] = SessionPurchase.__table__
_PRICE: Final[Any] = SessionPriceRow.__table__
_CAP: Final[Any] = RewardCap.__table__
_COUNTED: Final = BulkUpdate(_CAP, match=("driver_id", "campaign_id", "period"), add=("points_unlinked",))


def unlink_grants(session: Session, session_ids: Sequence[UUID]) -> None:
    """Let the grants of these sessions be nobody's, and forget what they cost and what was bought near them.

    In the caller's transaction. Their caps go on counting them, so that nobody earns twice in a campaign
    that still runs. The ledger names an account by an opaque id and stays.
    """
    # A purchase names its driver for longer, and would name whose session it was.
    session.execute(delete(_PURCHASE).where(_PURCHASE.c.session_id.in_(session_ids)))
    session.execute(delete(_PRICE).where(_PRICE.c.session_id.in_(session_ids)))
    mine = RewardGrant.session_id.in_(session_ids), RewardGrant.driver_id != NOBODY
    wanted = select(
        RewardGrant.driver_id, RewardGrant.campaign_id, RewardGrant.local_date, RewardGrant.points
    )
    points: Counter[tuple[UUID, UUID, str]] = Counter()
    for row in session.execute(wanted.where(*mine)):
        for period in (row.local_date, TOTAL):
            points[row.driver_id, row.campaign_id, period] += row.points
    if not points:
        return
    unlinked = update(RewardGrant).where(*mine).values(driver_id=NOBODY)
    session.execute(unlinked, execution_options={"synchronize_session": False})
    keys = sorted(points, key=str)
    _COUNTED.run(session, [(*key, points[key]) for key in keys])


def forget_caps(session: Session, now: datetime, *, before: datetime) -> int:
    """Remove caps of which no grant names its driver any more, and return how many; repeats safely.

    Those of a campaign that is over, and those of days before an instant.
    """
    over = select(Campaign.id).where(Campaign.ends_at <= now)
    gone = delete(_CAP).where(
        _CAP.c.points_used == _CAP.c.points_unlinked,
        _CAP.c.points_unlinked > 0,
        or_(
            _CAP.c.campaign_id.in_(over),
            (_CAP.c.period != TOTAL) & (_CAP.c.period < before.date().isoformat()),
        ),
    )
    return len(session.execute(gone.returning(_CAP.c.driver_id)).all())
