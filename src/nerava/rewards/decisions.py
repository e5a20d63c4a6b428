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

    `[campaign, outcome, reason, points, facts, [[answer, code, points, facts], ...]]`. Positional
    on purpose: with twenty campaigns the names would be most of what is written.
    """
    return orjson.dumps(decisions, default=tuple).decode()


def from_document(document: Iterable[Any]) -> list[CampaignDecision]:
    """Return stored decisions as they were."""
    return [
        CampaignDecision(
            UUID(campaign), Outcome(outcome), reason, points, facts, tuple(map(_judgement, judgements))
        )
        for campaign, outcome, reason, points, facts, judgements in document
    ]


def _judgement(stored: Sequence[Any]) -> Judgement:
    answer, code, points, facts = stored
    return Judgement(Answer(answer), code, points, facts)


def points_of(decisions: Iterable[CampaignDecision]) -> int:
    """Return what a session earns by these decisions, granted or held, earlier ones included."""
    return sum([decision.points for decision in decisions])
