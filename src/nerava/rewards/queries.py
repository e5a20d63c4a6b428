"""What people may ask about rewards: why a session earned or not, grants, campaigns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import exists, select, union_all

from nerava.charging.queries import session_view
from nerava.rewards.campaigns import CampaignState, terms_of
from nerava.rewards.decisions import from_document
from nerava.rewards.dispute_store import SponsorDispute
from nerava.rewards.errors import UnknownCampaign, UnknownDecision
from nerava.rewards.grid_reading import CarbonView, carbon_views, kept_with
from nerava.rewards.holdout import in_holdout
from nerava.rewards.model import Campaign, RewardDecision, RewardGrant
from nerava.rewards.reasons import sentence
from nerava.rewards.return_store import RewardClawback
from nerava.rewards.returns import TakenBackView, taken_back_of
from nerava.rewards.sponsor_stops import STOPPING

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.queries import FindingView
    from nerava.rewards.terms import CampaignTerms

_CAMPAIGN: Final[Any] = Campaign.__table__
_DECISION: Final[Any] = RewardDecision.__table__
_GRANT: Final[Any] = RewardGrant.__table__
_CLAWBACK: Final[Any] = RewardClawback.__table__
_WITH_STOP: Final[Any] = select(
    _CAMPAIGN,
    exists()
    .where(SponsorDispute.__table__.c.sponsor_id == _CAMPAIGN.c.sponsor_id, STOPPING)
    .label("is_stopped"),
)
PAGE_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class RuleReason:
    """One rule's answer. `code` is stable, `text` is English for people."""

    answer: str
    code: str
    text: str
    points: int


