"""The two groups of a campaign's comparison, read from sessions and drivers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.charging.evidence import MICROSECOND
from nerava.charging.model import ChargingLocation, ChargingSession
from nerava.charging.states import SessionState
from nerava.drivers.model import Driver
from nerava.drivers.nobody import NOBODY
from nerava.rewards.errors import TooManySessions
from nerava.rewards.holdout import in_holdout
from nerava.rewards.lift import DriverSum, Lift, compare
from nerava.rewards.model import CampaignFunding
from nerava.rewards.rules import OffPeakBonus
from nerava.rewards.rules.window import WindowedRule

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.rewards.terms import CampaignTerms

SESSIONS_MAX: Final = 200_000
_HOUSE_WINDOW: Final = OffPeakBonus(from_time=time(22), until_time=time(6), points=1)
_S: Final[Any] = ChargingSession.__table__.c
_LOCATION: Final[Any] = ChargingLocation.__table__.c
_DRIVER: Final[Any] = Driver.__table__.c
_FUNDING: Final[Any] = CampaignFunding.__table__.c


@dataclass(frozen=True, slots=True)
class LiftReport:
    """A comparison, the time it covers, and the hours that it counts as off peak."""

    since: datetime
    until: datetime
    off_peak: str
    lift: Lift


def lift_report(session: Session, campaign_id: UUID, terms: CampaignTerms, now: datetime) -> LiftReport:
    """Return what the drivers of both sides did since the campaign began, on one snapshot.

    Everybody counts who was a driver before the end, also who did not charge: the draw decides the
    side, and nothing that the campaign may have changed decides who counts. Verified sessions count
    by their start, from the later of the window's begin and the first payment until the window's end,
    and only whole weeks that are over (Monday, UTC): who asks every day learns of no single day. Off
    peak are the hours of the campaign's first rule with a window, else 22:00 to 06:00 local time.

    Raises:
        TooManySessions: More than 200,000 sessions would have to be read (409).
    """
    paid_at = session.scalar(select(func.min(_FUNDING.funded_at)).where(_FUNDING.campaign_id == campaign_id))
    since = max(terms.starts_at, paid_at or terms.starts_at)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    until = min(terms.ends_at, today - timedelta(days=today.weekday()))
    window = next((rule for rule in terms.rules if isinstance(rule, WindowedRule)), _HOUSE_WINDOW)
    query = (
        select(_S.driver_id, _S.started_at, _S.ended_at, _S.energy_wh, _LOCATION.timezone)
        .join(ChargingLocation, _LOCATION.id == _S.location_id)
        .where(_S.state == SessionState.VERIFIED.value, _S.started_at >= since, _S.started_at < until)
        .limit(SESSIONS_MAX + 1)
    )
    rows = session.execute(query).all()
    if len(rows) > SESSIONS_MAX:
        raise TooManySessions(f"more than {SESSIONS_MAX} sessions lie in the campaign's window")
    sums: dict[UUID, DriverSum] = {}
    for row in rows:
        covered_us = window.window.covered_us(row.started_at, row.ended_at, row.timezone)
        off_peak_wh = row.energy_wh * covered_us // max(1, (row.ended_at - row.started_at) // MICROSECOND)
        before = sums.get(row.driver_id, DriverSum())
        sums[row.driver_id] = DriverSum(
            before.sessions + 1, before.energy_wh + row.energy_wh, before.off_peak_wh + off_peak_wh
        )
    sides: tuple[list[DriverSum], list[DriverSum]] = ([], [])
    drivers = select(_DRIVER.id).where(_DRIVER.created_at < until, _DRIVER.id != NOBODY)
    for driver_id in session.scalars(drivers):
        side = sides[in_holdout(campaign_id, driver_id, terms.holdout_percent)]
        side.append(sums.get(driver_id, DriverSum()))
    return LiftReport(since, until, window.window_text, compare(*sides))
