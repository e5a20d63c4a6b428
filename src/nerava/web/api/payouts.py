"""Cash-outs of the signed-in driver, and what merchants are paid: asked for, followed, taken back."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from nerava.identity.errors import StepUpRequired
from nerava.identity.guard import SignedIn, TenantId
from nerava.ledger import UnknownAccount
from nerava.ledger.chart import driver_nova
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.payouts.errors import (
    ContactNeeded,
    FeeChanged,
    MethodNotReady,
    NotEnough,
    PayoutsOff,
    UnknownPayout,
    UnknownPayoutMethod,
    WeekLimitReached,
    WrongPayoutState,
)
from nerava.payouts.model import Payout
from nerava.payouts.queries import payouts_of
from nerava.payouts.requesting import Cashout, cancel, own_payout, request_cashout, week_used
from nerava.payouts.rules import AMOUNT_MIN, BANK_TAKES, WEEK_MAX
from nerava.payouts.states import Kind, PayoutState
from nerava.platform.idempotency import Answer
from nerava.platform.limits import RateLimited
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Assurance, Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.arrival import Arrival
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.payout_methods import PAID, owner_of
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("payouts")

_CashoutAmount = Annotated[int, Field(strict=True, ge=AMOUNT_MIN, le=WEEK_MAX)]
_READS: Final = Policy(roles=PAID, scope="payouts:read")
_CANCELS: Final = Policy(roles=PAID, scope="payouts:write", repeats=Repeats.KEY_REQUIRED)
_ASKS: Final = Policy(
    roles=("driver",),
    scope="payouts:write",
    repeats=Repeats.KEY_REQUIRED,
    assurance=Assurance.STRONG,
)
TAKEN_BACK: Final = "taken-back"


class QuoteOut(BaseModel):
    """What a cash-out would cost, to be confirmed; in minor units of `currency`."""

    amount_minor: int = Field(description="What reaches the bank")
    fee_minor: int = Field(description="What it costs on top; to be sent along with the request")
    total_nova: int = Field(description="The Nova that are taken")
    available_nova: int
    week_minor: int = Field(description="What may still be paid out within these seven days")
    currency: str
    bank_days_max: int = Field(description="Days until the bank has it once it was sent, weekends included")
    is_possible: bool = Field(description="Whether Nova and the limit of the week are enough for it")


class CashoutIn(Body):
    """How much goes where, at which fee."""

    method_id: UUID
    amount_minor: _CashoutAmount = Field(description="What is to reach the bank")
    fee_minor: Annotated[int, Field(strict=True, ge=0, le=WEEK_MAX)] = Field(
        description="The fee that was shown; another one is refused"
    )


class PayoutOut(BaseModel):
    """A payout and how far it is; amounts in minor units of `currency`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: Kind
    state: PayoutState
    amount_minor: int
    fee_minor: int
    currency: str
    method_id: UUID
    hold_until: datetime | None = Field(description="Not paid before, because something changed lately")
    requested_at: datetime
    approved_at: datetime | None
    submitted_at: datetime | None
    paid_at: datetime | None = Field(description="When the bank had it")
    ended_at: datetime | None = Field(description="When it failed, came back, or was taken back")
    reason: str | None = Field(description="Why it ended so")

    @classmethod
    def of(cls, payout: Payout) -> PayoutOut:
        """Return what the owner is shown; why it waits is between us and the provider."""
        shown = cls.model_validate(payout)
        return shown if payout.ended_at is not None else shown.model_copy(update={"reason": None})


@routes.get("/payout-quote", summary="What would a cash-out cost", responses=problems(UnknownAccount))
@guarded(Policy(roles=("driver",), scope="payouts:read"))
def quote(
    driver_id: TenantId,
    amount_minor: Annotated[int, Query(ge=AMOUNT_MIN, le=WEEK_MAX)],
    wired: Wired,
    now: Now,
) -> QuoteOut:
    """Return the fee for an amount, and whether it is possible now."""
    fee = wired.payouts.rules.fee_minor

    def look(session: Session) -> QuoteOut:
        available = balance_now(session, driver_nova(driver_id)).available
        week = max(0, WEEK_MAX - week_used(session, driver_id, now))
        return QuoteOut(
            amount_minor=amount_minor,
            fee_minor=fee,
            total_nova=amount_minor + fee,
            available_nova=available,
            week_minor=week,
            currency=wired.currency,
            bank_days_max=BANK_TAKES.days,
            is_possible=amount_minor + fee <= available and amount_minor <= week,
        )

    return wired.database.read(look)


@routes.post(
    "/payouts",
    summary="Cash out",
    status_code=HTTPStatus.ACCEPTED,
    response_model=PayoutOut,
    responses=problems(
        UnknownPayoutMethod,
        MethodNotReady,
        StepUpRequired,
        ContactNeeded,
        FeeChanged,
        WeekLimitReached,
        RateLimited,
        NotEnough,
        PayoutsOff,
        SwitchedOff,
    ),
)
@guarded(_ASKS)
def cash_out(
    body: CashoutIn,
    driver_id: TenantId,
    caller: SignedIn,
    actor: Acting,
    arrival: Arrival,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Set Nova aside and have money paid to the bank; it is let go by people, then sent. Repeats safely."""
    wish = Cashout(
        driver_id=driver_id,
        method_id=body.method_id,
        amount_minor=body.amount_minor,
        fee_minor=body.fee_minor,
        user_id=caller.subject,
        session_id=caller.session_id,
        place=arrival.place,
        actor=caller.actor,
    )
    tools = wired.payouts.requesting

    def work(session: Session) -> Answer:
        payout = request_cashout(session, tools, wish, now)
        told = actor.entry("payout.requested", "payout", payout.id, after={"amount_minor": body.amount_minor})
        wired.audit.record(session, told, now)
        return Answer.of(PayoutOut.of(payout), HTTPStatus.ACCEPTED)

    return run_once(wired, request, work, now=now)


@routes.get("/payouts", summary="My payouts")
@guarded(_READS)
def my_payouts(
    owner_id: TenantId,
    caller: SignedIn,
    wired: Wired,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[PayoutOut]:
    """Return the caller's payouts, the newest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[PayoutOut]:
        found = payouts_of(session, owner_of(caller), owner_id, after=after, limit=limit)
        return [PayoutOut.of(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get("/payouts/{payout_id}", summary="One of my payouts", responses=problems(UnknownPayout))
@guarded(_READS)
def my_payout(payout_id: UUID, owner_id: TenantId, caller: SignedIn, wired: Wired) -> PayoutOut:
    """Return a payout; that of somebody else is not found."""
    return wired.database.read(
        lambda session: PayoutOut.of(own_payout(session, owner_of(caller), owner_id, payout_id))
    )


@routes.post(
    "/payouts/{payout_id}/cancel",
    summary="Take a payout back",
    response_model=PayoutOut,
    responses=problems(UnknownPayout, WrongPayoutState, SwitchedOff),
)
@guarded(_CANCELS)
def cancel_payout(
    payout_id: UUID,
    owner_id: TenantId,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Take back what was not sent yet, and have what was set aside again."""

    def work(session: Session) -> Answer:
        mine = own_payout(session, owner_of(caller), owner_id, payout_id)
        ended = cancel(session, wired.ledger, mine, actor=caller.actor, reason=TAKEN_BACK, now=now)
        wired.audit.record(session, actor.entry("payout.canceled", "payout", payout_id), now)
        return Answer.of(PayoutOut.of(ended))

    return run_once(wired, request, work, now=now)
