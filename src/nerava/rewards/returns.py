"""What came back of grants: expired, taken back, and still owed, from their rows alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import case, func, select

from nerava.kernel.money import prorate
from nerava.ledger.templates.session_reward import SessionGrant, StandingGrant
from nerava.rewards.model import RewardGrant
from nerava.rewards.reasons import sentence
from nerava.rewards.return_store import RewardClawback, RewardExpiry, RewardReceivable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

_GRANT: Final[Any] = RewardGrant.__table__
_EXPIRY: Final[Any] = RewardExpiry.__table__
_CLAWBACK: Final[Any] = RewardClawback.__table__
_OWED: Final[Any] = RewardReceivable.__table__


@dataclass(slots=True)
class Returned:
    """What came back of one grant so far, in points.

    Attributes:
        decided: What decisions took back, whether the driver had it or not.
        taken: What their chains and the recoveries moved back to the campaign.
        expired: What expired, wherever the money went; `to_campaign` is what of it the campaign has.
    """

    decided: int = 0
    taken: int = 0
    expired: int = 0
    to_campaign: int = 0

    def standing(self, row: Row[Any]) -> StandingGrant:
        """Return a settled grant, or one taken back whole, as the templates want it."""
        settled = row.points + self.decided
        return StandingGrant(
            campaign_id=row.campaign_id,
            points=settled,
            fee_share=prorate(row.fee_share, settled, row.points_granted),
            taken=self.taken + self.to_campaign,
        )


@dataclass(frozen=True, slots=True)
class TakenBackView:
    """That points were taken back, and why. `owed` is what the driver did not have of them then."""

    campaign_id: UUID
    points: int
    owed: int
    code: str
    text: str
    at: datetime


def taken_back_of(session: Session, campaign_of: Mapping[UUID, UUID]) -> list[TakenBackView]:
    """Return what decisions took back of these grants, each of its campaign, the earliest first."""
    wanted = select(_CLAWBACK).where(
        _CLAWBACK.c.grant_id.in_(campaign_of), _CLAWBACK.c.receivable_id.is_(None)
    )
    return [
        TakenBackView(
            campaign_id=campaign_of[row.grant_id],
            points=row.points,
            owed=row.points - row.taken,
            code=row.reason,
            text=sentence(row.reason, row.facts),
            at=row.decided_at,
        )
        for row in session.execute(wanted.order_by(_CLAWBACK.c.decided_at, _CLAWBACK.c.id))
    ]


def returned(session: Session, grant_ids: Collection[UUID]) -> dict[UUID, Returned]:
    """Return what came back of grants, each of them with a line of its own, in two statements."""
    found = {grant_id: Returned() for grant_id in grant_ids}
    decided = func.sum(case((_CLAWBACK.c.receivable_id.is_(None), _CLAWBACK.c.points), else_=0))
    taken = select(_CLAWBACK.c.grant_id, decided.label("decided"), func.sum(_CLAWBACK.c.taken).label("taken"))
    for row in session.execute(taken.where(_CLAWBACK.c.grant_id.in_(found)).group_by(_CLAWBACK.c.grant_id)):
        found[row.grant_id].decided, found[row.grant_id].taken = int(row.decided), int(row.taken)
    expired = select(
        _EXPIRY.c.grant_id,
        func.sum(_EXPIRY.c.points).label("points"),
        func.sum(_EXPIRY.c.returned).label("back"),
    )
    for row in session.execute(expired.where(_EXPIRY.c.grant_id.in_(found)).group_by(_EXPIRY.c.grant_id)):
        found[row.grant_id].expired, found[row.grant_id].to_campaign = int(row.points), int(row.back)
    return found


def lot_key_of(row: Row[Any]) -> UUID:
    """Return the key of the transfer that made a grant's points."""
    grant = SessionGrant(row.campaign_id, row.session_id, row.driver_id, row.points_granted)
    return grant.lot_key if row.settlement_key is None else grant.captured_lot_key


def returned_of_campaign(session: Session, campaign_id: UUID) -> int:
    """Return the points whose money came back to a campaign when they expired."""
    back = select(func.coalesce(func.sum(_EXPIRY.c.returned), 0)).join(
        _GRANT, _GRANT.c.id == _EXPIRY.c.grant_id
    )
    return int(session.execute(back.where(_GRANT.c.campaign_id == campaign_id)).scalar_one())


def owed_to_campaign(session: Session, campaign_id: UUID) -> int:
    """Return the points that were taken back and that their drivers have not paid yet."""
    owed = select(func.coalesce(func.sum(_OWED.c.points), 0)).join(_GRANT, _GRANT.c.id == _OWED.c.grant_id)
    paid = (
        select(func.coalesce(func.sum(_CLAWBACK.c.taken), 0))
        .join(_GRANT, _GRANT.c.id == _CLAWBACK.c.grant_id)
        .where(_CLAWBACK.c.receivable_id.is_not(None))
    )
    mine = _GRANT.c.campaign_id == campaign_id
    return int(session.execute(owed.where(mine)).scalar_one()) - int(
        session.execute(paid.where(mine)).scalar_one()
    )
