"""What drivers have used of their caps, and what sessions were granted before, for one batch."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select

from nerava.platform.db.bulk import BulkInsert, BulkUpdate
from nerava.rewards.evaluation import History
from nerava.rewards.model import RewardCap, RewardGrant
from nerava.rewards.pasts import Pasts

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.grid.reading import GridReading
    from nerava.rewards.evaluation import RunningCampaign

TOTAL: Final = "total"
"""The period of the cap that never starts again; the others are ISO dates."""

_CAP: Final[Any] = RewardCap.__table__
_GRANT: Final[Any] = RewardGrant.__table__
_USE: Final = BulkInsert(
    _CAP, ("driver_id", "campaign_id", "period", "points_max", "points_used"), add="points_used"
)
_GIVE_BACK: Final = BulkUpdate(_CAP, match=("driver_id", "campaign_id", "period"), add=("points_used",))


class CapUse(NamedTuple):
    """Points that count against a driver's caps in one campaign; `given` if they are not only held."""

    driver_id: UUID
    campaign: RunningCampaign
    local_date: str
    points: int
    given: bool = False


class Usage:
    """The working copy of the caps of the drivers in a batch, whose rows the caller has locked."""

    def __init__(self, pasts: Pasts | None = None) -> None:
        self._used: dict[tuple[UUID, str], dict[UUID, int]] = defaultdict(dict)
        self._granted: dict[UUID, dict[UUID, int]] = {}
        self._pasts = pasts or Pasts()

    @classmethod
    def loaded(
        cls,
        session: Session,
        sessions: Sequence[EvidencedSession],
        local_dates: Sequence[str],
        campaigns: Sequence[RunningCampaign],
        *,
        now: datetime,
    ) -> Usage:
        """Return what the drivers of these sessions have used, and earlier grants of the sessions.

        `local_dates` has the date of each session; caps of other days are not read.
        """
        usage = cls()
        usage._pasts = Pasts.loaded(session, sessions, campaigns, now)
        capped = [campaign.id for campaign in campaigns if campaign.has_caps]
        if capped and sessions:
            wanted = (
                _CAP.c.driver_id.in_({one.driver_id for one in sessions}),
                _CAP.c.campaign_id.in_(capped),
                _CAP.c.period.in_({*local_dates, TOTAL}),
            )
            columns = (_CAP.c.driver_id, _CAP.c.campaign_id, _CAP.c.period, _CAP.c.points_used)
            for row in session.execute(select(*columns).where(*wanted)):
                usage._used[row.driver_id, row.period][row.campaign_id] = row.points_used
        again = [one.id for one in sessions if one.evaluations]
        if again:
            query = select(_GRANT.c.session_id, _GRANT.c.campaign_id, _GRANT.c.points)
            for row in session.execute(query.where(_GRANT.c.session_id.in_(again))):
                usage._granted.setdefault(row.session_id, {})[row.campaign_id] = row.points
        return usage

    @property
    def grid(self) -> GridReading | None:
        """What was read of the grid; None where no campaign asks."""
        return self._pasts.grid

    def history(self, session: EvidencedSession, local_date: str) -> History:
        """Return what the session's driver was granted so far, this batch included."""
        driver = session.driver_id
        day = self._used.get((driver, local_date))
        total = self._used.get((driver, TOTAL))
        granted = self._granted.get(session.id)
        if self._pasts.asks:
            past = self._pasts.before(session, local_date)
            return History(day or {}, total or {}, granted or {}, self._pasts.grants_before(driver), past)
        if day is None and total is None and granted is None:
            return History()
        return History(day or {}, total or {}, granted or {})

    def note(self, session: EvidencedSession, local_date: str) -> None:
        """Let a session that was verified be one that the driver had before the next."""
        if self._pasts.asks:
            self._pasts.add_session(session, local_date)

    def add(self, use: CapUse) -> None:
        """Count points; negative ones are taken back."""
        if self._pasts.asks:
            self._pasts.add_grant(use.driver_id, use.campaign.id, 1 if use.points > 0 else -1)
            if use.given:
                self._pasts.add_points(use.driver_id, use.local_date, use.points)
        for period, most in _periods(use):
            if most is not None:
                used = self._used[use.driver_id, period]
                used[use.campaign.id] = used.get(use.campaign.id, 0) + use.points


def write(session: Session, uses: Iterable[CapUse]) -> None:
    """Add points to the rows of the caps, one row each, in one order.

    The database refuses the whole batch if a cap would be passed: then whoever computed the points
    did not hold the drivers' locks.
    """
    _USE.run(session, _summed(uses))


def give_back(session: Session, uses: Iterable[CapUse]) -> None:
    """Take points off the rows of the caps that were added to before; needs no lock of the driver."""
    _GIVE_BACK.run(
        session,
        [(driver, campaign, period, -points) for driver, campaign, period, _, points in _summed(uses)],
    )


def _summed(uses: Iterable[CapUse]) -> list[tuple[UUID, UUID, str, int, int]]:
    """Return one row for each cap, in the order of their keys."""
    sums: Counter[tuple[str, str, str]] = Counter()
    rows: dict[tuple[str, str, str], tuple[UUID, UUID, str, int]] = {}
    for use in uses:
        for period, most in _periods(use):
            if most is not None:
                key = (str(use.driver_id), str(use.campaign.id), period)
                rows[key] = (use.driver_id, use.campaign.id, period, most)
                sums[key] += use.points
    return [(*rows[key], sums[key]) for key in sorted(rows)]


def _periods(use: CapUse) -> Iterable[tuple[str, int | None]]:
    return (use.local_date, use.campaign.day_max), (TOTAL, use.campaign.driver_max)
