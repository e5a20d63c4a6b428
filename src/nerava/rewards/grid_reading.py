"""What the grid did during sessions, for those campaigns that ask, kept with what was decided by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import select

from nerava.grid.facts import GridFacts, GridWanted
from nerava.grid.reading import GridReading, read_grid
from nerava.grid.watching import watch
from nerava.platform.db.bulk import BulkInsert
from nerava.rewards.evaluation import GRID_WAITING, History
from nerava.rewards.model import RewardDecisionGrid
from nerava.rewards.past import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.rewards.evaluation import CampaignDecision, RunningCampaign

_GRID: Final[Any] = RewardDecisionGrid.__table__
_KEEP: Final = BulkInsert(_GRID, ("session_id", "evaluation", "facts"))
_HAD_A_SAY: Final = ("campaign.kept", GRID_WAITING)


def wanted_by(campaigns: Iterable[RunningCampaign]) -> GridWanted:
    """Return what any of the campaigns asks."""
    asked = [one.grid_wanted for one in campaigns]
    return GridWanted(
        frozenset[Any]().union(*(one.signals for one in asked)),
        frozenset[Any]().union(*(one.tariffs for one in asked)),
    )


def grid_of(
    session: Session,
    sessions: Sequence[EvidencedSession],
    campaigns: Iterable[RunningCampaign],
    now: datetime | None,
) -> GridReading | None:
    """Return what the grid did, as far as it is known now; None where no campaign asks."""
    asking = [one for one in campaigns if Ask.GRID in one.asks]
    return read_grid(session, sessions, wanted_by(asking), now) if asking and sessions else None


def beside(history: History, facts: GridFacts | None) -> History:
    """Return a history with what the grid did, in place of what it held of that."""
    if facts is None:
        return history
    return History(
        history.day_points,
        history.total_points,
        history.granted,
        history.sessions,
        history.past._replace(grid=facts),
    )


def keep(
    session: Session,
    decided: Iterable[tuple[EvidencedSession, Sequence[CampaignDecision]]],
    campaigns: Sequence[RunningCampaign],
    reading: GridReading,
    now: datetime,
) -> None:
    """Write with each decision what it was told of the grid, and watch whether that changes.

    Only of sessions that a campaign which asks had anything to say to.
    """
    asking = {one.id for one in campaigns if Ask.GRID in one.asks}
    met = [
        one
        for one, decisions in decided
        if any(
            each.campaign_id in asking and (each.judgements or each.reason in _HAD_A_SAY)
            for each in decisions
        )
    ]
    rows = [
        (one.id, one.evaluations + 1, orjson.dumps(reading.facts[one.id].document()).decode()) for one in met
    ]
    _KEEP.run(session, rows)
    watch(session, met, reading, now)


def kept_with(session: Session, session_id: UUID, evaluation: int) -> GridFacts | None:
    """Return what a decision was told of the grid; None where nobody asked."""
    query = select(_GRID.c.facts).where(_GRID.c.session_id == session_id, _GRID.c.evaluation == evaluation)
    stored: Mapping[str, Any] | None = session.scalar(query)
    return None if stored is None else GridFacts.of_document(stored)
