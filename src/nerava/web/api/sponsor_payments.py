"""The signed-in sponsor pays, gets deposits back, and closes campaigns that are over."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import TenantId
from nerava.ledger.chart import sponsor_prepaid
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.rewards.checkout_store import CheckoutState, RefundState, SponsorCheckout, SponsorRefundRow
from nerava.rewards.checkouts import Asked, ask, checkout_view, checkouts_of
from nerava.rewards.closing import close
from nerava.rewards.dispute_money import owed_of
from nerava.rewards.errors import (
    InsufficientFunds,
    NotOver,
    NotRefundable,
    PaymentsOff,
    PostingRefused,
    SponsorStopped,
    UnknownCampaign,
    UnknownCheckout,
    UnknownSponsor,
    WrongCampaignState,
)
from nerava.rewards.sponsor_refunds import ask_refund, refunds_of
from nerava.rewards.sponsor_stops import stopped_since
from nerava.web.api.audited import Acting
from nerava.web.api.campaigns import own_campaign
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("sponsor payments")

_READS: Final = Policy(roles=("sponsor",), scope="campaigns:read")
_PAYS: Final = Policy(roles=("sponsor",), scope="campaigns:fund", repeats=Repeats.KEY_REQUIRED)


class SponsorOut(BaseModel):
    """The sponsor's deposits that are not yet in a campaign, in minor units of `currency`."""

    sponsor_id: UUID
    currency: str
    prepaid_minor: int
    owed_minor: int = Field(description="What payers' banks took back and nothing has paid for yet")
    stopped_since: datetime | None = Field(
        description="Since when a payment is disputed: until that is decided for it, or ops lifts the stop, "
        "nothing is activated, funded or refunded. null when nothing stops the sponsor"
    )


class CheckoutIn(Body):
    """A payment at the provider."""

    gross_minor: AmountMinor = Field(description="In minor units of the operator's currency")
    campaign_id: UUID | None = Field(
        default=None, description="A campaign that gets the money when it has come; the fee lies inside it"
    )


class CheckoutOut(BaseModel):
    """A payment. `url` appears a moment after it was asked for: that is where to pay."""

    id: UUID
    state: CheckoutState
    gross_minor: int
    currency: str
    campaign_id: UUID | None
    url: str | None
    disputed_at: datetime | None = Field(description="Since when its payer wants it back; null if not")
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: SponsorCheckout) -> Self:
        """Return a stored payment as it is shown."""
        return cls(
            id=row.id,
            state=CheckoutState(row.state),
            gross_minor=row.gross,
            currency=row.currency,
            campaign_id=row.campaign_id,
            url=row.url,
            disputed_at=row.disputed_at,
            created_at=row.created_at,
            ended_at=row.ended_at,
        )


class SponsorRefundIn(Body):
    """Deposits that are in no campaign, to be sent back by the payments that brought them."""

    amount_minor: AmountMinor = Field(description="In minor units of the operator's currency")


class SponsorRefundOut(BaseModel):
    """A part of one payment on its way back."""

    id: UUID
    checkout_id: UUID
    state: RefundState
    amount_minor: int
    created_at: datetime
    ended_at: datetime | None

    @classmethod
    def of(cls, row: SponsorRefundRow) -> Self:
        """Return a stored refund as it is shown."""
        return cls(
            id=row.id,
            checkout_id=row.checkout_id,
            state=RefundState(row.state),
            amount_minor=row.amount,
            created_at=row.created_at,
            ended_at=row.ended_at,
        )


class SponsorRefundsOut(BaseModel):
    """What was asked for, by payment."""

    refund_ids: list[UUID]
    amount_minor: int


