"""From closed sessions to posted rewards: claim, verify, evaluate, post, and write down why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from nerava.charging import service as charging
from nerava.charging import zones
from nerava.charging.states import SessionEvent
from nerava.charging.verification import Severity
from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import EARN, MONEY_ALL, READONLY
from nerava.ledger import Status
from nerava.ledger.chart import campaign_budget
from nerava.ledger.reads import available_now
from nerava.ledger.stops import SwitchedOff, refuse_if_on, stopped_parties
from nerava.ledger.switches import switches_on
from nerava.ledger.templates.session_reward import SessionGrant, session_reward, session_reward_hold
from nerava.platform.db.bulk import BulkInsert
from nerava.rewards import grid_reading, usage
from nerava.rewards.campaigns import campaigns_running, fee_rates
from nerava.rewards.decisions import points_of, to_json
from nerava.rewards.evaluation import CampaignDecision, Outcome, choose, evaluate, refusal_of
from nerava.rewards.local_time import local_date
from nerava.rewards.model import RewardDecision, RewardGrant
from nerava.rewards.reasons import primary_reason
from nerava.rewards.settlement import hasten
from nerava.rewards.telling import Became, Moved, tell, tell_exhausted
from nerava.rewards.usage import CapUse, Usage

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.service import JudgedSession
    from nerava.ledger import Chain, Ledger, Verdict
    from nerava.rewards.evaluation import RunningCampaign

ACTOR: Final = "rewards"
_BUDGET_LEG: Final = 0
_FEE_LEG: Final = 2

_GRANTS: Final = BulkInsert(
    RewardGrant.__table__,  # type: ignore[arg-type]
    (
        "id",
        "campaign_id",
        "session_id",
        "driver_id",
        "local_date",
        "state",
        "points_granted",
        "points",
        "fee_share",
        "points_expire_at",
        "transaction_key",
        "settle_by",
        "due_at",
        "granted_at",
        "settled_at",
    ),
)
_DECISIONS: Final = BulkInsert(
    RewardDecision.__table__,  # type: ignore[arg-type]
    (
        "session_id",
        "evaluation",
        "decided_at",
        "evidence_level",
        "verdict",
        "score",
        "points",
        "zone_data",
        "outcomes",
    ),
)


@dataclass(slots=True)
class BatchReport:
    """What became of the sessions of one or more batches.

    Attributes:
        evaluated: How many sessions were decided.
        earned: How many of them got points, given or held.
        points_granted: Points given at once.
        points_held: Points reserved until they are settled.
        grants: How many grants that were; a session may have several.
        verdicts: Sessions by what verification said: verify, doubt or reject.
        findings: How often each finding was made.
        reasons: Sessions that got nothing, by the reason that came closest to earning.
    """

    evaluated: int = 0
    earned: int = 0
    points_granted: int = 0
    points_held: int = 0
    grants: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    findings: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: BatchReport) -> None:
        """Count the sessions of another batch too."""
        self.evaluated += other.evaluated
        self.earned += other.earned
        self.points_granted += other.points_granted
        self.points_held += other.points_held
        self.grants += other.grants
        self.verdicts += other.verdicts
        self.findings += other.findings
        self.reasons += other.reasons


@dataclass(slots=True)
class _Case:
    """One session on its way through the batch."""

    judged: JudgedSession
    local_date: str
    decisions: list[CampaignDecision] = field(default_factory=list)
    points: int = 0


@dataclass(slots=True)
class _Proposal:
    """A grant that is to be posted: the winner at `index` of a case."""

    case: _Case
    index: int
    campaign: RunningCampaign
    grant: SessionGrant
    chain: Chain
    settle_by: datetime | None

    @property
    def use(self) -> CapUse:
        """What it takes from the driver's caps."""
        session = self.case.judged.session
        given = self.settle_by is None
        return CapUse(session.driver_id, self.campaign, self.case.local_date, self.grant.points, given)


def evaluate_closed(session: Session, ledger: Ledger, now: datetime, limit: int = 500) -> BatchReport:
    """Decide up to `limit` closed sessions in the caller's unit of work and return what came of it.

    Verifies them, evaluates all active campaigns, posts what they earn, and writes decisions,
    grants and states, with a few statements for all of them. Everything stands or falls with the
    caller's commit; running it again finds the next ones. An empty report means nothing waits, or
    another worker has it. Sessions of a driver whom a kill switch stops wait; a campaign that one
    stops takes no part, as if it were paused.

    Args:
        session: The caller's unit of work; it should do little else.
        ledger: Where rewards are posted. Its clock should agree with `now`.
        now: The instant of the decision, aware UTC.
        limit: The most sessions. Their accounts stay locked until the commit.

    Raises:
        SwitchedOff: Nothing can be earned for now; the sessions wait (503).
    """
    on = switches_on(session)
    refuse_if_on(on, EARN, MONEY_ALL, READONLY)
    claimed = charging.claim_closed(session, limit, without=stopped_parties(on, "driver"))
    judged = charging.judge(session, claimed)
    if not judged:
        return BatchReport()
    batch = _Batch(session, ledger, now, without=stopped_parties(on, "campaign"))
    batch.load(judged)
    hasten(session, [one.session.id for one in judged if one.session.evaluations], now)
    batch.decide()
    batch.post()
    batch.write()
    charging.record(session, judged, now)
    return batch.report()


