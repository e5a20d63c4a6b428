"""The campaigns of the signed-in sponsor: draft, fund, run, and where the money is."""

from __future__ import annotations

import json
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from nerava.identity.guard import TenantId
from nerava.kernel.ids import fact_id
from nerava.ledger.stops import SwitchedOff
from nerava.platform.idempotency import Answer, KeyedRequest
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, encode_cursor
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.rewards import campaigns as rewards
from nerava.rewards.campaigns import CampaignState
from nerava.rewards.errors import (
    FundingDiffers,
    InsufficientFunds,
    PostingRefused,
    SponsorStopped,
    UnknownCampaign,
    UnknownSponsor,
    WrongCampaignState,
)
from nerava.rewards.holdout import HOLDOUT_PERCENT_MAX
from nerava.rewards.queries import CampaignView, campaign_view
from nerava.rewards.queries import campaigns as campaigns_of
from nerava.rewards.rules import Rules
from nerava.rewards.terms import CampaignTerms
from nerava.web.api.audited import Acting, Actor
from nerava.web.api.fields import AmountMinor, Body, Instant, Name
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.web.api.wiring import Wiring

routes: Final = router("campaigns")

_READS: Final = Policy(roles=("sponsor",), scope="campaigns:read")
_WRITES: Final = Policy(roles=("sponsor",), scope="campaigns:write", repeats=Repeats.KEY_ACCEPTED)
_FUNDS: Final = Policy(roles=("sponsor",), scope="campaigns:fund", repeats=Repeats.KEY_REQUIRED)

_RULES: Final[TypeAdapter[Any]] = TypeAdapter(Rules)


def _strictly(raw: object) -> object:
    """Read rules as JSON, so that text is not taken for a number nor a number for text."""
    try:
        return _RULES.validate_json(json.dumps(raw), strict=True)
    except ValidationError as error:
        raise _told(error) from None


def _told(error: ValidationError) -> PydanticCustomError:
    """Return the first thing wrong, without the value that was sent."""
    first = error.errors(include_input=False, include_url=False)[0]
    place = "/".join(str(part) for part in first["loc"]) or "body"
    return PydanticCustomError("terms", "{place}: {reason}", {"place": place, "reason": first["msg"]})


_Points = Annotated[int, Field(strict=True, gt=0, le=10**12)]
_Level = Annotated[int, Field(strict=True, ge=1, le=5)]


class CampaignIn(Body):
    """What a new campaign promises; it is never changed afterwards. The fee is the house's to say."""

    name: Name
    starts_at: Instant
    ends_at: Instant
    priority: Annotated[int, Field(strict=True, ge=-1_000, le=1_000)] = 0
    stacking_group: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,39}$")] | None = None
    evidence_min: _Level = 1
    settle_level: _Level = 4
    settle_within_days: Annotated[int, Field(strict=True, ge=1, le=366)] = 30
    score_min: Annotated[int, Field(strict=True, ge=0, le=100)] = 50
    points_expire_after_days: Annotated[int, Field(strict=True, ge=1, le=3_660)] | None = None
    expired_points_to: Literal["breakage", "campaign"] = "breakage"
    session_points_max: _Points | None = None
    driver_day_points_max: _Points | None = None
    driver_points_max: _Points | None = None
    holdout_percent: Annotated[int, Field(strict=True, ge=0, le=HOLDOUT_PERCENT_MAX)] = 0
    rules: Annotated[Rules, BeforeValidator(_strictly)]

    @model_validator(mode="after")
    def _makes_sense(self) -> CampaignIn:
        try:
            self.terms("USD")
        except ValidationError as error:
            raise _told(error) from None
        return self

    def terms(self, currency: str) -> CampaignTerms:
        """Return the terms of the campaign in the operator's currency."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return CampaignTerms(**values, currency=currency)


class CampaignOut(BaseModel):
    """A campaign and its state."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    sponsor_id: UUID
    state: CampaignState
    terms: CampaignTerms
    created_at: datetime
    is_stopped: bool = Field(
        description="A payment of its sponsor is disputed: it can be neither activated nor funded"
    )


class BudgetOut(BaseModel):
    """Where a campaign's money is, in minor units; funded is the sum of the other parts."""

    model_config = ConfigDict(from_attributes=True)

    funded: int = Field(description="Everything that was paid in, fee included")
    left: int = Field(description="What the campaign can still pay")
    held: int = Field(description="Reserved for rewards that wait for proof")
    granted: int = Field(description="Points that were given and stand")
    owed: int = Field(description="Points that were taken back and that drivers still have to pay")
    fee_left: int = Field(description="Fee not yet earned, refundable pro rata")
    fee_earned: int
    refunded: int = Field(description="Went back to the deposits when the campaign was closed, fee included")
    adds_up: bool = Field(description="Whether two independent records agree to the cent")


class FundingIn(Body):
    """Money that goes from the sponsor's deposits into a campaign."""

    gross_minor: AmountMinor = Field(description="Fee included, in minor units of the campaign's currency")


class FundingOut(BaseModel):
    """A payment into a campaign and how it was split."""

    funding_id: UUID
    campaign_id: UUID
    gross_minor: int
    net_minor: int = Field(description="Went into the budget")
    fee_minor: int = Field(description="Set aside as the platform's fee, not yet earned")


