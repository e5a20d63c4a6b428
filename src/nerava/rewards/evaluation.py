"""Decides what a session earns from each campaign, with the reason; no I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from nerava.grid.facts import GridWanted
from nerava.kernel.money import FeeRate
from nerava.rewards.holdout import REASON as HELD_OUT
from nerava.rewards.holdout import in_holdout
from nerava.rewards.past import SOMEBODY_NEW, Ask, Past
from nerava.rewards.rules import (
    Answer,
    GridCarbon,
    Judgement,
    Multiplier,
    PastRule,
    PercentOfPrice,
    TariffPeriod,
)

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.charging.evidence import EvidencedSession
    from nerava.rewards.rules import Facts
    from nerava.rewards.terms import CampaignTerms

GRID_WAITING: Final = "grid.waiting"
"""Why a campaign says nothing yet: what its rules ask of the grid is not settled."""

PRICE_WAITING: Final = "price.waiting"
"""Why a campaign says nothing yet: a record, which it waits for anyway, may still tell the price."""

Afford = Callable[["RunningCampaign", int], bool]
"""Whether a campaign can still pay so many points."""

_NONE: Final[Mapping[Any, int]] = MappingProxyType({})


def _none() -> Mapping[UUID, int]:
    return _NONE


# The generated constructor of a named tuple costs twice as much, and there is one per campaign.
_new: Final = tuple.__new__


class Outcome(StrEnum):
    """What became of one campaign for one session."""

    GRANTED = "granted"
    HELD = "held"
    """Reserved until better evidence, or a person, settles it."""

    KEPT = "kept"
    """An earlier evaluation of the same session granted or held it."""

    REFUSED = "refused"


class CampaignDecision(NamedTuple):
    """The answer of one campaign to one session.

    Attributes:
        reason: Why, as a stable code; its sentence stands in `reasons.py`.
        points: What the session earns from this campaign; 0 when refused.
        judgements: The answers of the campaign's conditions, all of them, then of the rules that
            give points, if every condition was met. None where the session was out of the
            campaign's reach anyway.
    """

    campaign_id: UUID
    outcome: Outcome
    reason: str
    points: int
    facts: Facts
    judgements: tuple[Judgement, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What one driver was granted before, by campaign.

    Attributes:
        day_points: On the local date of the session.
        total_points: Ever.
        granted: From this very session, by an earlier evaluation of it, whatever became of it.
        sessions: Other sessions that the campaign rewarded.
        past: What the driver did before, for campaigns that ask.
    """

    day_points: Mapping[UUID, int] = field(default_factory=_none)
    total_points: Mapping[UUID, int] = field(default_factory=_none)
    granted: Mapping[UUID, int] = field(default_factory=_none)
    sessions: Mapping[UUID, int] = field(default_factory=_none)
    past: Past = SOMEBODY_NEW

    def past_for(self, campaign_id: UUID) -> Past:
        """Return the past as one campaign sees it."""
        return self.past._replace(sessions_granted=self.sessions.get(campaign_id, 0))


NOTHING_BEFORE: Final = History()
NO_FEE: Final = FeeRate(fee=0, net=1)