class _Batch:
    """The work of one call of `evaluate_closed`."""

    def __init__(self, session: Session, ledger: Ledger, now: datetime, *, without: Collection[UUID]) -> None:
        self._without = without
        self._session = session
        self._ledger = ledger
        self._now = now
        self._campaigns: list[RunningCampaign] = []
        self._usage = Usage()
        self._left: dict[UUID, int] = {}
        self._cases: list[_Case] = []
        self._proposals: list[_Proposal] = []
        self._granted: list[_Proposal] = []

    def load(self, judged: Sequence[JudgedSession]) -> None:
        """Load campaigns, what their budgets hold, and what the drivers had before."""
        running = campaigns_running(self._session)
        self._campaigns = [one for one in running if one.id not in self._without]
        sessions = [one.session for one in judged]
        dates = [local_date(one.started_at, one.timezone).isoformat() for one in sessions]
        self._cases = [_Case(*pair) for pair in zip(judged, dates, strict=True)]
        self._usage = Usage.loaded(self._session, sessions, dates, self._campaigns, now=self._now)
        self._read_budgets()

    def decide(self) -> None:
        """Evaluate the sessions one after the other; what they earn becomes proposals."""
        for case in self._cases:
            judged = case.judged
            if judged.verification.event is SessionEvent.REJECT:
                continue
            history = self._usage.history(judged.session, case.local_date)
            case.decisions = evaluate(judged.session, self._campaigns, history, self._afford)
            for index, decision in enumerate(case.decisions):
                if decision.outcome is Outcome.GRANTED or decision.outcome is Outcome.HELD:
                    self._propose(case, index)
            if not judged.session.under_review:
                self._usage.note(judged.session, case.local_date)

    def post(self) -> None:
        """Post all proposals at once; whoever lost a race for a budget falls back to the next best.

        Budgets were read before they were locked, so only a campaign that others emptied
        meanwhile can refuse here. From then on its balance is locked and read exactly. Every
        round refuses at least one campaign of a session for good, so the rounds end.
        """
        while self._proposals:
            proposals, self._proposals = self._proposals, []
            verdicts = self._ledger.post_many(self._session, [one.chain for one in proposals])
            refused = []
            for proposal, verdict in zip(proposals, verdicts, strict=True):
                if verdict.ok:
                    self._granted.append(proposal)
                else:
                    refused.append((proposal, verdict))
            if refused:
                self._read_budgets()
                for proposal, verdict in refused:
                    self._fall_back(proposal, verdict)

    def write(self) -> None:
        """Write grants, used caps and decisions, after the ledger and in one order."""
        for case in self._cases:
            case.points = points_of(case.decisions)
        usage.write(self._session, (one.use for one in self._granted))
        _GRANTS.run(self._session, [_grant_row(one, self._now) for one in self._granted])
        _DECISIONS.run(self._session, [_decision_row(one, self._now) for one in self._cases])
        if self._usage.grid is not None:
            decided = [(case.judged.session, case.decisions) for case in self._cases]
            grid_reading.keep(self._session, decided, self._campaigns, self._usage.grid, self._now)
        tell(self._session, [_told(one) for one in self._granted], self._now)
        tell_exhausted(self._session, self._exhausted(), self._now)

    def _exhausted(self) -> set[UUID]:
        return {
            campaign.id
            for case in self._cases
            for campaign, decision in zip(self._campaigns, case.decisions, strict=False)
            if decision.reason == "campaign.exhausted"
        }

    def report(self) -> BatchReport:
        """Return what came of it."""
        report = BatchReport(evaluated=len(self._cases), grants=len(self._granted))
        for proposal in self._granted:
            if proposal.settle_by is None:
                report.points_granted += proposal.grant.points
            else:
                report.points_held += proposal.grant.points
        for case in self._cases:
            verification = case.judged.verification
            report.verdicts[verification.event.value] += 1
            report.findings.update(finding.code.value for finding in verification.findings)
            if case.points > 0:
                report.earned += 1
            elif case.decisions:
                report.reasons[primary_reason(case.decisions)] += 1
            else:
                codes = [one.code.value for one in verification.findings if one.severity is Severity.REJECT]
                report.reasons[codes[0] if codes else "campaign.none"] += 1
        return report

    def _read_budgets(self) -> None:
        codes = {one.id: campaign_budget(one.id) for one in self._campaigns}
        left = available_now(self._session, list(codes.values()))
        self._left = {campaign_id: left.get(code, 0) for campaign_id, code in codes.items()}

    def _afford(self, campaign: RunningCampaign, points: int) -> bool:
        left = self._left[campaign.id]
        if left < points:
            return False
        self._left[campaign.id] = left - points
        return True

    def _propose(self, case: _Case, index: int) -> None:
        campaign, decision, session = self._campaigns[index], case.decisions[index], case.judged.session
        days = campaign.terms.points_expire_after_days
        grant = SessionGrant(
            campaign_id=campaign.id,
            session_id=session.id,
            driver_id=session.driver_id,
            points=decision.points,
            fee_share=campaign.fee_rate.share(decision.points),
            points_expire_at=None if days is None else self._now + timedelta(days=days),
        )
        settle_by: datetime | None = None
        if decision.outcome is Outcome.HELD:
            settle_by = self._now + timedelta(days=campaign.terms.settle_within_days)
            chain = session_reward_hold(
                grant, settle_by=settle_by, effective_at=session.ended_at, actor=ACTOR
            )
        else:
            chain = session_reward(grant, effective_at=session.ended_at, actor=ACTOR)
        proposal = _Proposal(case, index, campaign, grant, chain, settle_by)
        self._usage.add(proposal.use)
        self._proposals.append(proposal)

    def _fall_back(self, proposal: _Proposal, verdict: Verdict) -> None:
        """Give the place of a refused proposal to the next best of its stacking group."""
        case, index, campaign = proposal.case, proposal.index, proposal.campaign
        if verdict.status is Status.SWITCHED_OFF:
            # Since the batch was claimed. Nothing of it is kept; the next one will know.
            raise SwitchedOff
        self._usage.add(proposal.use._replace(points=-proposal.grant.points))
        if verdict.failed_at == _FEE_LEG and self._renew_fee_rate(proposal):
            self._propose(case, index)
            return
        decision = case.decisions[index]
        if verdict.status is Status.INSUFFICIENT and verdict.failed_at == _BUDGET_LEG:
            case.decisions[index] = refusal_of(decision, "campaign.exhausted", {"points": decision.points})
        else:
            case.decisions[index] = refusal_of(decision, "ledger.refused", {"status": verdict.status})
        rivals = [
            number
            for number, other in enumerate(case.decisions)
            if other.reason == "stacking.another_won" and self._campaigns[number].group == campaign.group
        ]
        # Caps may have been used by later sessions of the driver meanwhile: they are asked again.
        history = self._usage.history(case.judged.session, case.local_date)
        for number in rivals:
            case.decisions[number] = self._campaigns[number].appraise(case.judged.session, history)
        standing = [number for number in rivals if case.decisions[number].outcome is not Outcome.REFUSED]
        winner = choose(case.decisions, self._campaigns, standing, self._afford)
        if winner is not None:
            self._propose(case, winner)

    def _renew_fee_rate(self, proposal: _Proposal) -> bool:
        """Read the fee rate again, and return whether a payment meanwhile has made it lower."""
        campaign = proposal.campaign
        before = proposal.grant.fee_share
        campaign.fee_rate = fee_rates(self._session, [campaign.id]).get(campaign.id, campaign.fee_rate)
        return campaign.fee_rate.share(proposal.grant.points) < before


def _told(one: _Proposal) -> Moved:
    grant = one.grant
    state: Became = "granted" if one.settle_by is None else "held"
    return Moved(state, grant.campaign_id, grant.session_id, grant.driver_id, grant.points)


def _grant_row(one: _Proposal, now: datetime) -> tuple[Any, ...]:
    held = one.settle_by is not None
    return (
        new_id(),
        one.campaign.id,
        one.grant.session_id,
        one.grant.driver_id,
        one.case.local_date,
        "provisional" if held else "settled",
        one.grant.points,
        one.grant.points,
        one.grant.fee_share,
        one.grant.points_expire_at,
        one.chain.key,
        one.settle_by,
        one.settle_by,
        now,
        None if held else now,
    )


def _decision_row(case: _Case, now: datetime) -> tuple[Any, ...]:
    session, verification = case.judged.session, case.judged.verification
    return (
        session.id,
        session.evaluations + 1,
        now,
        session.evidence_level,
        verification.event.value,
        verification.score,
        case.points,
        zones.EDITION,
        to_json(case.decisions),
    )
