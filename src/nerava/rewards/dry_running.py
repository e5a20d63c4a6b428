"""Runs a campaign dry over the sessions of the past, on one snapshot; writes nothing."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.charging.evidenced import count_decided, decided_pages
from nerava.kernel.money import FeeRate, split_fee
from nerava.rewards.campaigns import campaigns_by_id, fee_rates
from nerava.rewards.decisions import from_document
from nerava.rewards.dry_run import DryRun, DryRunReport, Rival
from nerava.rewards.errors import TooManySessions, TooSlow, UnknownCampaign
from nerava.rewards.evaluation import Outcome, RunningCampaign
from nerava.rewards.local_time import local_date
from nerava.rewards.model import Campaign, CampaignFunding, RewardDecision, RewardGrant
from nerava.rewards.past import Ask
from nerava.rewards.pasts import Pasts
from nerava.rewards.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidenced import DecidedSession

_CAMPAIGN: Final[Any] = Campaign.__table__.c
_FUNDING: Final[Any] = CampaignFunding.__table__.c
_DECISION: Final[Any] = RewardDecision.__table__.c
_GRANT: Final[Any] = RewardGrant.__table__.c
_ONE_UNIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the past.

    Attributes:
        since, until: Sessions that began at or after the one and before the other, aware UTC. They
            stand in the place of the campaign's window.
        gross: What the campaign would be funded with, fee included, in minor units. None takes what it
            was funded with, and no end of money if it never was.
    """

    since: datetime
    until: datetime
    gross: int | None = None


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much one dry run may read and how long it may take."""

    sessions_max: int
    seconds_max: int


FOR_REQUESTS: Final = Bounds(sessions_max=100_000, seconds_max=15)
FOR_COMMANDS: Final = Bounds(sessions_max=10_000_000, seconds_max=3_600)


def dry_run(
    session: Session,
    campaign_id: UUID,
    asked: Question,
    bounds: Bounds,
    on_progress: Callable[[int], None] = lambda _done: None,
) -> DryRunReport:
    """Return what the campaign would have cost, whatever its state, had it run from `since` to `until`.

    It is judged as sessions are: the same rules, caps, stacking, holdout and budget, from nothing
    granted. A session is decided by its evidence as it is known now. Other campaigns of the stacking
    group answer as they did then, if they took part. Nothing is written, and memory holds one page of
    sessions and a few numbers a driver.

    Raises:
        UnknownCampaign: No campaign has this id (404).
        TooManySessions: There are more than `bounds` allow (409).
        TooSlow: It took longer than they allow (409).
        BadAmount: `gross` is negative or not whole (422).
    """
    until_s = time.monotonic() + bounds.seconds_max
    campaign, budget = _prepared(session, campaign_id, asked)
    if count_decided(session, asked.since, asked.until, bounds.sessions_max + 1) > bounds.sessions_max:
        raise TooManySessions(f"over {bounds.sessions_max:,} sessions; ask for a shorter time")
    others = _Others(session, campaign)
    pasts = Pasts.asked_by(campaign)
    usage = Usage(pasts)
    report = DryRunReport(asked.since, asked.until, budget, campaign.fee_rate)
    run = DryRun(campaign, usage, report)
    known: set[UUID] = set()
    done = 0
    with closing(decided_pages(session, asked.since, asked.until)) as pages:
        for page in pages:
            if time.monotonic() > until_s:
                raise TooSlow(f"over {bounds.seconds_max} seconds; ask for a shorter time")
            new = {one.session.driver_id for one in page} - known
            if campaign.asks and new:
                pasts.reach_back(session, new, asked.since, without=[campaign.id])
            known |= new
            pasts.look_at(session, [one.session for one in page])
            others.load(page)
            for one in page:
                on = local_date(one.session.started_at, one.session.timezone).isoformat()
                won = run.take(one, on, others.rivals.get(one.session.id, ()))
                if pasts.asks:
                    pasts.add_points(one.session.driver_id, on, others.points(one.session.id, won=won))
            done += len(page)
            on_progress(done)
    return report


class _Others:
    """What the other campaigns did to the sessions of one page."""

    def __init__(self, session: Session, campaign: RunningCampaign) -> None:
        self._session = session
        self._campaign = campaign
        group = campaign.terms.stacking_group
        mates: Sequence[UUID] = ()
        if group is not None:
            query = select(_CAMPAIGN.id).where(_CAMPAIGN.stacking_group == group)
            mates = session.scalars(query.where(_CAMPAIGN.id != campaign.id)).all()
        self._mates: Mapping[UUID, RunningCampaign] = campaigns_by_id(session, mates) if mates else {}
        self.rivals: dict[UUID, list[Rival]] = {}
        self._points: dict[UUID, list[tuple[UUID, int]]] = {}

    def load(self, page: Sequence[DecidedSession]) -> None:
        """Read what they decided, where it matters to the campaign."""
        ids = [one.session.id for one in page]
        self.rivals, self._points = defaultdict(list), defaultdict(list)
        if self._mates:
            self._load_rivals(ids)
        if Ask.YEAR in self._campaign.asks:
            query = select(_GRANT.session_id, _GRANT.campaign_id, _GRANT.points).where(
                _GRANT.session_id.in_(ids), _GRANT.state == "settled", _GRANT.campaign_id != self._campaign.id
            )
            for row in self._session.execute(query):
                self._points[row.session_id].append((row.campaign_id, row.points))

    def points(self, session_id: UUID, *, won: bool) -> int:
        """Return what others gave for a session, but nothing of those that our campaign beats."""
        given = self._points.get(session_id, ())
        return sum(points for campaign, points in given if not (won and campaign in self._mates))

    def _load_rivals(self, ids: Sequence[UUID]) -> None:
        last = (
            select(_DECISION.session_id, func.max(_DECISION.evaluation).label("evaluation"))
            .where(_DECISION.session_id.in_(ids))
            .group_by(_DECISION.session_id)
            .subquery()
        )
        query = select(_DECISION.session_id, _DECISION.outcomes).join(
            last,
            (last.c.session_id == _DECISION.session_id) & (last.c.evaluation == _DECISION.evaluation),
        )
        for row in self._session.execute(query):
            for decision in from_document(row.outcomes):
                mate = self._mates.get(decision.campaign_id)
                # Only who won then can win now; whoever lost to the winner is no better than it.
                if mate is not None and decision.outcome is not Outcome.REFUSED:
                    standing = decision._replace(outcome=Outcome.GRANTED)
                    self.rivals[row.session_id].append(Rival(mate, standing))


def _prepared(session: Session, campaign_id: UUID, asked: Question) -> tuple[RunningCampaign, int | None]:
    """Return the campaign as if it had run then, and its budget."""
    stored = campaigns_by_id(session, [campaign_id]).get(campaign_id)
    if stored is None:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    terms = stored.terms.model_copy(update={"starts_at": asked.since, "ends_at": asked.until})
    if asked.gross is not None:
        split = split_fee(asked.gross, terms.fee_bps)
        rate = FeeRate.of([split]) if split.net else stored.fee_rate
        return RunningCampaign(campaign_id, terms, rate), split.net
    if fee_rates(session, [campaign_id]):
        query = select(func.sum(_FUNDING.net)).where(_FUNDING.campaign_id == campaign_id)
        return RunningCampaign(campaign_id, terms, stored.fee_rate), int(session.execute(query).scalar_one())
    rate = FeeRate.of([split_fee(_ONE_UNIT, terms.fee_bps)])
    return RunningCampaign(campaign_id, terms, rate), None
