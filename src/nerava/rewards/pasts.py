"""What drivers did before the sessions of one batch: loaded once, for those campaigns that ask."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter, defaultdict
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.charging.evidence import MICROSECOND
from nerava.charging.model import ChargingLocation, ChargingSession
from nerava.charging.purchases import NearPurchase, near_purchases
from nerava.charging.states import SessionState
from nerava.rewards.grid_reading import grid_of
from nerava.rewards.local_time import local_date
from nerava.rewards.model import RewardGrant
from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules.streak import LENGTH_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.grid.reading import GridReading
    from nerava.rewards.evaluation import RunningCampaign

_GRANT: Final[Any] = RewardGrant.__table__.c
_SESSION: Final[Any] = ChargingSession.__table__.c
_LOCATION: Final[Any] = ChargingLocation.__table__.c
WEEK_DAYS: Final = 7
YEAR: Final = timedelta(days=365)
_RUN_REACH: Final = timedelta(days=(LENGTH_MAX + 1) * WEEK_DAYS)
_STANDING: Final = ("provisional", "settled")


class Pasts:
    """The working copy of what is known of the drivers in a batch; sessions of the batch are added.

    A few statements for all of them, and none for what no campaign asks for.
    """

    def __init__(self, asks: frozenset[Ask] = frozenset()) -> None:
        self.asks = asks
        self._grants: dict[UUID, Counter[UUID]] = defaultdict(Counter)
        self._first: dict[UUID, datetime] = {}
        self._dates: dict[UUID, list[int]] = defaultdict(list)
        self._points: dict[UUID, Counter[str]] = defaultdict(Counter)
        self._purchases: dict[UUID, NearPurchase] = {}
        self._asking: Sequence[RunningCampaign] = ()
        self.grid: GridReading | None = None

    @classmethod
    def loaded(
        cls,
        session: Session,
        sessions: Sequence[EvidencedSession],
        campaigns: Sequence[RunningCampaign],
        now: datetime,
    ) -> Pasts:
        """Return what the drivers of these sessions did before, as far as the campaigns ask now."""
        asking = [campaign for campaign in campaigns if campaign.asks]
        pasts = cls(frozenset[Ask]().union(*(campaign.asks for campaign in asking)))
        if not asking or not sessions:
            return pasts
        pasts._asking = asking
        drivers = {one.driver_id for one in sessions}
        if Ask.GRANTS in pasts.asks:
            pasts._load_grants(session, drivers, [one.id for one in asking if Ask.GRANTS in one.asks])
        if Ask.FIRST in pasts.asks:
            pasts._load_first(session, drivers)
        pasts.look_at(session, sessions, now)
        starts = [one.started_at for one in sessions]
        if Ask.RUN in pasts.asks:
            pasts._load_dates(session, drivers, min(starts) - _RUN_REACH, max(starts))
        if Ask.YEAR in pasts.asks:
            pasts._load_points(session, drivers, (min(starts) - YEAR - timedelta(days=1)).date())
        return pasts

    @classmethod
    def asked_by(cls, campaign: RunningCampaign) -> Pasts:
        """Return the pasts of nobody yet, for one campaign; `reach_back` adds drivers."""
        pasts = cls(campaign.asks)
        pasts._asking = (campaign,)
        return pasts

    def look_at(
        self, session: Session, sessions: Sequence[EvidencedSession], now: datetime | None = None
    ) -> None:
        """Read what belongs to sessions and not to their drivers; what was read of others is forgotten.

        Without an instant what is known of the grid is taken as all there will be.
        """
        if Ask.GRID in self.asks:
            self.grid = grid_of(session, sessions, self._asking, now)
        if Ask.PURCHASE in self.asks:
            self._purchases = near_purchases(session, [one.id for one in sessions])

    def reach_back(
        self, session: Session, drivers: set[UUID], until: datetime, *, without: Sequence[UUID]
    ) -> None:
        """Add what further drivers did before an instant, as it is known now.

        Sessions count by their start, points by the session they were given for, without those of the
        campaigns `without`; what any campaign granted before does not count as granted.
        """
        if Ask.FIRST in self.asks:
            self._load_first(session, drivers, until)
        if Ask.RUN in self.asks:
            self._load_dates(session, drivers, until - _RUN_REACH, until - MICROSECOND)
        if Ask.YEAR in self.asks:
            since = (until - YEAR - timedelta(days=1)).date()
            self._load_points(session, drivers, since, until=until, without=without)

    def before(self, session: EvidencedSession, on: str) -> Past:
        """Return the past of the session's driver, `on` its local date; grants are `grants_before`'s."""
        driver, today = session.driver_id, date.fromisoformat(on)
        first = self._first.get(driver)
        past = SOMEBODY_NEW
        if first is not None and first <= session.started_at:
            past = past._replace(days_since_first=(session.started_at - first).days)
        if Ask.RUN in self.asks:
            days = self._dates.get(driver, [])
            weeks = sorted({(day - 1) // WEEK_DAYS for day in days})
            past = past._replace(
                run_days=_run(days, today.toordinal()),
                run_weeks=_run(weeks, (today.toordinal() - 1) // WEEK_DAYS),
            )
        if Ask.YEAR in self.asks:
            since = (today - YEAR).isoformat()
            points = self._points[driver]
            past = past._replace(year_points=sum(n for day, n in points.items() if since < day <= on))
        if self.grid is not None:
            past = past._replace(grid=self.grid.facts[session.id])
        bought = self._purchases.get(session.id)
        if bought is not None:
            past = past._replace(
                purchase_seconds=bought.seconds_apart,
                purchase_m=bought.metres_apart,
                purchase_minor=bought.bill_minor,
            )
        return past

    def grants_before(self, driver_id: UUID) -> Counter[UUID]:
        """Return how many sessions each campaign rewarded the driver for."""
        return self._grants[driver_id]

    def add_session(self, session: EvidencedSession, on: str) -> None:
        """Count a session of the batch that was verified."""
        driver = session.driver_id
        first = self._first.get(driver)
        if first is None or session.started_at < first:
            self._first[driver] = session.started_at
        day = date.fromisoformat(on).toordinal()
        days = self._dates[driver]
        if day not in days:
            insort(days, day)

    def add_grant(self, driver_id: UUID, campaign_id: UUID, by: int) -> None:
        """Count a grant, or with -1 take one back."""
        self._grants[driver_id][campaign_id] += by

    def add_points(self, driver_id: UUID, on: str, points: int) -> None:
        """Count points that were given, or take them back."""
        self._points[driver_id][on] += points

    def _load_grants(self, session: Session, drivers: set[UUID], campaigns: Sequence[UUID]) -> None:
        query = (
            select(_GRANT.driver_id, _GRANT.campaign_id, func.count().label("sessions"))
            .where(
                _GRANT.driver_id.in_(drivers),
                _GRANT.campaign_id.in_(campaigns),
                _GRANT.state.in_(_STANDING),
            )
            .group_by(_GRANT.driver_id, _GRANT.campaign_id)
        )
        for row in session.execute(query):
            self._grants[row.driver_id][row.campaign_id] = row.sessions

    def _load_first(self, session: Session, drivers: set[UUID], until: datetime | None = None) -> None:
        query = (
            select(_SESSION.driver_id, func.min(_SESSION.started_at).label("first"))
            .where(_SESSION.driver_id.in_(drivers), _SESSION.state == SessionState.VERIFIED.value)
            .group_by(_SESSION.driver_id)
        )
        if until is not None:
            query = query.where(_SESSION.started_at < until)
        self._first.update({row.driver_id: row.first for row in session.execute(query)})

    def _load_dates(self, session: Session, drivers: set[UUID], since: datetime, until: datetime) -> None:
        query = (
            select(_SESSION.driver_id, _SESSION.started_at, _LOCATION.timezone)
            .join(ChargingLocation, _LOCATION.id == _SESSION.location_id)
            .where(
                _SESSION.driver_id.in_(drivers),
                _SESSION.state == SessionState.VERIFIED.value,
                _SESSION.started_at >= since,
                _SESSION.started_at <= until,
            )
        )
        dates: dict[UUID, set[int]] = defaultdict(set)
        for row in session.execute(query):
            dates[row.driver_id].add(local_date(row.started_at, row.timezone).toordinal())
        for driver, days in dates.items():
            self._dates[driver] = sorted(days)

    def _load_points(
        self,
        session: Session,
        drivers: set[UUID],
        since: date,
        *,
        until: datetime | None = None,
        without: Sequence[UUID] = (),
    ) -> None:
        query = (
            select(_GRANT.driver_id, _GRANT.local_date, func.sum(_GRANT.points).label("points"))
            .where(
                _GRANT.driver_id.in_(drivers),
                _GRANT.state == "settled",
                _GRANT.local_date >= since.isoformat(),
            )
            .group_by(_GRANT.driver_id, _GRANT.local_date)
        )
        if until is not None:
            query = query.join(ChargingSession, _SESSION.id == _GRANT.session_id)
            query = query.where(_SESSION.started_at < until, _GRANT.campaign_id.not_in(without))
        for row in session.execute(query):
            self._points[row.driver_id][row.local_date] = int(row.points)


def _run(known: Sequence[int], last: int) -> int:
    """Return how many numbers in a row end with `last`, itself included whether it is known or not."""
    index = bisect_left(known, last)
    run = 1
    while index > 0 and known[index - 1] == last - run:
        index -= 1
        run += 1
    return run