class RunningCampaign:
    """A campaign made ready for many sessions: terms flattened, rules bound.

    Build it once per batch, not once per session.
    """

    __slots__ = (
        "asks",
        "asks_grid",
        "asks_price",
        "conditions",
        "day_max",
        "driver_max",
        "earners",
        "ends_at",
        "evidence_min",
        "fee_rate",
        "grid_wanted",
        "group",
        "has_caps",
        "holdout_percent",
        "id",
        "may_wait",
        "multipliers",
        "score_min",
        "session_max",
        "settle_level",
        "starts_at",
        "terms",
        "tie_rank",
    )

    def __init__(self, campaign_id: UUID, terms: CampaignTerms, fee_rate: FeeRate = NO_FEE) -> None:
        self.id = campaign_id
        self.terms = terms
        self.starts_at = terms.starts_at
        self.ends_at = terms.ends_at
        self.evidence_min = terms.evidence_min
        self.settle_level = terms.settle_level
        self.score_min = terms.score_min
        self.has_caps = terms.driver_day_points_max is not None or terms.driver_points_max is not None
        self.session_max = terms.session_points_max
        self.day_max = terms.driver_day_points_max
        self.driver_max = terms.driver_points_max
        self.fee_rate = fee_rate
        # A colon cannot stand in the name of a group.
        self.group = terms.stacking_group or f"{campaign_id}:alone"
        self.holdout_percent = terms.holdout_percent
        self.asks = frozenset(rule.asks for rule in terms.rules if isinstance(rule, PastRule))
        self.asks_grid = Ask.GRID in self.asks
        self.asks_price = any(isinstance(rule, PercentOfPrice) for rule in terms.rules)
        self.may_wait = self.asks_grid or self.asks_price
        self.conditions = tuple(rule.judge for rule in terms.rules if rule.is_condition)
        self.multipliers = tuple(rule for rule in terms.rules if isinstance(rule, Multiplier))
        self.earners = tuple(
            rule.judge for rule in terms.rules if not rule.is_condition and not isinstance(rule, Multiplier)
        )
        self.grid_wanted = GridWanted(
            frozenset(rule.signal for rule in terms.rules if isinstance(rule, GridCarbon)),
            frozenset(rule.called for rule in terms.rules if isinstance(rule, TariffPeriod)),
        )
        self.tie_rank = (-terms.priority, campaign_id)

    def _caps(self, history: History) -> Iterator[tuple[str, int, Mapping[UUID, int]]]:
        if self.day_max is not None:
            yield "cap.driver_day", self.day_max, history.day_points
        if self.driver_max is not None:
            yield "cap.driver_total", self.driver_max, history.total_points

    def appraise(self, session: EvidencedSession, history: History = NOTHING_BEFORE) -> CampaignDecision:
        """Return what the session would earn if this were the only campaign and its budget endless."""
        # Hashing a UUID is a Python call; nearly all sessions have no history to look it up in.
        if history.granted and self.id in history.granted:
            return CampaignDecision(self.id, Outcome.KEPT, "campaign.kept", history.granted[self.id], {}, ())
        decision = self.earns(session, history)
        if (
            self.holdout_percent
            and decision.outcome is not Outcome.REFUSED
            and in_holdout(self.id, session.driver_id, self.holdout_percent)
        ):
            return refusal_of(decision, HELD_OUT, {"points": decision.points})
        return decision

    def earns(self, session: EvidencedSession, history: History = NOTHING_BEFORE) -> CampaignDecision:
        """Return what the session would earn by the terms alone, whoever is held out and was paid before."""
        beyond = self._beyond_reach(session)
        if beyond is not None:
            return beyond
        past = history.past_for(self.id) if self.asks else None
        conditions = self.conditions if past is None else self._asking(past, conditions=True)
        judgements = [judge(session) for judge in conditions]
        for judgement in judgements:
            if judgement.answer is Answer.REFUSED:
                return self._refused("rules.condition_not_met", {}, tuple(judgements))
        waiting = self._waits_for(session, past) if self.may_wait else None
        if waiting is not None:
            return self._refused(waiting, {}, tuple(judgements))
        points = 0
        earners = self.earners if past is None or not self.asks_grid else self._asking(past, conditions=False)
        for judge in earners:
            judgement = judge(session)
            judgements.append(judgement)
            points += judgement.points
        if past is not None:
            for rule in self.multipliers:
                judgement = rule.judge(session, past._replace(earned=points))
                judgements.append(judgement)
                points += judgement.points
        if points <= 0:
            return self._refused("rules.nothing_earned", {}, tuple(judgements))
        decision = self._within_caps(session, history, points, tuple(judgements))
        if past is None or decision.outcome is Outcome.REFUSED:
            return decision
        # Better evidence, and a credit after it, is judged by the same past.
        return decision._replace(facts={**decision.facts, **past.facts()})

    def _waits_for(self, session: EvidencedSession, past: Past | None) -> str | None:
        if past is not None and past.grid.waits_for(self.grid_wanted.signals):
            return GRID_WAITING
        # A hold never grows: made now, it would lose what the record's price adds.
        is_open = session.price is None and session.evidence_level < self.settle_level
        return PRICE_WAITING if self.asks_price and is_open else None

    def _asking(self, past: Past, *, conditions: bool) -> list[Callable[[EvidencedSession], Judgement]]:
        """Return the conditions, or the rules that give points; those that ask are told the past."""
        return [
            partial(rule.judge, past=past) if isinstance(rule, PastRule) else rule.judge
            for rule in self.terms.rules
            if rule.is_condition is conditions and not isinstance(rule, Multiplier)
        ]

    def _beyond_reach(self, session: EvidencedSession) -> CampaignDecision | None:
        """Return the refusal of a session that the rules need not be asked about."""
        if not self.starts_at <= session.started_at < self.ends_at:
            return self._refused("campaign.outside_window", {})
        if session.evidence_level < self.evidence_min:
            facts: Facts = {"level": session.evidence_level, "least": self.evidence_min}
            return self._refused("evidence.below_minimum", facts)
        # Of a session under review a person decides; until then what it may earn is held.
        if session.score < self.score_min and not session.under_review:
            return self._refused("score.below_minimum", {"score": session.score, "least": self.score_min})
        return None

    def _within_caps(
        self, session: EvidencedSession, history: History, earned: int, answers: tuple[Judgement, ...]
    ) -> CampaignDecision:
        points = earned
        reason = "campaign.earned"
        facts: Facts = {}
        if self.session_max is not None and points > self.session_max:
            points, reason = self.session_max, "cap.session"
            facts = {"earned": earned, "most": self.session_max}
        for code, most, before in self._caps(history) if self.has_caps else ():
            left = most - before.get(self.id, 0) if before else most
            if left < points:
                facts = {"earned": earned, "most": most, "left": max(0, left)}
                if left <= 0:
                    return self._refused(f"{code}_reached", facts, answers)
                points, reason = left, code
        held = session.under_review or session.evidence_level < self.settle_level
        outcome = Outcome.HELD if held else Outcome.GRANTED
        return _new(CampaignDecision, (self.id, outcome, reason, points, facts, answers))

    def _refused(self, reason: str, facts: Facts, answers: tuple[Judgement, ...] = ()) -> CampaignDecision:
        return _new(CampaignDecision, (self.id, Outcome.REFUSED, reason, 0, facts, answers))


