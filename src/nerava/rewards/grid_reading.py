"""What the grid did during sessions, for those campaigns that ask, kept with what was decided by it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import select

from nerava.charging.evidence import EPOCH, SECOND_US
from nerava.grid.facts import GridFacts, GridWanted
from nerava.grid.reading import GridReading, read_grid
from nerava.grid.watching import watch
from nerava.platform.db.bulk import BulkInsert
from nerava.rewards.evaluation import GRID_WAITING, History
from nerava.rewards.model import RewardDecisionGrid
from nerava.rewards.past import Ask

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.charging.evidence import EvidencedSession
    from nerava.rewards.evaluation import CampaignDecision, RunningCampaign

_GRID: Final[Any] = RewardDecisionGrid.__table__
_KEEP: Final = BulkInsert(_GRID, ("session_id", "evaluation", "facts"))
SECOND: Final = timedelta(seconds=1)
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


@dataclass(frozen=True, slots=True)
class CarbonView:
    """What a decision was told of the grid's carbon for one signal, and what the session emitted by it.

    Attributes:
        region: Source and region, `watttime:CAISO_NORTH`; empty where the site lies in none.
        is_final: Whether nothing more was waited for.
        carbon_g: What the energy emitted where that is known, in grams of CO2, rounded down.
        known_seconds, seconds: How much of the session is known, and how long it is.
    """

    signal: str
    region: str
    is_final: bool
    carbon_g: int
    known_seconds: int
    seconds: int
    intervals: tuple[CarbonInterval, ...]


class CarbonInterval(NamedTuple):
    """A part of it, UTC, and what a kilowatt-hour emitted, in milligrams of CO2."""

    starts_at: datetime
    ends_at: datetime
    mg_per_kwh: int


def carbon_views(
    facts: GridFacts | None, started_at: datetime, ended_at: datetime | None, energy_wh: int
) -> tuple[CarbonView, ...]:
    """Return what a decision was told, for people; nothing where nobody asked or the session is not over."""
    if facts is None or ended_at is None:
        return ()
    span = started_at, ended_at
    return tuple(
        CarbonView(
            signal=signal.value,
            region=one.region,
            is_final=one.is_final,
            carbon_g=one.emitted_mg(*span, energy_wh) // 1_000,
            known_seconds=one.covered_us(*span) // SECOND_US,
            seconds=(ended_at - started_at) // SECOND,
            intervals=tuple(
                CarbonInterval(EPOCH + each.starts_s * SECOND, EPOCH + each.ends_s * SECOND, each.mg_per_kwh)
                for each in one.stretches
            ),
        )
        for signal, one in sorted(facts.carbon.items())
    )


def kept_with(session: Session, session_id: UUID, evaluation: int) -> GridFacts | None:
    """Return what a decision was told of the grid; None where nobody asked."""
    query = select(_GRID.c.facts).where(_GRID.c.session_id == session_id, _GRID.c.evaluation == evaluation)
    stored: Mapping[str, Any] | None = session.scalar(query)
    return None if stored is None else GridFacts.of_document(stored)
