"""Ops correct what went wrong: adjustments, reversals and clawbacks, each with its reason."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import Field

from nerava.identity import approvals
from nerava.identity.guard import SignedIn
from nerava.kernel.ids import fact_id
from nerava.ledger import UnknownAccount
from nerava.ledger.chart import UnknownAccountCode
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.adjustment import AdjustmentReason, ReserveNotAdjustable
from nerava.ledger.templates.reversal import NotReversible
from nerava.platform.idempotency import Answer
from nerava.platform.limit_numbers import MANUAL_CREDIT
from nerava.platform.limits import RateLimited
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.rewards.errors import MoreThanStands, PostingRefused, UnknownGrant, WrongGrantState
from nerava.web.api.audited import Acting
from nerava.web.api.corrections import (
    Adjustment,
    AlreadyReversed,
    ClawbackReason,
    CorrectionOut,
    FloorReached,
    NotAdjustable,
    Reversal,
    ReversedOtherwise,
    Signed,
    Taking,
    UnknownTransaction,
)
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.ops_approvals import ApprovalOut
from nerava.web.api.presents import ALONE_MAX, OwnAccount
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.identity.acting import Actor
    from nerava.identity.guard import Principal
    from nerava.platform.idempotency import KeyedRequest
    from nerava.web.api.corrections import Correction
    from nerava.web.api.wiring import Wiring

routes: Final = router("ops: corrections")

_CORRECTS: Final = Policy(
    roles=("ops:finance",), scope="grants:write", repeats=Repeats.KEY_REQUIRED, step_up=StepUp.PASSKEY
)
_WAITS: Final = {"model": ApprovalOut, "description": "More than 10,000: a second person has to approve"}

_Code = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9:._-]*$", max_length=120)]


class AdjustmentIn(Body):
    """So much from one account to another; where points appear or vanish, their value moves with them."""

    debit: _Code = Field(description="Where it is taken, as the chart of accounts names it")
    credit: _Code
    amount_minor: AmountMinor
    reason: AdjustmentReason


class ReversalIn(Body):
    """Why a transaction is undone."""

    reason: AdjustmentReason


class ClawbackIn(Body):
    """Points of a grant that were not earned."""

    points: Annotated[int, Field(strict=True, gt=0, le=10**12)]
    reason: ClawbackReason


@routes.post(
    "/ops/adjustments",
    summary="Correct two accounts",
    status_code=HTTPStatus.CREATED,
    response_model=CorrectionOut,
    responses={
        202: _WAITS,
        **problems(
            UnknownAccount,
            UnknownAccountCode,
            OwnAccount,
            NotAdjustable,
            ReserveNotAdjustable,
            FloorReached,
            PostingRefused,
            SwitchedOff,
            RateLimited,
        ),
    },
)
@guarded(_CORRECTS)
def adjust(
    body: AdjustmentIn, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Move an amount with a reason, or ask a second person to. Never below a floor, never for oneself."""
    wanted = Adjustment(body.debit, body.credit, body.amount_minor, body.reason)
    return _correct(wired, _By(caller, actor), request, wanted, now)


@routes.post(
    "/ops/transactions/{transaction_id}/reversal",
    summary="Reverse a transaction",
    status_code=HTTPStatus.CREATED,
    response_model=CorrectionOut,
    responses={
        202: _WAITS,
        **problems(
            UnknownAccount,
            UnknownTransaction,
            OwnAccount,
            ReversedOtherwise,
            AlreadyReversed,
            NotReversible,
            FloorReached,
            PostingRefused,
            SwitchedOff,
            RateLimited,
        ),
    },
)
@guarded(_CORRECTS)
def reverse(
    transaction_id: UUID,
    body: ReversalIn,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Post the mirror of a correction or a present, once. Other kinds have ways of their own."""
    return _correct(wired, _By(caller, actor), request, Reversal(transaction_id, body.reason), now)


@routes.post(
    "/ops/grants/{grant_id}/clawbacks",
    summary="Take points back",
    status_code=HTTPStatus.CREATED,
    response_model=CorrectionOut,
    responses={
        202: _WAITS,
        **problems(
            UnknownAccount,
            UnknownGrant,
            OwnAccount,
            WrongGrantState,
            MoreThanStands,
            PostingRefused,
            SwitchedOff,
            RateLimited,
        ),
    },
)
@guarded(_CORRECTS)
def claw_back(
    grant_id: UUID,
    body: ClawbackIn,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Take what was not earned back to its campaign; what the driver does not have stays owed."""
    return _correct(wired, _By(caller, actor), request, Taking(grant_id, body.points, body.reason), now)


class _By:
    """Who asks: as a principal and as an actor."""

    def __init__(self, caller: Principal, actor: Actor) -> None:
        self.caller = caller
        self.actor = actor


def _correct(wired: Wiring, by: _By, request: KeyedRequest, wanted: Correction, now: datetime) -> Response:
    """Carry a correction out, or ask a second person to, in one transaction with the key."""
    actor = by.actor

    def work(session: Session) -> Answer:
        wanted.refuse_own(session, by.caller)
        wired.limits.hit(session, MANUAL_CREDIT.keyed(identity=str(actor.subject)), now)
        weight = wanted.weight(session)
        if weight > ALONE_MAX:
            asked = approvals.ask(session, actor, wanted.kind, wanted.asked, weight=weight, now=now)
            return Answer.of(ApprovalOut.of(asked), HTTPStatus.ACCEPTED)
        reference = fact_id(f"{wanted.kind.name}:{request.principal}:{request.key}")
        done = wanted.carry_out(session, wired.ledger, Signed(reference, actor.name, None, now))
        told = actor.entry(f"{wanted.kind.name}.made", wanted.kind.name, reference, after=dict(wanted.asked))
        wired.audit.record(session, told, now)
        return Answer.of(done, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)