@routes.get("/campaigns", summary="My campaigns")
@guarded(_READS)
def my_campaigns(
    sponsor_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[CampaignOut]:
    """Return the sponsor's campaigns, the oldest first."""
    after = after_id(cursor)
    found = wired.database.read(
        lambda session: campaigns_of(session, sponsor_id=sponsor_id, after=after, limit=limit)
    )
    return Page(
        items=[CampaignOut.model_validate(one) for one in found],
        next_cursor=encode_cursor(str(found[-1].id)) if len(found) == limit else None,
    )


@routes.post(
    "/campaigns",
    summary="Draft a campaign",
    status_code=HTTPStatus.CREATED,
    response_model=CampaignOut,
    responses=problems(UnknownSponsor, FundingDiffers),
)
@guarded(_WRITES)
def draft(
    body: CampaignIn, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Create a campaign that is not running yet. Fund it, then activate it."""

    def work(session: Session) -> Answer:
        terms = body.terms(wired.currency)
        campaign_id = rewards.create_campaign(session, wired.ledger, sponsor_id, terms, now)
        wired.audit.record(session, actor.entry("campaign.drafted", "campaign", campaign_id), now)
        return _shown(campaign_view(session, campaign_id), HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.get("/campaigns/{campaign_id}", summary="One of my campaigns", responses=problems(UnknownCampaign))
@guarded(_READS)
def my_campaign(campaign_id: UUID, sponsor_id: TenantId, wired: Wired) -> CampaignOut:
    """Return the campaign; that of another sponsor is not found."""
    found = wired.database.read(lambda session: own_campaign(session, sponsor_id, campaign_id))
    return CampaignOut.model_validate(found)


@routes.get(
    "/campaigns/{campaign_id}/budget",
    summary="Where the campaign's money is",
    responses=problems(UnknownCampaign),
)
@guarded(_READS)
def budget(campaign_id: UUID, sponsor_id: TenantId, wired: Wired) -> BudgetOut:
    """Return what was funded and what became of every cent of it, on one snapshot."""

    def look(session: Session) -> BudgetOut:
        own_campaign(session, sponsor_id, campaign_id)
        return BudgetOut.model_validate(rewards.campaign_money(session, campaign_id))

    return wired.database.read(look)


@routes.post(
    "/campaigns/{campaign_id}/fundings",
    summary="Fund a campaign",
    status_code=HTTPStatus.CREATED,
    response_model=FundingOut,
    responses=problems(
        UnknownCampaign,
        WrongCampaignState,
        SponsorStopped,
        InsufficientFunds,
        FundingDiffers,
        PostingRefused,
        SwitchedOff,
    ),
)
@guarded(_FUNDS)
def fund(
    campaign_id: UUID,
    body: FundingIn,
    sponsor_id: TenantId,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Move deposited money into the campaign. Repeat safely with the same key."""
    funding_id = fact_id(f"funding:{request.principal}:{request.key}")

    def work(session: Session) -> Answer:
        own_campaign(session, sponsor_id, campaign_id)
        split = rewards.fund_campaign(
            session, wired.ledger, campaign_id, gross=body.gross_minor, funding_id=funding_id, now=now
        )
        told = {"funding_id": str(funding_id), "gross_minor": body.gross_minor}
        wired.audit.record(session, actor.entry("campaign.funded", "campaign", campaign_id, after=told), now)
        funding = FundingOut(
            funding_id=funding_id,
            campaign_id=campaign_id,
            gross_minor=body.gross_minor,
            net_minor=split.net,
            fee_minor=split.fee,
        )
        return Answer.of(funding, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


_STATE_PROBLEMS: Final = problems(UnknownCampaign, WrongCampaignState)


@routes.post(
    "/campaigns/{campaign_id}/activate",
    summary="Let a funded campaign run",
    response_model=CampaignOut,
    responses=problems(UnknownCampaign, WrongCampaignState, SponsorStopped),
)
@guarded(_WRITES)
def activate(
    campaign_id: UUID, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """From now on sessions earn from it, as far as its budget goes."""
    return _changed(
        wired, request, rewards.activate, sponsor_id=sponsor_id, actor=actor, campaign_id=campaign_id, now=now
    )


@routes.post(
    "/campaigns/{campaign_id}/pause",
    summary="Pause a campaign",
    response_model=CampaignOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def pause(
    campaign_id: UUID, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Nothing new is earned until it is activated again; what is held is still settled."""
    return _changed(
        wired, request, rewards.pause, sponsor_id=sponsor_id, actor=actor, campaign_id=campaign_id, now=now
    )


@routes.post(
    "/campaigns/{campaign_id}/end",
    summary="End a campaign for good",
    response_model=CampaignOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def end(
    campaign_id: UUID, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Nothing is earned any more; what is held is still settled."""
    change = partial(rewards.end, now=now)
    return _changed(
        wired, request, change, sponsor_id=sponsor_id, actor=actor, campaign_id=campaign_id, now=now
    )


def own_campaign(session: Session, sponsor_id: UUID, campaign_id: UUID) -> CampaignView:
    """Return a campaign of this sponsor.

    Raises:
        UnknownCampaign: There is none of this sponsor with this id (404).
    """
    found = campaign_view(session, campaign_id)
    if found.sponsor_id != sponsor_id:
        raise UnknownCampaign(f"no campaign {campaign_id}")
    return found


def _changed(
    wired: Wiring,
    request: KeyedRequest,
    change: Callable[[Session, UUID], None],
    *,
    sponsor_id: UUID,
    actor: Actor,
    campaign_id: UUID,
    now: datetime,
) -> Response:
    def work(session: Session) -> Answer:
        before = own_campaign(session, sponsor_id, campaign_id)
        change(session, campaign_id)
        after = campaign_view(session, campaign_id)
        told = actor.entry(
            f"campaign.{after.state}",
            "campaign",
            campaign_id,
            before={"state": before.state},
            after={"state": after.state},
        )
        wired.audit.record(session, told, now)
        return _shown(after, HTTPStatus.OK)

    return run_once(wired, request, work, now=now)


def _shown(found: CampaignView, status: HTTPStatus) -> Answer:
    return Answer.of(CampaignOut.model_validate(found), status)