class ClosingOut(BaseModel):
    """What an ended campaign had left, in minor units."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    campaign_id: UUID
    budget_minor: int = Field(description="Went back to the deposits")
    fee_refunded_minor: int = Field(description="Went back with it: the fee of what was not spent")
    fee_earned_minor: int = Field(description="What rounding had left of the fee of what was spent")
    closed_at: datetime


@routes.get("/sponsor", summary="My deposits", responses=problems(UnknownSponsor))
@guarded(_READS)
def my_deposits(sponsor_id: TenantId, wired: Wired) -> SponsorOut:
    """Return what can be put into campaigns, and whether a disputed payment stops that."""

    def look(session: Session) -> SponsorOut:
        return SponsorOut(
            sponsor_id=sponsor_id,
            currency=wired.currency,
            prepaid_minor=balance_now(session, sponsor_prepaid(sponsor_id)).available,
            owed_minor=owed_of(session, sponsor_id),
            stopped_since=stopped_since(session, sponsor_id),
        )

    return wired.database.read(look)


@routes.post(
    "/sponsor/checkouts",
    summary="Pay in",
    status_code=HTTPStatus.ACCEPTED,
    response_model=CheckoutOut,
    responses=problems(PaymentsOff, UnknownSponsor, UnknownCampaign, WrongCampaignState, SponsorStopped),
)
@guarded(_PAYS)
def pay(
    body: CheckoutIn, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Ask for a page to pay on. Nothing can be spent before the money has come."""

    def work(session: Session) -> Answer:
        asked = Asked(sponsor_id, body.gross_minor, body.campaign_id)
        checkout_id = ask(session, wired.payments, asked, now)
        told = actor.entry("checkout.asked", "checkout", checkout_id, after={"gross_minor": body.gross_minor})
        wired.audit.record(session, told, now)
        return Answer.of(CheckoutOut.of(checkout_view(session, sponsor_id, checkout_id)), HTTPStatus.ACCEPTED)

    return run_once(wired, request, work, now=now)


@routes.get("/sponsor/checkouts", summary="My payments")
@guarded(_READS)
def my_payments(
    sponsor_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[CheckoutOut]:
    """Return the payments of the sponsor, the newest first."""
    after = after_id(cursor)
    items = wired.database.read(
        lambda session: [
            CheckoutOut.of(row) for row in checkouts_of(session, sponsor_id, after=after, limit=limit)
        ]
    )
    return page_by_id(items, limit)


@routes.get(
    "/sponsor/checkouts/{checkout_id}", summary="One of my payments", responses=problems(UnknownCheckout)
)
@guarded(_READS)
def my_payment(checkout_id: UUID, sponsor_id: TenantId, wired: Wired) -> CheckoutOut:
    """Return a payment, with the page to pay on while it is open."""
    return wired.database.read(
        lambda session: CheckoutOut.of(checkout_view(session, sponsor_id, checkout_id))
    )


@routes.post(
    "/sponsor/refunds",
    summary="Get deposits back",
    status_code=HTTPStatus.ACCEPTED,
    response_model=SponsorRefundsOut,
    responses=problems(SponsorStopped, NotRefundable, InsufficientFunds, PostingRefused, SwitchedOff),
)
@guarded(_PAYS)
def get_back(
    body: SponsorRefundIn, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Reserve deposits at once and send them back by the payments that brought them, the newest first."""

    def work(session: Session) -> Answer:
        asked = ask_refund(
            session, wired.ledger, sponsor_id, amount=body.amount_minor, actor=actor.name, now=now
        )
        told = actor.entry(
            "sponsor.refund_asked", "sponsor", sponsor_id, after={"amount_minor": body.amount_minor}
        )
        wired.audit.record(session, told, now)
        made = SponsorRefundsOut(refund_ids=asked, amount_minor=body.amount_minor)
        return Answer.of(made, HTTPStatus.ACCEPTED)

    return run_once(wired, request, work, now=now)


@routes.get("/sponsor/refunds", summary="My refunds")
@guarded(_READS)
def my_refunds(
    sponsor_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[SponsorRefundOut]:
    """Return the refunds of the sponsor, the newest first."""
    after = after_id(cursor)
    items = wired.database.read(
        lambda session: [
            SponsorRefundOut.of(row) for row in refunds_of(session, sponsor_id, after=after, limit=limit)
        ]
    )
    return page_by_id(items, limit)


@routes.post(
    "/campaigns/{campaign_id}/close",
    summary="Take what an ended campaign has left",
    response_model=ClosingOut,
    responses=problems(UnknownCampaign, NotOver, InsufficientFunds, PostingRefused, SwitchedOff),
)
@guarded(_PAYS)
def close_campaign(
    campaign_id: UUID, sponsor_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Move the rest of the budget, and the fee that belongs to it, to the sponsor's deposits."""

    def work(session: Session) -> Answer:
        own_campaign(session, sponsor_id, campaign_id)
        closing = close(session, wired.ledger, campaign_id, actor=actor.name, now=now)
        shown = ClosingOut(
            id=closing.id,
            campaign_id=campaign_id,
            budget_minor=closing.rest,
            fee_refunded_minor=closing.fee_refunded,
            fee_earned_minor=closing.fee_earned,
            closed_at=closing.closed_at,
        )
        told = actor.entry("campaign.closed", "campaign", campaign_id, after={"budget_minor": closing.rest})
        wired.audit.record(session, told, now)
        return Answer.of(shown, HTTPStatus.OK)

    return run_once(wired, request, work, now=now)
