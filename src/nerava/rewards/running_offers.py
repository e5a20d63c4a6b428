"""What drivers are promised: campaigns that run, have money left, and pay this driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.charging.model import ChargingLocation
from nerava.kernel.switch_names import EARN, MONEY_ALL, READONLY
from nerava.ledger.chart import campaign_budget
from nerava.ledger.reads import available_now
from nerava.ledger.stops import stopped_parties
from nerava.ledger.switches import switches_on
from nerava.rewards.campaigns import campaigns_running
from nerava.rewards.holdout import in_holdout
from nerava.rewards.model import RewardCap
from nerava.rewards.rules import Locations, Multiplier, Zone
from nerava.rewards.usage import TOTAL

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.rewards.evaluation import RunningCampaign
    from nerava.rewards.terms import CampaignTerms

ENOUGH_WH: Final = 20_000
"""A campaign is shown while it can still pay the most that a session of 20 kWh earns."""

_CAP: Final[Any] = RewardCap.__table__.c
_LOCATION: Final[Any] = ChargingLocation.__table__.c


@dataclass(frozen=True, slots=True)
class AskedPlace:
    """Where a driver looks: a point, and whether another place is near enough."""

    latitude: float
    longitude: float
    is_near: Callable[[float, float], bool]


@dataclass(frozen=True, slots=True)
class RunningOffer:
    """A campaign as drivers see it: no sponsor, no budget, no cap of anybody else."""

    campaign_id: UUID
    name: str
    ends_at: datetime
    promises: tuple[str, ...]
    session_points_max: int | None
    driver_day_points_max: int | None


def running_offers(
    session: Session, driver_id: UUID, now: datetime, *, place: AskedPlace | None = None, limit: int = 50
) -> list[RunningOffer]:
    """Return what the driver can earn now, the most important first.

    Left out is what could not be paid: a campaign that is outside its window, is stopped, has too
    little left, holds the driver out, or gave the driver all that it gives one.
    """
    on = switches_on(session)
    if not on.isdisjoint({EARN, MONEY_ALL, READONLY}):
        return []
    stopped = stopped_parties(on, "campaign")
    running = [
        one
        for one in campaigns_running(session)
        if one.starts_at <= now < one.ends_at
        and one.id not in stopped
        and not in_holdout(one.id, driver_id, one.holdout_percent)
    ]
    left = available_now(session, [campaign_budget(one.id) for one in running])
    used_up = set(
        session.scalars(
            select(_CAP.campaign_id).where(
                _CAP.driver_id == driver_id, _CAP.period == TOTAL, _CAP.points_used >= _CAP.points_max
            )
        )
    )
    paying = [
        one
        for one in running
        if one.id not in used_up and left.get(campaign_budget(one.id), 0) >= enough_for(one.terms)
    ]
    if place is not None:
        paying = [one for one in paying if _is_there(session, one, place)]
    paying.sort(key=lambda one: one.tie_rank)
    return [_offer(one) for one in paying[:limit]]


def enough_for(terms: CampaignTerms) -> int:
    """Return the most points that one session of 20 kWh earns by these terms."""
    points = sum(rule.promised_points(ENOUGH_WH) for rule in terms.rules)
    for rule in terms.rules:
        if isinstance(rule, Multiplier):
            points += rule.more(points)
    caps = (terms.session_points_max, terms.driver_day_points_max, terms.driver_points_max)
    return min([max(1, points), *(cap for cap in caps if cap is not None)])


def _is_there(session: Session, campaign: RunningCampaign, place: AskedPlace) -> bool:
    for rule in campaign.terms.rules:
        if isinstance(rule, Zone) and not rule.contains(place.latitude, place.longitude):
            return False
        if isinstance(rule, Locations):
            query = select(_LOCATION.latitude, _LOCATION.longitude).where(
                _LOCATION.id.in_(rule.location_ids), _LOCATION.latitude.is_not(None)
            )
            if not any(place.is_near(row.latitude, row.longitude) for row in session.execute(query)):
                return False
    return True


def _offer(campaign: RunningCampaign) -> RunningOffer:
    terms = campaign.terms
    return RunningOffer(
        campaign.id,
        terms.name,
        terms.ends_at,
        tuple(rule.promise for rule in terms.rules),
        terms.session_points_max,
        terms.driver_day_points_max,
    )
