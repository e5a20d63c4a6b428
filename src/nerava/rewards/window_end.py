"""Campaigns whose window is over end by themselves, once nothing more can come of them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exists, select, update

from nerava.audit.entries import ActorKind, Entry
from nerava.rewards.campaigns import CampaignState
from nerava.rewards.model import Campaign, RewardGrant
from nerava.rewards.telling import tell_ended

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog

ACTOR: Final = "campaign-window"
_TABLE: Final[Any] = Campaign.__table__
_C: Final[Any] = _TABLE.c
_G: Final[Any] = RewardGrant.__table__.c
_OPEN: Final = (CampaignState.ACTIVE.value, CampaignState.PAUSED.value)


def end_those_over(session: Session, audit: AuditLog, now: datetime, limit: int = 100) -> int:
    """End up to `limit` campaigns that are over, in the caller's unit of work, and return how many.

    A session counts by its start, and charge records come days later: so a campaign stays active after
    its window for as long as it lets evidence take (`settle_within_days`), and after that until it
    holds nothing any more. In that time it pays for sessions of the window alone. Once ended, its rest
    can be taken back (`closing.close`); a draft is its sponsor's to end. Safe to repeat and to kill.
    """
    held = exists().where(_G.campaign_id == _C.id, _G.state == "provisional")
    query = select(_C.id, _C.sponsor_id, _C.state, _C.ends_at, _C.settle_within_days)
    over = query.where(_C.state.in_(_OPEN), _C.ends_at <= now, ~held).order_by(_C.ends_at, _C.id)
    ended = 0
    for row in session.execute(over).all():
        if ended == limit or row.ends_at + timedelta(days=row.settle_within_days) > now:
            continue
        change = update(_TABLE).where(_C.id == row.id, _C.state == row.state)
        result: Any = session.execute(change.values(state=CampaignState.ENDED.value))
        if result.rowcount != 1:
            continue
        ended += 1
        tell_ended(session, row.id, now)
        entry = Entry(
            actor_kind=ActorKind.SYSTEM,
            actor_id=ACTOR,
            action="campaign.ended",
            object_kind="campaign",
            object_id=str(row.id),
            tenant_id=row.sponsor_id,
            before={"state": row.state},
            after={"state": CampaignState.ENDED.value},
        )
        audit.record(session, entry, now)
    return ended
