"""What became of all sessions, counted from what is stored: who earned, and why the others did not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select

from nerava.charging.model import ChargingSession
from nerava.charging.queries import decisive_finding
from nerava.charging.states import SessionState
from nerava.rewards.campaigns import CampaignMoney, CampaignState, campaign_money
from nerava.rewards.decisions import from_document
from nerava.rewards.model import Campaign, RewardDecision, RewardGrant
from nerava.rewards.reasons import primary_reason

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

_CAMPAIGN: Final[Any] = Campaign.__table__
_DECISION: Final[Any] = RewardDecision.__table__
_GRANT: Final[Any] = RewardGrant.__table__
_SESSION: Final[Any] = ChargingSession.__table__
_PAGE: Final = 2_000


@dataclass(slots=True)
class Tally:
    """All sessions that were decided, by their last decision.

    Attributes:
        earned: Sessions with points, given or held.
        held: Of these, sessions whose points still wait for better evidence.
        points: Points that drivers were given, settled grants only.
        reasons: Sessions without points, by the reason that came closest to earning.
        undecided: Sessions that are open or wait for evaluation.
    """

    sessions: int = 0
    undecided: int = 0
    earned: int = 0
    held: int = 0
    points: int = 0
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)


def tally(session: Session) -> Tally:
    """Count all sessions on the session's snapshot. Reads every decision, so it takes seconds for many."""
    result = Tally()
    states = select(_SESSION.c.state, func.count().label("sessions")).group_by(_SESSION.c.state)
    result.states.update({row.state: row.sessions for row in session.execute(states)})
    result.sessions = result.states.total()
    result.undecided = result.states["open"] + result.states["closed"]
    granted = select(
        _GRANT.c.state, func.count(func.distinct(_GRANT.c.session_id)), func.sum(_GRANT.c.points)
    )
    for state, sessions, points in session.execute(granted.group_by(_GRANT.c.state)):
        if state == "settled":
            result.points = int(points)
        elif state == "provisional":
            result.held = sessions
    last = (
        select(_DECISION.c.session_id, func.max(_DECISION.c.evaluation).label("evaluation"))
        .group_by(_DECISION.c.session_id)
        .subquery()
    )
    query = (
        select(_DECISION.c.points, _DECISION.c.outcomes, _SESSION.c.findings)
        .join(
            last,
            (last.c.session_id == _DECISION.c.session_id) & (last.c.evaluation == _DECISION.c.evaluation),
        )
        .join(_SESSION, _SESSION.c.id == _DECISION.c.session_id)
    )
    for points, outcomes, findings in session.execute(query.execution_options(yield_per=_PAGE)):
        if points > 0:
            result.earned += 1
        elif outcomes:
            result.reasons[primary_reason(from_document(outcomes))] += 1
        else:
            result.reasons[decisive_finding(findings) or "campaign.none"] += 1
    return result


@dataclass(frozen=True, slots=True)
class CampaignTally:
    """A campaign by name, and where its money is."""

    name: str
    state: CampaignState
    money: CampaignMoney


def campaign_tallies(session: Session) -> list[CampaignTally]:
    """Return every campaign with its money, the oldest first."""
    rows = session.execute(
        select(_CAMPAIGN.c.id, _CAMPAIGN.c.name, _CAMPAIGN.c.state).order_by(_CAMPAIGN.c.id)
    )
    return [
        CampaignTally(row.name, CampaignState(row.state), campaign_money(session, row.id))
        for row in rows.all()
    ]


@dataclass(frozen=True, slots=True)
class Examples:
    """A driver worth looking at: one session that earned, and one that did not."""

    driver_id: UUID
    earned_session_id: UUID
    refused_session_id: UUID | None


def examples(session: Session) -> Examples | None:
    """Return the driver who earned most, as fit to be looked at as there is one; None without any.

    Fit is who has no session under review, which would hold a cash-out, and one that earned nothing.
    """
    points = func.sum(_GRANT.c.points)
    reviewed = select(_SESSION.c.driver_id).where(_SESSION.c.state == SessionState.REVIEW.value)
    unpaid = select(_SESSION.c.driver_id).where(
        _SESSION.c.id.not_in(select(_GRANT.c.session_id)), _SESSION.c.state == "verified"
    )
    ranked = (
        select(_GRANT.c.driver_id)
        .group_by(_GRANT.c.driver_id)
        .order_by(points.desc(), _GRANT.c.driver_id)
        .limit(1)
    )
    free, taught = _GRANT.c.driver_id.not_in(reviewed), _GRANT.c.driver_id.in_(unpaid)
    fits: tuple[list[Any], ...] = ([free, taught], [free], [taught], [])
    found = (session.scalar(ranked.where(*fit)) for fit in fits)
    driver = next((one for one in found if one is not None), None)
    if driver is None:
        return None
    earned = (
        select(_GRANT.c.session_id)
        .where(_GRANT.c.driver_id == driver)
        .order_by(_GRANT.c.granted_at.desc())
        .limit(1)
    )
    refused = unpaid.with_only_columns(_SESSION.c.id).where(_SESSION.c.driver_id == driver)
    newest = refused.order_by(_SESSION.c.started_at.desc()).limit(1)
    return Examples(driver, session.execute(earned).scalar_one(), session.scalar(newest))
