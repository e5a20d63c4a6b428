"""Ops look at one driver: what was granted, what was decided, and why, holdouts included."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from nerava.charging.errors import UnknownSession
from nerava.charging.states import SessionState
from nerava.drivers import service as drivers
from nerava.drivers.errors import UnknownDriver
from nerava.identity.roles import Role
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.rewards.driver_decisions import decided_sessions
from nerava.rewards.errors import UnknownDecision
from nerava.rewards.queries import explain, grants_of_driver
from nerava.web.api.places import after_id, after_instant, instant_cursor
from nerava.web.api.sessions import EVALUATIONS_MAX, DecisionOut
from nerava.web.api.wiring import Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.rewards.driver_decisions import DecidedLine

routes: Final = router("ops: rewards")

_OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_FINANCE.value, Role.OPS_ADMIN.value)
_READS: Final = Policy(roles=_OPS, scope="rewards:read")


class OpsGrantOut(BaseModel):
    """Points that a campaign gave or holds for a session."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID = Field(description="What a clawback names")
    campaign_id: UUID
    session_id: UUID
    state: str = Field(description="provisional, settled, released or clawed_back")
    points: int = Field(description="What stands now")
    points_granted: int = Field(description="What was given or held at first")
    granted_at: datetime
    settle_by: datetime | None
    settled_at: datetime | None
    settlement: str | None = Field(description="Why it ended as it did; null while it is held or as given")
    transaction_key: UUID


class DecidedSessionOut(BaseModel):
    """A session and what was last decided about it."""

    session_id: UUID
    started_at: datetime
    timezone: str
    energy_wh: int
    evidence_level: int
    state: SessionState
    score: int | None
    evaluation: int = Field(description="Which decision it is; 0 while there is none")
    decided_at: datetime | None
    verdict: str | None
    points: int = Field(description="What it earned when it was decided, given or held")
    code: str | None = Field(description="campaign.earned, or the reason that came closest to earning")

    @classmethod
    def of(cls, line: DecidedLine) -> DecidedSessionOut:
        """Return the line as it is shown."""
        session = line.session
        return cls(
            session_id=session.id,
            started_at=session.started_at,
            timezone=session.timezone,
            energy_wh=session.energy_wh,
            evidence_level=session.evidence_level,
            state=session.state,
            score=session.score,
            evaluation=line.evaluation,
            decided_at=line.decided_at,
            verdict=line.verdict,
            points=line.points,
            code=line.code,
        )


@routes.get(
    "/ops/drivers/{driver_id}/grants", summary="Rewards of a driver", responses=problems(UnknownDriver)
)
@guarded(_READS)
def grants(
    driver_id: UUID, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[OpsGrantOut]:
    """Return the grants of a driver, the newest first."""
    before = after_id(cursor)

    def look(session: Session) -> list[OpsGrantOut]:
        drivers.require(session, driver_id)
        found = grants_of_driver(session, driver_id, before=before, limit=limit)
        return [OpsGrantOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/ops/drivers/{driver_id}/decisions",
    summary="What was decided about a driver's sessions",
    responses=problems(UnknownDriver),
)
@guarded(_READS)
def decisions(
    driver_id: UUID, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[DecidedSessionOut]:
    """Return the sessions of a driver, the latest start first, each with its last decision in one line."""
    before = after_instant(cursor)

    def look(session: Session) -> list[DecidedSessionOut]:
        drivers.require(session, driver_id)
        lines = decided_sessions(session, driver_id, before=before, limit=limit)
        return [DecidedSessionOut.of(one) for one in lines]

    found = wired.database.read(look)
    last = found[-1] if len(found) == limit else None
    return Page(items=found, next_cursor=instant_cursor(last.started_at, last.session_id) if last else None)


@routes.get(
    "/ops/sessions/{session_id}/decision",
    summary="Why a session earned or not",
    responses=problems(UnknownSession, UnknownDecision),
)
@guarded(_READS)
def why(
    session_id: UUID,
    wired: Wired,
    evaluation: Annotated[
        int | None,
        Query(ge=1, le=EVALUATIONS_MAX, description="An earlier decision; absent for the last one"),
    ] = None,
) -> DecisionOut:
    """Return every campaign and every rule, also the campaigns that hold the driver out.

    A driver must not be told of those: whoever knows that others are paid charges otherwise.
    """
    return wired.database.read(
        lambda session: DecisionOut.model_validate(explain(session, session_id, evaluation=evaluation))
    )