@dataclass(frozen=True, slots=True)
class CampaignReason:
    """One campaign's answer, and what its rules said.

    Attributes:
        outcome: granted, held, kept (decided by an earlier evaluation) or refused.
        grant_state: What became of the grant since; None where there is none.
    """

    campaign_id: UUID
    name: str
    outcome: str
    code: str
    text: str
    points: int
    grant_state: str | None
    rules: tuple[RuleReason, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a session earned what it earned.

    Attributes:
        evaluation: Which decision about the session this is, from 1.
        points: What it earned by all campaigns, given or held, when it was decided.
        findings: What verification found, each with the points that it took from the score.
        carbon: What the grid emitted meanwhile, as the decision was told, where a campaign asked.
        taken_back: What was taken back of its grants since, the earliest first.
    """

    session_id: UUID
    evaluation: int
    decided_at: datetime
    verdict: str
    score: int
    evidence_level: int
    points: int
    zone_data: str
    findings: tuple[FindingView, ...]
    campaigns: tuple[CampaignReason, ...]
    carbon: tuple[CarbonView, ...]
    taken_back: tuple[TakenBackView, ...]


@dataclass(frozen=True, slots=True)
class GrantView:
    """Points that a campaign gave or holds for a session. `points` is what stands now."""

    id: UUID
    campaign_id: UUID
    session_id: UUID
    driver_id: UUID
    state: str
    points: int
    points_granted: int
    granted_at: datetime
    settle_by: datetime | None
    settled_at: datetime | None
    settlement: str | None
    transaction_key: UUID


@dataclass(frozen=True, slots=True)
class CampaignView:
    """A campaign as it was created, its state, and whether its sponsor is stopped by a dispute."""

    id: UUID
    sponsor_id: UUID
    state: CampaignState
    terms: CampaignTerms
    created_at: datetime
    is_stopped: bool


def explain(
    session: Session, session_id: UUID, *, evaluation: int | None = None, for_driver: bool = False
) -> Explanation:
    """Return why a session earned or not, campaign by campaign and rule by rule.

    The last decision, unless an earlier one is asked for by its number. Drivers (`for_driver`) are
    told nothing of campaigns that hold them out, in no session: whoever knows that others are paid
    charges otherwise, and nothing would be measured.

    Raises:
        UnknownSession: No session has this id (404).
        UnknownDecision: It was not decided yet, or not so often (404).
    """
    view = session_view(session, session_id)
    query = select(_DECISION).where(_DECISION.c.session_id == session_id)
    if evaluation is not None:
        query = query.where(_DECISION.c.evaluation == evaluation)
    row = session.execute(query.order_by(_DECISION.c.evaluation.desc()).limit(1)).one_or_none()
    if row is None:
        raise UnknownDecision
    decisions = from_document(row.outcomes)
    names = select(_CAMPAIGN.c.id, _CAMPAIGN.c.name, _CAMPAIGN.c.holdout_percent).where(
        _CAMPAIGN.c.id.in_([one.campaign_id for one in decisions])
    )
    known = {named.id: named for named in session.execute(names)}
    if for_driver:
        decisions = [
            one
            for one in decisions
            if not in_holdout(one.campaign_id, view.driver_id, known[one.campaign_id].holdout_percent)
        ]
    grants = grants_of_session(session, session_id)
    states = {one.campaign_id: one.state for one in grants}
    campaigns = tuple(
        CampaignReason(
            one.campaign_id,
            known[one.campaign_id].name,
            one.outcome.value,
            one.reason,
            sentence(one.reason, one.facts),
            one.points,
            states.get(one.campaign_id),
            tuple(
                RuleReason(rule.answer.value, rule.code, sentence(rule.code, rule.facts), rule.points)
                for rule in one.judgements
            ),
        )
        for one in decisions
    )
    return Explanation(
        session_id,
        row.evaluation,
        row.decided_at,
        row.verdict,
        row.score,
        row.evidence_level,
        row.points,
        row.zone_data,
        view.findings,
        campaigns,
        carbon_views(
            kept_with(session, session_id, row.evaluation), view.started_at, view.ended_at, view.energy_wh
        ),
        tuple(taken_back_of(session, {one.id: one.campaign_id for one in grants})),
    )


def grants_of_session(session: Session, session_id: UUID) -> list[GrantView]:
    """Return the grants of a session, the earliest first."""
    query = select(_GRANT).where(_GRANT.c.session_id == session_id)
    return [_grant(row) for row in session.execute(query.order_by(_GRANT.c.granted_at, _GRANT.c.id))]


def grants_of_driver(
    session: Session, driver_id: UUID, *, before: UUID | None = None, limit: int = 50
) -> list[GrantView]:
    """Return a driver's grants, the newest first, those with ids below `before` only."""
    query = select(_GRANT).where(_GRANT.c.driver_id == driver_id)
    if before is not None:
        query = query.where(_GRANT.c.id < before)
    newest = query.order_by(_GRANT.c.id.desc()).limit(min(limit, PAGE_MAX))
    return [_grant(row) for row in session.execute(newest)]


def sessions_behind(session: Session, driver_id: UUID, chains: Collection[UUID]) -> dict[UUID, UUID]:
    """Return which sessions of a driver these chains rewarded, or took the reward of back."""
    given = select(_GRANT.c.transaction_key.label("chain"), _GRANT.c.session_id).where(
        _GRANT.c.transaction_key.in_(chains), _GRANT.c.driver_id == driver_id
    )
    taken = (
        select(_CLAWBACK.c.transaction_key, _GRANT.c.session_id)
        .join(_GRANT, _GRANT.c.id == _CLAWBACK.c.grant_id)
        .where(_CLAWBACK.c.transaction_key.in_(chains), _GRANT.c.driver_id == driver_id)
    )
    return {row.chain: row.session_id for row in session.execute(union_all(given, taken))}


def campaign_view(session: Session, campaign_id: UUID) -> CampaignView:
    """Return a campaign.

    Raises:
        UnknownCampaign: No campaign has this id (404).
    """
    row = session.execute(_WITH_STOP.where(_CAMPAIGN.c.id == campaign_id)).one_or_none()
    if row is None:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    return _campaign(row)


def campaigns(
    session: Session, *, sponsor_id: UUID | None = None, after: UUID | None = None, limit: int = 50
) -> list[CampaignView]:
    """Return campaigns by id, of one sponsor or of all, those with ids above `after` only."""
    query = _WITH_STOP.order_by(_CAMPAIGN.c.id).limit(min(limit, PAGE_MAX))
    if sponsor_id is not None:
        query = query.where(_CAMPAIGN.c.sponsor_id == sponsor_id)
    if after is not None:
        query = query.where(_CAMPAIGN.c.id > after)
    return [_campaign(row) for row in session.execute(query)]


def _campaign(row: Any) -> CampaignView:  # noqa: ANN401 - a row of the table
    state, terms = CampaignState(row.state), terms_of(row)
    return CampaignView(row.id, row.sponsor_id, state, terms, row.created_at, row.is_stopped)


def _grant(row: Any) -> GrantView:  # noqa: ANN401 - a row of the table
    return GrantView(
        row.id,
        row.campaign_id,
        row.session_id,
        row.driver_id,
        row.state,
        row.points,
        row.points_granted,
        row.granted_at,
        row.settle_by,
        row.settled_at,
        row.settlement_reason,
        row.transaction_key,
    )
