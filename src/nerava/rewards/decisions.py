"""How the decisions about a session are stored: one compact document for all campaigns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

import orjson

from nerava.rewards.evaluation import CampaignDecision, Outcome
from nerava.rewards.rules import Answer, Judgement


def to_json(decisions: Sequence[CampaignDecision]) -> str:
    """Return decisions as JSON: nested lists, one list a campaign.

    `[campaign, outcome, reason, points, facts, [[answer, code, facts], ...]]`, where an answer is
    the points that were earned, or true for passed and false for refused. Positional and short
    on purpose: twenty campaigns are some kilobytes for each session, for ever.
    """
    return orjson.dumps(decisions, default=_compact).decode()


def from_document(document: Iterable[Any]) -> list[CampaignDecision]:
    """Return stored decisions as they were."""
    return [
        CampaignDecision(
            UUID(campaign), Outcome(outcome), reason, points, facts, tuple(map(_judgement, judgements))
        )
        for campaign, outcome, reason, points, facts, judgements in document
    ]


def _compact(one: tuple[Any, ...]) -> tuple[Any, ...]:
    if type(one) is not Judgement:
        return tuple(one)
    answer, code, points, facts = one
    head = points if answer is Answer.EARNED else answer is Answer.PASSED
    return (head, code, facts) if facts else (head, code)


def _judgement(stored: Sequence[Any]) -> Judgement:
    head, code, *rest = stored
    facts = rest[0] if rest else {}
    if isinstance(head, bool):
        return Judgement(Answer.PASSED if head else Answer.REFUSED, code, 0, facts)
    return Judgement(Answer.EARNED, code, head, facts)


def points_of(decisions: Iterable[CampaignDecision]) -> int:
    """Return what a session earns by these decisions, granted or held, earlier ones included."""
    return sum([decision.points for decision in decisions])
