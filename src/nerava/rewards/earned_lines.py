"""What each of a driver's sessions earned, in one line: what stands now, or the reason why nothing does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.rewards.decisions import from_document
from nerava.rewards.holdout import in_holdout
from nerava.rewards.model import Campaign, RewardDecision, RewardGrant
from nerava.rewards.reasons import primary_sentence, sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.queries import SessionView

_CAMPAIGN: Final[Any] = Campaign.__table__
_DECISION: Final[Any] = RewardDecision.__table__
_GRANT: Final[Any] = RewardGrant.__table__
_PENDING: Final = "provisional"
_REJECT: Final = "reject"


@dataclass(frozen=True, slots=True)
class EarnedLine:
    """What a session earned.

    Attributes:
        points: What stands of it, taken back left out.
        pending: What waits for better evidence.
        reason: Why it earned nothing at all, in a sentence; None if it did or is not decided yet.
    """

    points: int = 0
    pending: int = 0
    reason: str | None = None


def earned_by(session: Session, views: Sequence[SessionView]) -> dict[UUID, EarnedLine]:
    """Return what sessions of one driver earned, by id; campaigns that hold the driver out say nothing."""
    ids = [one.id for one in views]
    grants = select(_GRANT.c.session_id, _GRANT.c.state, _GRANT.c.points).where(_GRANT.c.session_id.in_(ids))
    points: dict[UUID, int] = {}
    pending: dict[UUID, int] = {}
    for row in session.execute(grants):
        counted = pending if row.state == _PENDING else points
        counted[row.session_id] = counted.get(row.session_id, 0) + row.points
    query = select(_DECISION.c.session_id, _DECISION.c.outcomes).where(_DECISION.c.session_id.in_(ids))
    decided = {
        row.session_id: row.outcomes for row in session.execute(query.order_by(_DECISION.c.evaluation))
    }
    shares = dict(map(tuple, session.execute(select(_CAMPAIGN.c.id, _CAMPAIGN.c.holdout_percent))))
    lines = {}
    for one in views:
        given, waiting = points.get(one.id, 0), pending.get(one.id, 0)
        nothing = not given and not waiting and one.id in decided
        reason = _reason(one, decided[one.id], shares) if nothing else None
        lines[one.id] = EarnedLine(given, waiting, reason)
    return lines


def _reason(view: SessionView, outcomes: Any, shares: dict[UUID, int]) -> str:  # noqa: ANN401 - JSON
    decisions = [
        one
        for one in from_document(outcomes)
        if not in_holdout(one.campaign_id, view.driver_id, shares[one.campaign_id])
    ]
    rejected = next((one.text for one in view.findings if one.severity == _REJECT), None)
    if rejected is not None:
        return rejected
    if any(one.points for one in decisions):
        return "What it earned was taken back or withdrawn."
    return primary_sentence(decisions) if decisions else sentence("campaign.none", {})
