"""Ends provisional grants: given in full or in part, or taken back, as better evidence says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select, update

from nerava.charging import service as charging
from nerava.charging.states import SessionState
from nerava.kernel.switch_names import MONEY_ALL, READONLY
from nerava.ledger import Status
from nerava.ledger.switches import require_off
from nerava.ledger.templates.session_reward import (
    SessionGrant,
    session_reward_capture,
    session_reward_expire,
    session_reward_release,
)
from nerava.platform.db.bulk import BulkUpdate
from nerava.rewards import usage
from nerava.rewards.campaigns import campaigns_by_id
from nerava.rewards.decisions import from_document
from nerava.rewards.evaluation import GRID_WAITING, NOTHING_BEFORE, History, Outcome
from nerava.rewards.grid_reading import beside, grid_of
from nerava.rewards.model import RewardDecision, RewardGrant
from nerava.rewards.past import Past
from nerava.rewards.telling import Became, Moved, tell
from nerava.rewards.usage import CapUse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.ledger import Chain, Ledger, Verdict
    from nerava.rewards.evaluation import RunningCampaign

ACTOR: Final = "rewards"
PROVISIONAL: Final = "provisional"
SETTLED: Final = "settled"
RELEASED: Final = "released"
STOPPED_FOR: Final = timedelta(minutes=1)
"""When a grant that a kill switch stops is looked at again."""

_T: Final[Any] = RewardGrant.__table__
_G: Final[Any] = _T.c
_DECISION: Final[Any] = RewardDecision.__table__.c
_END: Final = BulkUpdate(
    _T,
    match=("id", "state"),
    assign=("state", "points", "settlement_key", "settlement_reason", "due_at", "settled_at"),
)
_WAIT: Final = BulkUpdate(_T, match=("id", "state"), assign=("due_at",))


@dataclass(slots=True)
class SettlementReport:
    """What became of provisional grants.

    Attributes:
        looked_at: How many were due.
        settled: How many were given, in full or in part.
        released: How many went back to their campaigns whole.
        points_settled: Points that were given.
        points_returned: Points that went back, of reduced grants too.
        reasons: Grants by why they ended; those that wait on are not counted.
    """

    looked_at: int = 0
    settled: int = 0
    released: int = 0
    points_settled: int = 0
    points_returned: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


class _Ending(NamedTuple):
    """How one grant is to end. `points` is what the driver keeps."""

    row: Row[Any]
    campaign: RunningCampaign
    points: int
    reason: str
    chain: Chain


def settle(session: Session, ledger: Ledger, now: datetime, limit: int = 500) -> SettlementReport:
    """Look at up to `limit` provisional grants that are due, in the caller's unit of work.

    A grant whose session is verified with the campaign's settling evidence is captured, reduced to
    what that evidence proves if that is less; one whose session was rejected, or that is past its
    deadline, goes back to its campaign. One that neither is waits for its deadline. Safe to repeat
    and to run beside other workers: on PostgreSQL they leave each other's grants alone. One that a
    kill switch stops is looked at again a minute later.

    Raises:
        SwitchedOff: Nothing can be settled for now; the grants wait (503).
    """
    require_off(session, MONEY_ALL, READONLY)
    query = select(_T).where(_G.state == PROVISIONAL, _G.due_at <= now)
    claim = query.order_by(_G.due_at, _G.id).limit(limit).with_for_update(skip_locked=True, key_share=True)
    rows = session.execute(claim).all()
    report = SettlementReport(looked_at=len(rows))
    if not rows:
        return report
    sessions = charging.evidenced(session, [row.session_id for row in rows])
    campaigns = campaigns_by_id(session, (row.campaign_id for row in rows))
    pasts = pasts_of(session, rows, campaigns)
    grid = grid_of(session, [one for one, _ in sessions.values()], campaigns.values(), now)
    endings: list[_Ending] = []
    waiting: list[Row[Any]] = []
    for row in rows:
        campaign = campaigns[row.campaign_id]
        history = pasts.get((row.session_id, row.campaign_id), NOTHING_BEFORE)
        if grid is not None:
            history = beside(history, grid.facts.get(row.session_id))
        ending = _ending(row, *sessions[row.session_id], now, _Terms(campaign, history))
        if ending is None:
            waiting.append(row)
        else:
            endings.append(ending)
    stopped = _post(session, ledger, endings, now, report)
    later = [(row.id, PROVISIONAL, row.settle_by) for row in waiting]
    _WAIT.run(session, later + [(one.row.id, PROVISIONAL, now + STOPPED_FOR) for one in stopped])
    return report


def hasten(session: Session, session_ids: Sequence[UUID], now: datetime) -> None:
    """Make provisional grants of sessions that were decided anew due at once, and settled ones looked at.

    Called before anything is posted: a settlement that has one of these rows may be waiting for
    accounts, and must not find that their owner waits for it.
    """
    if session_ids:
        change = update(_T).where(_G.session_id.in_(session_ids), _G.state == PROVISIONAL, _G.due_at > now)
        session.execute(change.values(due_at=now))
        given = update(_T).where(_G.session_id.in_(session_ids), _G.state == SETTLED)
        session.execute(given.values(review_at=now))


def resolve_review(session: Session, session_id: UUID, *, accepted: bool, now: datetime) -> None:
    """Record a person's decision about a session and let its held grants be settled by it.

    Raises:
        UnknownSession: No session has this id (404).
        WrongSessionState: It is not under review (409).
    """
    charging.resolve_review(session, session_id, accepted=accepted, now=now)
    hasten(session, [session_id], now)


def pasts_of(
    session: Session, rows: Sequence[Row[Any]], campaigns: Mapping[UUID, RunningCampaign]
) -> dict[tuple[UUID, UUID], History]:
    """Return what the drivers had done when the grants were made, where the campaign asked for it."""
    asking = {row.session_id for row in rows if campaigns[row.campaign_id].asks}
    if not asking:
        return {}
    found: dict[tuple[UUID, UUID], History] = {}
    query = select(_DECISION.session_id, _DECISION.outcomes).where(_DECISION.session_id.in_(asking))
    for row in session.execute(query):
        for one in from_document(row.outcomes):
            if one.outcome in (Outcome.HELD, Outcome.GRANTED) and Past.is_told_by(one.facts):
                past = Past.of_facts(one.facts)
                sessions = {one.campaign_id: past.sessions_granted}
                found[row.session_id, one.campaign_id] = History(sessions=sessions, past=past)
    return found


class _Terms(NamedTuple):
    """By what a grant is judged again: the campaign, and the driver's past as it was."""

    campaign: RunningCampaign
    history: History


