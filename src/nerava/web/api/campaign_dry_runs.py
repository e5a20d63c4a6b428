"""What a campaign would have cost, before it runs: in round numbers for its sponsor, exact for ops."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import TenantId
from nerava.identity.roles import Role
from nerava.ledger.values import AMOUNT_MAX
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.rewards.dry_run_shown import DAYS_MIN, DRIVERS_MIN, for_sponsor
from nerava.rewards.dry_running import FOR_REQUESTS, Question, dry_run
from nerava.rewards.errors import DryRunBusy, TooManySessions, TooSlow, UnknownCampaign
from nerava.web.api.campaigns import own_campaign
from nerava.web.api.fields import Day
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session

    from nerava.rewards.dry_run import DryRunReport
    from nerava.web.api.wiring import Wiring

routes: Final = router("campaigns")

DAYS_DEFAULT: Final = 28
DAYS_MAX: Final = 3_660
_OPS: Final = (Role.OPS_SUPPORT.value, Role.OPS_FINANCE.value, Role.OPS_ADMIN.value)
_ONE: Final = Lock()
"""One at a time in a process: it is all computing, and other requests share the processor with it."""

Until = Annotated[
    Day | None, Query(description="Sessions that began before this day, UTC; today unless it is said")
]
Gross = Annotated[
    int | None,
    Query(gt=0, le=AMOUNT_MAX, description="As if funded with this, fee included, in minor units"),
]


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class CostOut(_Shown):
    """What would have been paid, in minor units of the campaign's currency."""

    points: int = Field(description="What drivers would have got; rounded")
    fee: int = Field(description="What the platform would have earned with it")
    cost: int = Field(description="Both together")


class DryRunDayOut(_Shown):
    """One local date with enough drivers to be told."""

    on: date
    drivers: int
    sessions: int
    cost: CostOut


class RefusedSessionsOut(_Shown):
    """Sessions that would have earned nothing, and why."""

    code: str = Field(description="The reason; `other` for those of few drivers each")
    sessions: int


class DryRunOut(_Shown):
    """What a campaign would have cost: counts in whole fives, nothing of fewer than five drivers."""

    since: datetime
    until: datetime
    budget_minor: int | None = Field(description="What could be spent on points; null for no end of it")
    is_too_few: bool = Field(description=f"Fewer than {DRIVERS_MIN} drivers would earn: no cost is told")
    sessions: int = Field(description="Sessions that were looked at")
    earning_sessions: int
    earning_drivers: int
    held_sessions: int = Field(description="Of those that earn, how many still wait for proof")
    cost: CostOut | None
    rounded_to: int = Field(description="Points of the total are multiples of this; 0 where none are told")
    refused: list[RefusedSessionsOut]
    days: list[DryRunDayOut] = Field(description="By local date of the sessions, the earliest first")
    days_left_out: bool = Field(description="Whether days of few drivers are missing here")
    exhausted_on: date | None = Field(description="When the budget could first not pay; null if it lasts")


class ExactDayOut(_Shown):
    """One local date, amounts in minor units."""

    on: date
    drivers: int
    sessions: int
    points: int
    fee: int


class ExactRefusedOut(_Shown):
    """Sessions that would have earned nothing, and why."""

    code: str
    sessions: int
    drivers: int


class ExactDryRunOut(_Shown):
    """What a campaign would have cost, to the minor unit."""

    since: datetime
    until: datetime
    budget_minor: int | None = Field(description="What could be spent on points; null for no end of it")
    sessions: int
    drivers: int
    unlinked_sessions: int = Field(description="They name nobody any more and are left out")
    earning_sessions: int
    earning_drivers: int
    held_sessions: int
    points: int = Field(description="What drivers would have got, held or given")
    points_held: int
    fee: int
    cost: int
    refused: list[ExactRefusedOut]
    days: list[ExactDayOut]
    exhausted_on: date | None

    @classmethod
    def of(cls, report: DryRunReport) -> ExactDryRunOut:
        """Return a dry run as ops, and the command line, see it."""
        most_first = sorted(report.refused.items(), key=lambda one: (-one[1].sessions, one[0]))
        return cls(
            since=report.since,
            until=report.until,
            budget_minor=report.budget,
            sessions=report.considered.sessions,
            drivers=report.considered.drivers,
            unlinked_sessions=report.unlinked,
            earning_sessions=report.earning.sessions,
            earning_drivers=report.earning.drivers,
            held_sessions=report.held,
            points=report.points,
            points_held=report.points_held,
            fee=report.fee,
            cost=report.cost,
            refused=[
                ExactRefusedOut(code=code, sessions=crowd.sessions, drivers=crowd.drivers)
                for code, crowd in most_first
            ],
            days=[
                ExactDayOut(
                    on=date.fromisoformat(on),
                    drivers=day.earning.drivers,
                    sessions=day.earning.sessions,
                    points=day.points,
                    fee=day.fee,
                )
                for on, day in sorted(report.days.items())
            ],
            exhausted_on=None if report.exhausted_on is None else date.fromisoformat(report.exhausted_on),
        )


_PROBLEMS: Final = problems(UnknownCampaign, TooManySessions, TooSlow, DryRunBusy)


@routes.get(
    "/campaigns/{campaign_id}/dry-run", summary="What my campaign would have cost", responses=_PROBLEMS
)
@guarded(Policy(roles=("sponsor",), scope="campaigns:read"))
def my_dry_run(
    campaign_id: UUID,
    sponsor_id: TenantId,
    wired: Wired,
    now: Now,
    *,
    until: Until = None,
    days: Annotated[
        int, Query(ge=DAYS_MIN, le=DAYS_MAX, description="How many days before it")
    ] = DAYS_DEFAULT,
    gross_minor: Gross = None,
) -> DryRunOut:
    """Judge sessions of the past as the campaign would, whatever its state and window; change nothing."""
    asked = _question(until, days, gross_minor, now)
    report = _run(wired, campaign_id, asked, lambda session: own_campaign(session, sponsor_id, campaign_id))
    told = {"since": asked.since, "until": asked.until, "budget_minor": report.budget}
    shown = for_sponsor(report)
    return DryRunOut.model_validate(told | {name: getattr(shown, name) for name in shown.__slots__})


@routes.get(
    "/ops/campaigns/{campaign_id}/dry-run", summary="What a campaign would have cost", responses=_PROBLEMS
)
@guarded(Policy(roles=_OPS, scope="campaigns:read"))
def any_dry_run(
    campaign_id: UUID,
    wired: Wired,
    now: Now,
    *,
    until: Until = None,
    days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="How many days before it")] = DAYS_DEFAULT,
    gross_minor: Gross = None,
) -> ExactDryRunOut:
    """Judge sessions of the past as a campaign would, to the minor unit; change nothing."""
    asked = _question(until, days, gross_minor, now)
    return ExactDryRunOut.of(_run(wired, campaign_id, asked, lambda _session: None))


def _run(
    wired: Wiring, campaign_id: UUID, asked: Question, allow: Callable[[Session], object]
) -> DryRunReport:
    def look(session: Session) -> DryRunReport:
        allow(session)
        return dry_run(session, campaign_id, asked, FOR_REQUESTS)

    if not _ONE.acquire(blocking=False):
        raise DryRunBusy
    try:
        return wired.database.read(look)
    finally:
        _ONE.release()


def _question(until: date | None, days: int, gross: int | None, now: datetime) -> Question:
    end = datetime.combine(until or now.date(), time(), UTC)
    return Question(end - timedelta(days=days), end, gross)
