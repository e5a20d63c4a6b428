"""The days of a campaign's budget, read from fundings, grants and closings."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.charging.model import ChargingLocation, ChargingSession
from nerava.rewards.burn_down import BudgetDay, Forecast, Movement, burn_down, forecast
from nerava.rewards.checkout_store import CampaignClosing
from nerava.rewards.local_time import local_date
from nerava.rewards.model import CampaignFunding, RewardGrant
from nerava.rewards.return_store import RewardClawback, RewardExpiry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

_G: Final[Any] = RewardGrant.__table__.c
_FUNDING: Final[Any] = CampaignFunding.__table__.c
_CLOSING: Final[Any] = CampaignClosing.__table__.c
_CLAWBACK: Final[Any] = RewardClawback.__table__.c
_EXPIRY: Final[Any] = RewardExpiry.__table__.c
_SESSION: Final[Any] = ChargingSession.__table__.c
_LOCATION: Final[Any] = ChargingLocation.__table__.c
_ZONE_GRANTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class BudgetReport:
    """The days of a budget, read in `timezone`, and what they promise."""

    timezone: str
    days: list[BudgetDay]
    forecast: Forecast


def budget_report(session: Session, campaign_id: UUID, *, ends_at: datetime, now: datetime) -> BudgetReport:
    """Return what happened to the budget by the local date on which it was booked, on one snapshot."""
    timezone = zone_of_campaign(session, campaign_id)
    today = local_date(now, timezone)
    days = burn_down(_movements(session, campaign_id, timezone), today)
    return BudgetReport(timezone, days, forecast(days, today, local_date(ends_at, timezone)))


def zone_of_campaign(session: Session, campaign_id: UUID) -> str:
    """Return the time zone in which most of the campaign's first thousand grants were earned, else UTC.

    Nobody chooses it: the same days cut at many hours would tell at which hour each reward was earned.
    """
    first = (
        select(_G.session_id)
        .where(_G.campaign_id == campaign_id)
        .order_by(_G.local_date, _G.transaction_key)
        .limit(_ZONE_GRANTS)
        .subquery()
    )
    query = (
        select(_LOCATION.timezone)
        .join(ChargingSession, _SESSION.location_id == _LOCATION.id)
        .join(first, first.c.session_id == _SESSION.id)
        .group_by(_LOCATION.timezone)
        .order_by(func.count().desc(), _LOCATION.timezone)
        .limit(1)
    )
    return session.scalar(query) or "UTC"


def as_csv(report: BudgetReport) -> str:
    """Return the days as CSV with a header; amounts in minor units, lines end with CR LF."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow([field.name for field in fields(BudgetDay)])
    rows.writerows(astuple(day) for day in report.days)
    return text.getvalue()


def _returns(session: Session, campaign_id: UUID, timezone: str) -> Iterator[Movement]:
    taken = select(_CLAWBACK.decided_at.label("at"), _CLAWBACK.taken.label("points")).join(
        RewardGrant, _G.id == _CLAWBACK.grant_id
    )
    expired = select(_EXPIRY.expired_at.label("at"), _EXPIRY.returned.label("points")).join(
        RewardGrant, _G.id == _EXPIRY.grant_id
    )
    for query in (taken, expired):
        for row in session.execute(query.where(_G.campaign_id == campaign_id)):
            yield Movement(local_date(row.at, timezone), returned=row.points)


def _movements(session: Session, campaign_id: UUID, timezone: str) -> Iterator[Movement]:
    fundings = select(_FUNDING.funded_at, _FUNDING.net).where(_FUNDING.campaign_id == campaign_id)
    for row in session.execute(fundings):
        yield Movement(local_date(row.funded_at, timezone), funded=row.net)
    closings = select(_CLOSING.closed_at, _CLOSING.rest).where(_CLOSING.campaign_id == campaign_id)
    for row in session.execute(closings):
        yield Movement(local_date(row.closed_at, timezone), refunded=row.rest)
    yield from _returns(session, campaign_id, timezone)
    decided = _CLAWBACK.receivable_id.is_(None)
    clawed = (
        select(_CLAWBACK.grant_id, func.sum(_CLAWBACK.points).label("points"))
        .where(decided)
        .group_by(_CLAWBACK.grant_id)
        .subquery()
    )
    was_held = _G.settle_by.is_not(None)
    # What one batch decided has one instant, so this is a row for each batch.
    grants = (
        select(
            _G.granted_at,
            _G.settled_at,
            was_held.label("was_held"),
            func.sum(_G.points_granted).label("granted"),
            func.sum(_G.points + func.coalesce(clawed.c.points, 0)).label("kept"),
        )
        .outerjoin(clawed, clawed.c.grant_id == _G.id)
        .where(_G.campaign_id == campaign_id)
        .group_by(_G.granted_at, _G.settled_at, was_held)
    )
    for row in session.execute(grants):
        on, granted, kept = local_date(row.granted_at, timezone), int(row.granted), int(row.kept)
        if not row.was_held:
            yield Movement(on, given=granted)
            continue
        yield Movement(on, reserved=granted)
        if row.settled_at is not None:
            settled_on = local_date(row.settled_at, timezone)
            yield Movement(settled_on, captured=kept, released=granted - kept)
