"""A driver's sessions with what was decided about each, in one line: where support begins to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.charging.queries import sessions_of_driver
from nerava.rewards.decisions import from_document
from nerava.rewards.model import RewardDecision
from nerava.rewards.reasons import primary_reason

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.queries import SessionView

_DECISION: Final[Any] = RewardDecision.__table__
_EARNED: Final = "campaign.earned"
_REJECT: Final = "reject"


@dataclass(frozen=True, slots=True)
class DecidedLine:
    """A session and its last decision.

    Attributes:
        evaluation: The number of the decision, 0 while there is none; then `code` is None.
        points: What it earned when it was decided, given or held.
        code: Why it earned nothing, by the campaign that came closest; or `campaign.earned`.
    """

    session: SessionView
    evaluation: int = 0
    decided_at: datetime | None = None
    verdict: str | None = None
    points: int = 0
    code: str | None = None


def decided_sessions(
    session: Session, driver_id: UUID, *, before: tuple[datetime, UUID] | None = None, limit: int = 50
) -> list[DecidedLine]:
    """Return a driver's sessions, the latest start first; `before` is start and id of the last one seen."""
    found = sessions_of_driver(session, driver_id, before=before, limit=limit)
    query = select(_DECISION).where(_DECISION.c.session_id.in_([one.id for one in found]))
    last = {row.session_id: row for row in session.execute(query.order_by(_DECISION.c.evaluation))}
    return [_line(one, last.get(one.id)) for one in found]


def _line(one: SessionView, row: Any) -> DecidedLine:  # noqa: ANN401 - a row of the table, or None
    if row is None:
        return DecidedLine(one)
    decisions = from_document(row.outcomes)
    if row.points:
        code = _EARNED
    elif decisions:
        code = primary_reason(decisions)
    else:
        code = next((each.code for each in one.findings if each.severity == _REJECT), "campaign.none")
    return DecidedLine(one, row.evaluation, row.decided_at, row.verdict, row.points, code)