def _ending(
    row: Row[Any], session: EvidencedSession, state: SessionState, now: datetime, terms: _Terms
) -> _Ending | None:
    campaign = terms.campaign
    grant = _grant_of(row)
    circumstances: Any = {"effective_at": session.ended_at, "actor": ACTOR}
    if state is SessionState.REJECTED:
        chain = session_reward_release(grant, **circumstances)
        return _Ending(row, campaign, 0, "settlement.rejected", chain)
    if now >= row.settle_by:
        return _Ending(row, campaign, 0, "settlement.deadline", session_reward_expire(grant, **circumstances))
    if state is not SessionState.VERIFIED or session.evidence_level < campaign.settle_level:
        return None
    decision = campaign.earns(session, terms.history)
    if decision.reason == GRID_WAITING:
        return None
    proven = min(row.points, decision.points)
    if proven == 0:
        return _Ending(
            row, campaign, 0, "settlement.not_proven", session_reward_release(grant, **circumstances)
        )
    reason = "settlement.proven" if proven == row.points else "settlement.reduced"
    return _Ending(
        row, campaign, proven, reason, session_reward_capture(grant, points=proven, **circumstances)
    )


def _post(
    session: Session, ledger: Ledger, endings: Sequence[_Ending], now: datetime, report: SettlementReport
) -> list[_Ending]:
    """Post the endings, write what they came to, and return those that a kill switch stopped."""
    stopped: list[_Ending] = []
    verdicts = ledger.post_many(session, [one.chain for one in endings])
    ended: list[tuple[Any, ...]] = []
    told: list[Moved] = []
    returned: list[CapUse] = []
    for one, verdict in zip(endings, verdicts, strict=True):
        if verdict.status is Status.SWITCHED_OFF:
            stopped.append(one)
            continue
        points, reason, key = _what_stands(one, verdict)
        if reason is None:
            continue
        state = SETTLED if points else RELEASED
        ended.append((one.row.id, PROVISIONAL, state, points, key, reason, None, now))
        became: Became = "granted" if points else "released"
        what = (one.row.campaign_id, one.row.session_id, one.row.driver_id, points or one.row.points)
        told.append(Moved(became, *what))
        back = one.row.points - points
        if back:
            returned.append(CapUse(one.row.driver_id, one.campaign, one.row.local_date, back))
        report.reasons[reason] += 1
        report.settled += bool(points)
        report.released += not points
        report.points_settled += points
        report.points_returned += back
    _END.run(session, ended)
    usage.give_back(session, returned)
    tell(session, told, now)
    return stopped


def _what_stands(one: _Ending, verdict: Verdict) -> tuple[int, str | None, UUID | None]:
    """Return what the ledger left of a grant, why, and by which chain; no reason means not yet."""
    if verdict.ok:
        return one.points, one.reason, one.chain.key
    if verdict.status is Status.HOLD_RESOLVED:
        # The general expiry of holds came first; only past the deadline can it have.
        return 0, "settlement.deadline", None
    if verdict.status in (Status.HOLD_NOT_DUE, Status.HOLD_EXPIRED):
        # The ledger's clock and ours disagree about the deadline; the next look will not.
        return 0, None, None
    message = f"ending a grant cannot be answered {verdict.status}"
    raise AssertionError(message)


def _grant_of(row: Row[Any]) -> SessionGrant:
    return SessionGrant(
        campaign_id=row.campaign_id,
        session_id=row.session_id,
        driver_id=row.driver_id,
        points=row.points_granted,
        fee_share=row.fee_share,
        points_expire_at=row.points_expire_at,
    )
