"""The charging sessions of the signed-in driver, and why each earned what it earned."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from nerava.charging.errors import UnknownSession
from nerava.charging.queries import SessionView, session_view, sessions_of_driver
from nerava.charging.states import SessionState
from nerava.identity.guard import TenantId
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, encode_cursor
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.rewards.earned_lines import earned_by
from nerava.rewards.errors import UnknownDecision
from nerava.rewards.queries import explain
from nerava.web.api.fields import possible
from nerava.web.api.places import after_instant
from nerava.web.api.wiring import Wired, router

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

routes: Final = router("sessions")

_READS: Final = Policy(roles=("driver",), scope="sessions:read")
EVALUATIONS_MAX: Final = 1_000_000

Until = Annotated[
    Annotated[AwareDatetime, AfterValidator(possible)] | None,
    Query(description="Sessions that began before this instant; absent for all"),
]


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class FindingOut(_Shown):
    """One thing that speaks against a session."""

    code: str
    severity: str = Field(description="note, review or reject")
    text: str
    score_taken: int


class SessionOut(_Shown):
    """A charging session. Energy in watt-hours; local rules are read in `timezone`."""

    id: UUID
    source: str
    reference: str
    location_id: UUID
    location_name: str
    timezone: str
    started_at: datetime
    ended_at: datetime | None
    energy_wh: int
    evidence_level: int = Field(description="0 the phone … 4 charge detail record, 5 a signed one")
    state: SessionState
    score: int | None = Field(description="0 to 100; null until it is verified")
    findings: list[FindingOut]
    evaluations: int
    price_minor: int | None = Field(
        description="What the operator asks for it, with the tax that it tells; null where it told nothing"
    )
    currency: str | None = Field(description="Of the price, ISO 4217")


class OwnSessionOut(SessionOut):
    """A charging session and what it earned."""

    points: int = Field(description="Nova that stand, what was taken back left out")
    pending: int = Field(description="Nova that wait for better evidence")
    reason: str | None = Field(description="Why it earned nothing; null if it did, or is not decided yet")


class RuleReasonOut(_Shown):
    """One rule's answer."""

    answer: str = Field(description="earned, passed or refused")
    code: str
    text: str
    points: int


class TakenBackOut(_Shown):
    """Points that were taken back after they had been given."""

    campaign_id: UUID
    points: int
    owed: int = Field(description="What was not there any more; later earnings pay it")
    code: str
    text: str
    at: datetime


class CampaignReasonOut(_Shown):
    """One campaign's answer to a session, and what its rules said."""

    campaign_id: UUID
    name: str
    outcome: str = Field(description="granted, held, kept or refused")
    code: str
    text: str
    points: int
    grant_state: str | None = Field(description="What became of the grant since")
    rules: list[RuleReasonOut]


class CarbonIntervalOut(_Shown):
    """What a kilowatt-hour emitted between two instants, in milligrams of CO2."""

    starts_at: datetime
    ends_at: datetime
    mg_per_kwh: int


class CarbonOut(_Shown):
    """What the grid emitted during the session, as the decision was told."""

    signal: str = Field(description="marginal (of one more kWh) or average (of all of them)")
    region: str = Field(description="Source and region, such as watttime:CAISO_NORTH; empty for none")
    is_final: bool = Field(description="Whether nothing more was waited for")
    carbon_g: int = Field(description="Grams of CO2 of the session's energy, where it is known")
    known_seconds: int = Field(description="How much of the session is known")
    seconds: int
    intervals: list[CarbonIntervalOut]


class DecisionOut(_Shown):
    """Why a session earned what it earned, campaign by campaign and rule by rule."""

    session_id: UUID
    evaluation: int
    decided_at: datetime
    verdict: str
    score: int
    evidence_level: int
    points: int = Field(description="What it earned when it was decided, given or held")
    zone_data: str = Field(description="Edition of the time-zone data that local hours were read with")
    findings: list[FindingOut]
    campaigns: list[CampaignReasonOut]
    carbon: list[CarbonOut] = Field(description="One for each signal that a campaign asked for")
    taken_back: list[TakenBackOut] = Field(description="What was taken back since, the earliest first")


@routes.get("/sessions", summary="My charging sessions")
@guarded(_READS)
def my_sessions(
    driver_id: TenantId,
    wired: Wired,
    *,
    until: Until = None,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[OwnSessionOut]:
    """Return the sessions and what each earned, the latest start first."""
    before = after_instant(cursor)

    def look(session: Session) -> list[OwnSessionOut]:
        return _shown(
            session, sessions_of_driver(session, driver_id, until=until, before=before, limit=limit)
        )

    found = wired.database.read(look)
    # A full page may be the last one; the next is then empty and ends the walk.
    last = found[-1] if len(found) == limit else None
    return Page(
        items=found,
        next_cursor=encode_cursor(last.started_at.isoformat(), str(last.id)) if last else None,
    )


@routes.get("/sessions/{session_id}", summary="One of my sessions", responses=problems(UnknownSession))
@guarded(_READS)
def my_session(session_id: UUID, driver_id: TenantId, wired: Wired) -> OwnSessionOut:
    """Return the session and what it earned; that of another driver is not found."""

    def look(session: Session) -> OwnSessionOut:
        [shown] = _shown(session, [own_session(session, driver_id, session_id)])
        return shown

    return wired.database.read(look)


@routes.get(
    "/sessions/{session_id}/decision",
    summary="Why did I (not) get this reward?",
    responses=problems(UnknownSession, UnknownDecision),
)
@guarded(_READS)
def why(
    session_id: UUID,
    driver_id: TenantId,
    wired: Wired,
    evaluation: Annotated[
        int | None,
        Query(ge=1, le=EVALUATIONS_MAX, description="An earlier decision; absent for the last one"),
    ] = None,
) -> DecisionOut:
    """Return the decision about the session: every campaign, every rule, every reason."""

    def look(session: Session) -> DecisionOut:
        own_session(session, driver_id, session_id)
        return DecisionOut.model_validate(
            explain(session, session_id, evaluation=evaluation, for_driver=True)
        )

    return wired.database.read(look)


def _shown(session: Session, found: Sequence[SessionView]) -> list[OwnSessionOut]:
    earned = earned_by(session, found)
    return [
        OwnSessionOut.model_validate(
            SessionOut.model_validate(one).model_dump() | dataclasses.asdict(earned[one.id])
        )
        for one in found
    ]


def own_session(session: Session, driver_id: UUID, session_id: UUID) -> SessionView:
    """Return a session of this driver.

    Raises:
        UnknownSession: There is none of this driver with this id (404).
    """
    found = session_view(session, session_id)
    if found.driver_id != driver_id:
        raise UnknownSession(f"no charging session {session_id}")
    return found
