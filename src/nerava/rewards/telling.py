"""What becomes of rewards, as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias

from sqlalchemy import func, select

from nerava.outbox.catalogue import CampaignEvent, RewardEvent
from nerava.outbox.publishing import publish
from nerava.rewards.model import Campaign, CampaignFunding

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

_CAMPAIGN: Final[Any] = Campaign.__table__.c
_FUNDING: Final[Any] = CampaignFunding.__table__.c


Became: TypeAlias = Literal["held", "granted", "released", "clawed_back"]


class Moved(NamedTuple):
    """Points of one grant, and what became of them."""

    state: Became
    campaign_id: UUID
    session_id: UUID
    driver_id: UUID
    points: int


def tell(session: Session, moved: Sequence[Moved], now: datetime) -> None:
    """Publish what became of grants, in the transaction that writes it, with two statements."""
    if not moved:
        return
    sponsors = _sponsors(session, {one.campaign_id for one in moved})
    publish(session, [_event(one, sponsors) for one in moved], now)


def tell_exhausted(session: Session, campaign_ids: Collection[UUID], now: datetime) -> None:
    """Publish that campaigns could not pay a reward in full: once for each time they were funded."""
    if not campaign_ids:
        return
    sponsors = _sponsors(session, campaign_ids)
    query = select(_FUNDING.campaign_id, func.count()).where(_FUNDING.campaign_id.in_(list(campaign_ids)))
    funded = {row[0]: row[1] for row in session.execute(query.group_by(_FUNDING.campaign_id))}
    events = [
        CampaignEvent(
            state="exhausted",
            campaign_id=one,
            sponsor_id=sponsors[one],
            once=f"campaign_exhausted:{one}:{funded.get(one, 0)}",
        )
        for one in sorted(campaign_ids)
    ]
    publish(session, events, now)


def tell_ended(session: Session, campaign_id: UUID, now: datetime) -> None:
    """Publish that a campaign is over."""
    sponsor = _sponsors(session, [campaign_id])[campaign_id]
    publish(session, [CampaignEvent(state="ended", campaign_id=campaign_id, sponsor_id=sponsor)], now)


def _sponsors(session: Session, campaign_ids: Collection[UUID]) -> dict[UUID, UUID]:
    query = select(_CAMPAIGN.id, _CAMPAIGN.sponsor_id).where(_CAMPAIGN.id.in_(list(campaign_ids)))
    return {row[0]: row[1] for row in session.execute(query)}


def _event(one: Moved, sponsors: dict[UUID, UUID]) -> RewardEvent:
    return RewardEvent(
        state=one.state,
        session_id=one.session_id,
        campaign_id=one.campaign_id,
        points=one.points,
        driver_id=one.driver_id,
        sponsor_id=sponsors[one.campaign_id],
    )
