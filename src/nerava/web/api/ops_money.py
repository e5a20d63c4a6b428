"""Ops move money: deposits that have cleared, and presents of goodwill. Everything else needs two people."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity.guard import SignedIn
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import fact_id
from nerava.ledger import Status, UnknownAccount
from nerava.ledger.chart import external_account
from nerava.ledger.templates import ADJUSTMENT_APPROVAL_ABOVE
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.platform.idempotency import Answer
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.rewards.campaigns import deposit
from nerava.rewards.errors import FundingDiffers, PostingRefused, UnknownSponsor
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, run_once, submit_once
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.ledger import Verdict

routes: Final = router("ops: money")

BANK: Final = "bank"
"""The provider of payments that a person saw arrive."""


class HouseBudgetTooSmall(NeravaError):
    """The house's promotion budget cannot pay this; nothing was moved."""

    code = "house-budget-too-small"
    status = HTTPStatus.CONFLICT
    title = "The house's promotion budget is too small"


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


class GoodwillReason(StrEnum):
    """Why the house gives points away; words, so that no story about a person gets into the books."""

    OUTAGE = "outage"
    WRONG_DECISION = "wrong_decision"
    COMPLAINT = "complaint"
    THANKS = "thanks"


class GoodwillIn(Body):
    """A present to a driver. What one person may give alone ends at 10,000 Nova."""

    driver_id: UUID
    points: Annotated[int, Field(strict=True, gt=0, le=ADJUSTMENT_APPROVAL_ABOVE)]
    reason: GoodwillReason


class GoodwillOut(BaseModel):
    """A present that was made."""

    driver_id: UUID
    points: int
    transaction_id: UUID
    posted_at: datetime


@routes.post(
    "/ops/sponsors/{sponsor_id}/deposits",
    summary="Record a cleared deposit",
    status_code=HTTPStatus.CREATED,
    response_model=DepositOut,
    responses=problems(UnknownSponsor, FundingDiffers, PostingRefused),
)
@guarded(Policy(roles=("ops:finance",), scope="deposits:write", repeats=Repeats.KEY_REQUIRED))
def record_deposit(sponsor_id: UUID, body: DepositIn, request: Keyed, wired: Wired, now: Now) -> Response:
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
        booked = DepositOut(sponsor_id=sponsor_id, reference=body.reference, gross_minor=body.gross_minor)
        return Answer.of(booked, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/goodwill-grants",
    summary="Give a driver points from the house",
    status_code=HTTPStatus.CREATED,
    response_model=GoodwillOut,
    responses=problems(UnknownAccount, HouseBudgetTooSmall, PostingRefused),
)
@guarded(Policy(roles=("ops:finance",), scope="grants:write", repeats=Repeats.KEY_REQUIRED))
def give_goodwill(body: GoodwillIn, caller: SignedIn, request: Keyed, wired: Wired, now: Now) -> Response:
    """Pay a present out of the house's own budget; every point of it is backed. Repeat safely."""
    chain = promo_grant(
        kind=PromoKind.GOODWILL,
        reference_id=fact_id(f"goodwill:{request.principal}:{request.key}"),
        driver_id=body.driver_id,
        points=body.points,
        actor=caller.actor,
        metadata={"reason": body.reason.value},
    )

    def outcome(verdict: Verdict) -> Answer | NeravaError:
        if verdict.transaction_id is not None and verdict.posted_at is not None:
            present = GoodwillOut(
                driver_id=body.driver_id,
                points=body.points,
                transaction_id=verdict.transaction_id,
                posted_at=verdict.posted_at,
            )
            return Answer.of(present, HTTPStatus.CREATED)
        match verdict.status:
            case Status.INSUFFICIENT:
                return HouseBudgetTooSmall()
            case Status.NO_ACCOUNT:
                return UnknownAccount("the driver has no account")
            case other:
                return PostingRefused(f"the ledger said {other}")

    return submit_once(wired, request, chain, outcome, now=now)
