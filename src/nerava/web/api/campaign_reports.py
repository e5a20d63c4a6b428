"""What a sponsor sees of an own campaign's effect: grants with reasons, the budget day by day."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from nerava.identity.guard import TenantId
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, decode_cursor, encode_cursor
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import InvalidInput, problems
from nerava.rewards.budget_days import BudgetReport, as_csv, budget_report
from nerava.rewards.errors import TooManySessions, UnknownCampaign, UnknownGrant
from nerava.rewards.lift_groups import lift_report
from nerava.rewards.sponsor_grants import grants_of_campaign, why
from nerava.web.api.campaigns import own_campaign
from nerava.web.api.sessions import RuleReasonOut
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.web.api.wiring import Wiring

routes: Final = router("campaigns")

CSV: Final = "text/csv"
_READS: Final = Policy(roles=("sponsor",), scope="campaigns:read")


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class SponsorGrantOut(_Shown):
    """One reward: how much and why, under a pseudonym, without hour and place."""

    reference: UUID
    driver: str | None = Field(description="The driver's name in this campaign alone; null for nobody")
    on: date = Field(description="Local date of the session")
    state: str = Field(description="provisional, settled, released or clawed_back")
    points: int = Field(description="What stands now")
    points_granted: int = Field(description="What was given or held at first")
    code: str
    text: str


class GrantWhyOut(_Shown):
    """A reward, and what every rule of the campaign said."""

    grant: SponsorGrantOut
    evidence_level: int
    rules: list[RuleReasonOut]


class BudgetDayOut(_Shown):
    """One local date of a budget, in minor units, fees left out."""

    on: date
    funded: int
    granted: int
    released: int = Field(description="Came back from rewards that were held")
    returned: int = Field(description="Came back of rewards that were given: taken back, or expired")
    refunded: int
    spent: int = Field(description="Given and newly held, less what came back")
    held: int = Field(description="At the end of the day")
    left: int = Field(description="At the end of the day")


class ForecastOut(_Shown):
    """How long the budget lasts at the median of the last 14 whole days, and between its quartiles."""

    state: str = Field(description="lasting, too-early, nothing-spent or exhausted")
    days_seen: int
    daily: int | None
    days_left: int | None
    days_left_min: int | None
    days_left_max: int | None = Field(description="Null where a quarter of the days spend nothing")
    exhausted_on: date | None = Field(description="Null if the window ends before")


class BurnDownOut(_Shown):
    """The days of a budget by local date of `timezone`, where most of its sessions take place."""

    timezone: str
    days: list[BudgetDayOut]
    forecast: ForecastOut


class ArmOut(_Shown):
    """One side of the comparison, in averages of a driver."""

    drivers: int
    sessions: int
    sessions_per_driver: float
    kwh_per_driver: float
    off_peak_share: float


class DifferenceOut(_Shown):
    """Treated less held out, with a 95 % interval."""

    value: float
    low: float
    high: float


class LiftOut(_Shown):
    """The comparison; nothing of it while a side has under 5 charging drivers or 30 sessions."""

    is_too_few: bool
    treated: ArmOut | None
    holdout: ArmOut | None
    sessions_per_driver: DifferenceOut | None
    kwh_per_driver: DifferenceOut | None
    off_peak_share: DifferenceOut | None
    kwh_shifted: DifferenceOut | None


class IncrementalityOut(_Shown):
    """What the campaign changed, over whole weeks that are over."""

    since: datetime
    until: datetime
    off_peak: str = Field(description="The local hours that count as off peak")
    method: str = "difference of means with a normal 95 % interval (Welch); shares as ratios over drivers"
    lift: LiftOut


@routes.get(
    "/campaigns/{campaign_id}/incrementality",
    summary="What my campaign changed",
    responses=problems(UnknownCampaign, TooManySessions),
)
@guarded(_READS)
def incrementality(campaign_id: UUID, sponsor_id: TenantId, wired: Wired, now: Now) -> IncrementalityOut:
    """Compare the drivers who could earn with those who were held out."""

    def look(session: Session) -> IncrementalityOut:
        campaign = own_campaign(session, sponsor_id, campaign_id)
        return IncrementalityOut.model_validate(lift_report(session, campaign_id, campaign.terms, now))

    return wired.database.read(look)


@routes.get(
    "/campaigns/{campaign_id}/grants", summary="Rewards of my campaign", responses=problems(UnknownCampaign)
)
@guarded(_READS)
def grants(
    campaign_id: UUID,
    sponsor_id: TenantId,
    wired: Wired,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[SponsorGrantOut]:
    """Return the rewards by local date, the latest first. A driver has another name in every campaign."""
    before = _place(cursor)

    def look(session: Session) -> list[SponsorGrantOut]:
        own_campaign(session, sponsor_id, campaign_id)
        found = grants_of_campaign(session, wired.vault, campaign_id, before=before, limit=limit)
        return [SponsorGrantOut.model_validate(one) for one in found]

    found = wired.database.read(look)
    last = found[-1] if len(found) == limit else None
    return Page(
        items=found,
        next_cursor=encode_cursor(last.on.isoformat(), str(last.reference)) if last else None,
    )


@routes.get(
    "/campaigns/{campaign_id}/grants/{reference}",
    summary="Why my campaign gave this reward",
    responses=problems(UnknownCampaign, UnknownGrant),
)
@guarded(_READS)
def grant(campaign_id: UUID, reference: UUID, sponsor_id: TenantId, wired: Wired) -> GrantWhyOut:
    """Return what every rule of the campaign said to the session."""

    def look(session: Session) -> GrantWhyOut:
        own_campaign(session, sponsor_id, campaign_id)
        return GrantWhyOut.model_validate(why(session, wired.vault, campaign_id, reference))

    return wired.database.read(look)


@routes.get(
    "/campaigns/{campaign_id}/burn-down",
    summary="My campaign's budget day by day",
    responses=problems(UnknownCampaign),
)
@guarded(_READS)
def burn_down(campaign_id: UUID, sponsor_id: TenantId, wired: Wired, now: Now) -> BurnDownOut:
    """Return every local date since the first payment, and how long the rest will last."""
    return BurnDownOut.model_validate(_report(wired, sponsor_id, campaign_id, now))


@routes.get(
    "/campaigns/{campaign_id}/burn-down/csv",
    summary="My campaign's budget day by day as CSV",
    response_class=Response,
    responses={
        200: {"content": {CSV: {"schema": {"type": "string"}}}, "description": "One local date a line"},
        **problems(UnknownCampaign),
    },
)
@guarded(_READS)
def burn_down_csv(campaign_id: UUID, sponsor_id: TenantId, wired: Wired, now: Now) -> Response:
    """Return the days of the budget, amounts in minor units."""
    text = as_csv(_report(wired, sponsor_id, campaign_id, now))
    named = {"Content-Disposition": f'attachment; filename="burn-down-{campaign_id}.csv"'}
    return Response(text, media_type=CSV, headers=named)


def _report(wired: Wiring, sponsor_id: UUID, campaign_id: UUID, now: datetime) -> BudgetReport:
    def look(session: Session) -> BudgetReport:
        campaign = own_campaign(session, sponsor_id, campaign_id)
        return budget_report(session, campaign_id, ends_at=campaign.terms.ends_at, now=now)

    return wired.database.read(look)


def _place(cursor: str | None) -> tuple[str, UUID] | None:
    place = decode_cursor(cursor, str, str)
    if place is None:
        return None
    try:
        return date.fromisoformat(str(place[0])).isoformat(), UUID(str(place[1]))
    except ValueError:
        raise InvalidInput("the cursor does not come from this list") from None