def evaluate(
    session: EvidencedSession,
    campaigns: Sequence[RunningCampaign],
    history: History = NOTHING_BEFORE,
    afford: Afford | None = None,
) -> list[CampaignDecision]:
    """Return one decision per campaign, in the order of `campaigns`.

    Of the campaigns of one stacking group the one with the most points wins, then the greater
    priority, then the smaller id; one that cannot pay (`afford`) gives way to the next. A campaign
    that an earlier evaluation of the session granted keeps its place and its whole group.
    """
    decisions = [campaign.appraise(session, history) for campaign in campaigns]
    rivals: dict[str, list[int]] = {}
    for index, decision in enumerate(decisions):
        if decision.outcome is not Outcome.REFUSED:
            rivals.setdefault(campaigns[index].group, []).append(index)
    for indexes in rivals.values():
        if len(indexes) > 1 or afford is not None:
            choose(decisions, campaigns, indexes, afford)
    return decisions


def choose(
    decisions: list[CampaignDecision],
    campaigns: Sequence[RunningCampaign],
    indexes: Sequence[int],
    afford: Afford | None = None,
) -> int | None:
    """Leave one winner among the rivals at `indexes` and refuse the others in place.

    Returns the index of the winner, None when nobody can pay.
    """
    ranked = indexes
    if len(indexes) > 1:
        ranked = sorted(
            indexes,
            key=lambda index: (
                decisions[index].outcome is not Outcome.KEPT,
                -decisions[index].points,
                campaigns[index].tie_rank,
            ),
        )
    winner: int | None = None
    for index in ranked:
        decision = decisions[index]
        if winner is not None:
            decisions[index] = refusal_of(decision, "stacking.another_won", {"points": decision.points})
        elif decision.outcome is Outcome.KEPT or afford is None or afford(campaigns[index], decision.points):
            winner = index
        else:
            decisions[index] = refusal_of(decision, "campaign.exhausted", {"points": decision.points})
    return winner


def refusal_of(decision: CampaignDecision, reason: str, facts: Facts) -> CampaignDecision:
    """Return the decision turned into a refusal; the rules' answers stay."""
    return _new(
        CampaignDecision, (decision.campaign_id, Outcome.REFUSED, reason, 0, facts, decision.judgements)
    )
