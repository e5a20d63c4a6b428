"""What tier a driver has: counted from what stands of their grants, never spent and nowhere stored."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.rewards.model import RewardGrant
from nerava.rewards.rules.tier import FROM_POINTS, TierName, tier_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

YEAR: Final = timedelta(days=365)

_GRANT: Final[Any] = RewardGrant.__table__.c


@dataclass(frozen=True, slots=True)
class TierView:
    """A driver's tier.

    Attributes:
        points: Given for sessions in the last 365 days, less what was taken back.
        next_tier: The one above, and `points_missing` what it takes; None and 0 at the top.
    """

    tier: TierName
    points: int
    next_tier: TierName | None
    points_missing: int


def tier_now(session: Session, driver_id: UUID, now: datetime) -> TierView:
    """Return the tier that a driver has now. Presents do not count, and spending takes nothing off."""
    earned = select(func.coalesce(func.sum(_GRANT.points), 0)).where(
        _GRANT.driver_id == driver_id, _GRANT.state == "settled", _GRANT.granted_at > now - YEAR
    )
    points = int(session.execute(earned).scalar_one())
    above = [name for name, least in FROM_POINTS.items() if least > points]
    following = above[0] if above else None
    missing = 0 if following is None else FROM_POINTS[following] - points
    return TierView(tier_of(points), points, following, missing)
