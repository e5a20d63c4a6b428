"""Ops move money: deposits that have cleared, and presents of goodwill. Everything else needs two people."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.audit import RecordEntry
from nerava.identity.guard import SignedIn
from nerava.kernel.ids import fact_id
from nerava.ledger import UnknownAccount
from nerava.ledger.chart import external_account
from nerava.ledger.stops import SwitchedOff
from nerava.platform.idempotency import Answer
from nerava.platform.limits import RateLimited
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.rewards.campaigns import deposit
from nerava.rewards.errors import FundingDiffers, PostingRefused, UnknownSponsor
from nerava.web.api.audited import Acting
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, run_once, submit_once
from nerava.web.api.ops_approvals import ApprovalOut, ask_second
from nerava.web.api.presents import (
    ALONE_MAX,
    GoodwillIn,
    GoodwillOut,
    HouseBudgetTooSmall,
    OwnAccount,
    Present,
)
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("ops: money")

BANK: Final = "bank"
"""The provider of payments that a person saw arrive."""


class DepositIn(Body):
    """A bank transfer that has cleared."""

    reference: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,79}$")] = Field(
        description="The bank's name for the transfer; it counts once, whoever enters it"
    )
    gross_minor: AmountMinor = Field(description="In minor units of the operator's currency")


class DepositOut(BaseModel):
    """Money that a sponsor can put into campaigns."""

    sponsor_id: UUID
    reference: str
    gross_minor: int


@routes.post(
    "/ops/sponsors/{sponsor_id}/deposits",
    summary="Record a cleared deposit",
    status_code=HTTPStatus.CREATED,
    response_model=DepositOut,
    responses=problems(UnknownSponsor, FundingDiffers, PostingRefused, SwitchedOff),
)
@guarded(
    Policy(
        roles=("ops:finance",),
        scope="deposits:write",
        repeats=Repeats.KEY_REQUIRED,
        step_up=StepUp.PASSKEY,
    )
)
def record_deposit(
    sponsor_id: UUID, body: DepositIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Make cleared money spendable for its sponsor. Repeat safely with the same key."""

    def work(session: Session) -> Answer:
        wired.ledger.open(session, [external_account(BANK, wired.currency)])
        deposit(
            session,
            wired.ledger,
            sponsor_id,
            gross=body.gross_minor,
            provider=BANK,
            checkout_id=body.reference,
        )
        told = actor.entry(
            "deposit.recorded",
            "sponsor",
            sponsor_id,
            reason="cleared at the bank",
            after={"reference": body.reference, "gross_minor": body.gross_minor},
        )
        wired.audit.record(session, told, now)
        booked = DepositOut(sponsor_id=sponsor_id, reference=body.reference, gross_minor=body.gross_minor)
        return Answer.of(booked, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/goodwill-grants",
    summary="Give a driver points from the house",
    status_code=HTTPStatus.CREATED,
    response_model=GoodwillOut,
    responses={
        202: {"model": ApprovalOut, "description": "More than 10,000 Nova: a second person has to approve"},
        **problems(UnknownAccount, OwnAccount, HouseBudgetTooSmall, PostingRefused, SwitchedOff, RateLimited),
    },
)
@guarded(
    Policy(roles=("ops:finance",), scope="grants:write", repeats=Repeats.KEY_REQUIRED, step_up=StepUp.PASSKEY)
)
def give_goodwill(
    body: GoodwillIn, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Pay a present out of the house's own budget, or ask a second person to; every point is backed.

    Repeat safely. Nobody gives to themselves.
    """
    present = Present.of(body)
    present.refuse_own(caller)
    if present.points > ALONE_MAX:
        return ask_second(wired, actor, request, present, now)
    chain = present.chain(fact_id(f"goodwill:{request.principal}:{request.key}"), actor=caller.actor)
    told = actor.entry(
        "goodwill.given",
        "driver",
        present.driver_id,
        reason=present.reason.value,
        after={"points": present.points},
    )
    return submit_once(wired, request, chain, present.outcome, now=now, effects=[RecordEntry(told, now)])
