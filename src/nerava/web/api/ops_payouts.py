"""The queue of payouts: what waits, what is under way, what only people can decide."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from nerava.identity import approvals
from nerava.identity.approvals import AlreadyDecided, UnknownApproval
from nerava.identity.guard import SignedIn
from nerava.identity.roles import Membership, Role
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import SelfApproval
from nerava.payouts import approving
from nerava.payouts.approving import FAILURE
from nerava.payouts.errors import NotGoneYet, UnknownPayout, WrongPayoutState
from nerava.payouts.model import Payout
from nerava.payouts.queries import Shown, payout_with_evidence, queue
from nerava.payouts.requesting import cancel
from nerava.payouts.states import EvidenceSource, Kind, OwnerKind, PayoutState, Step
from nerava.platform.idempotency import Answer, KeyedRequest
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting, Actor
from nerava.web.api.fields import Body, Name
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.ops_approvals import ApprovalOut
from nerava.web.api.places import after_id
from nerava.web.api.presents import OwnAccount
from nerava.web.api.wiring import Now, Wired, Wiring, router

routes: Final = router("ops: payouts")

READS: Final = Policy(roles=("ops:support", "ops:finance"), scope="payout-queue:read")
DECIDES: Final = Policy(
    roles=("ops:finance",),
    scope="payout-queue:write",
    repeats=Repeats.KEY_REQUIRED,
    step_up=StepUp.PASSKEY,
)
REJECTED: Final = "rejected"


class OpsPayoutOut(BaseModel):
    """A payout as those see it who look after them; amounts in minor units of `currency`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: Kind
    state: PayoutState
    step: Step = Field(description="What happens next while it is under way")
    owner_kind: OwnerKind
    owner_id: UUID
    amount_minor: int
    fee_minor: int
    currency: str
    provider: str
    flags: list[str] = Field(description="What is unusual about it")
    hold_until: datetime | None
    reviewed_at: datetime | None
    batch_id: UUID | None
    reason: str | None
    stalled_because: str | None = Field(description="Why only people can decide how it goes on")
    try_number: int
    transfer_id: str | None
    bank_payout_id: str | None
    requested_at: datetime
    approved_at: datetime | None
    submitted_at: datetime | None
    first_sent_at: datetime | None = Field(description="When the present call first left")
    gone_at: datetime | None = Field(description="When it was shown twice that it was never sent")
    next_at: datetime | None = Field(description="When the provider is asked again")
    paid_at: datetime | None
    ended_at: datetime | None


class EvidenceOut(BaseModel):
    """Something that was told about a payout."""

    model_config = ConfigDict(from_attributes=True)

    source: EvidenceSource
    fact: str
    told: dict[str, Any]
    read_at: datetime


class PayoutFileOut(BaseModel):
    """A payout and everything that was told about it, in order."""

    payout: OpsPayoutOut
    evidence: list[EvidenceOut]


class ReasonIn(Body):
    """Why something is decided."""

    reason: Name = Field(description="For the audit log; no names of people, no contacts")


@routes.get("/ops/payouts", summary="The queue of payouts")
@guarded(READS)
def payout_queue(
    shown: Annotated[Shown, Query(alias="show")],
    wired: Wired,
    now: Now,
    *,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[OpsPayoutOut]:
    """Return payouts of one kind, the oldest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[OpsPayoutOut]:
        found = queue(session, shown, now, after=after, limit=limit)
        return [OpsPayoutOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/ops/payouts/{payout_id}", summary="One payout and its evidence", responses=problems(UnknownPayout)
)
@guarded(READS)
def payout_file(payout_id: UUID, wired: Wired) -> PayoutFileOut:
    """Return a payout and what the provider told about it."""

    def look(session: Session) -> PayoutFileOut:
        payout, told = payout_with_evidence(session, payout_id)
        return PayoutFileOut(
            payout=OpsPayoutOut.model_validate(payout),
            evidence=[EvidenceOut.model_validate(one) for one in told],
        )

    return wired.database.read(look)


@routes.post(
    "/ops/payouts/{payout_id}/review",
    summary="Let something unusual pass",
    response_model=OpsPayoutOut,
    responses=problems(UnknownPayout, WrongPayoutState, OwnAccount, SwitchedOff),
)
@guarded(DECIDES)
def review_payout(
    payout_id: UUID,
    body: ReasonIn,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Say that what is unusual about a payout was looked at. Somebody else approves its batch."""

    def work(session: Session) -> Answer:
        payout = approving.review(session, payout_id, by=caller.subject, now=now)
        refuse_own(caller, payout)
        told = actor.entry("payout.reviewed", "payout", payout_id, reason=body.reason)
        wired.audit.record(session, told, now)
        return Answer.of(OpsPayoutOut.model_validate(payout))

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/payouts/{payout_id}/reject",
    summary="Reject a payout",
    response_model=OpsPayoutOut,
    responses=problems(UnknownPayout, WrongPayoutState, SwitchedOff),
)
@guarded(DECIDES)
def reject_payout(
    payout_id: UUID,
    body: ReasonIn,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """End a payout that was not sent; what was set aside is its owner's again."""

    def work(session: Session) -> Answer:
        payout = approving.find_payout(session, payout_id)
        ended = cancel(session, wired.ledger, payout, actor=caller.actor, reason=REJECTED, now=now)
        told = actor.entry("payout.rejected", "payout", payout_id, reason=body.reason)
        wired.audit.record(session, told, now)
        return Answer.of(OpsPayoutOut.model_validate(ended))

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/payouts/{payout_id}/retry",
    summary="Look at a payout now",
    response_model=OpsPayoutOut,
    responses=problems(UnknownPayout, WrongPayoutState, SwitchedOff),
)
@guarded(DECIDES)
def retry_payout(payout_id: UUID, actor: Acting, *, request: Keyed, wired: Wired, now: Now) -> Response:
    """Have the worker go on with a payout at once: it reads the provider first, as always."""

    def work(session: Session) -> Answer:
        payout = approving.look_now(session, payout_id, now)
        wired.audit.record(session, actor.entry("payout.hurried", "payout", payout_id), now)
        return Answer.of(OpsPayoutOut.model_validate(payout))

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/payouts/{payout_id}/failure",
    summary="Ask to set a payout failed",
    status_code=HTTPStatus.ACCEPTED,
    response_model=ApprovalOut,
    responses=problems(UnknownPayout, WrongPayoutState, NotGoneYet, OwnAccount, SwitchedOff),
)
@guarded(DECIDES)
def ask_failure(
    payout_id: UUID, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Ask a second person to agree that a payout was never sent; the provider must have shown it twice."""

    def work(session: Session) -> Answer:
        payout = approving.find_payout(session, payout_id)
        refuse_own(caller, payout)
        approving.require_gone(payout)
        asked = {"payout_id": str(payout_id)}
        request_ = approvals.ask(session, actor, FAILURE, asked, weight=payout.amount_minor, now=now)
        return Answer.of(ApprovalOut.of(request_), HTTPStatus.ACCEPTED)

    return run_once(wired, request, work, now=now)


@routes.post(
    "/ops/payout-failures/{approval_id}/approve",
    summary="Agree that a payout was never sent",
    response_model=OpsPayoutOut,
    responses=problems(
        UnknownApproval,
        UnknownPayout,
        SelfApproval,
        OwnAccount,
        AlreadyDecided,
        WrongPayoutState,
        NotGoneYet,
        SwitchedOff,
    ),
)
@guarded(DECIDES)
def approve_failure(
    approval_id: UUID, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Give back what was set aside, in the same commit. Only somebody else may."""

    def work(session: Session) -> Answer:
        decided = approvals.approve(session, actor, FAILURE, approval_id, now)
        payout = approving.set_failed(session, wired.ledger, UUID(decided.asked["payout_id"]), now)
        refuse_own(caller, payout)
        told = actor.entry("payout.set_failed", "payout", payout.id, after={"state": payout.state})
        wired.audit.record(session, told, now)
        return Answer.of(OpsPayoutOut.model_validate(payout))

    return noting_own(wired, request, actor, approval_id, work)


def refuse_own(caller: SignedIn, *payouts: Payout) -> None:
    """Check that nobody decides about money for themselves.

    Raises:
        OwnAccount: One of the payouts is the caller's (403).
    """
    for payout in payouts:
        mine = {Membership(Role.DRIVER, payout.owner_id), Membership(Role.MERCHANT_OWNER, payout.owner_id)}
        if mine & set(caller.memberships):
            raise OwnAccount


def noting_own(
    wired: Wiring, request: KeyedRequest, actor: Actor, asked_id: UUID, work: Callable[[Session], Answer]
) -> Response:
    """Carry out a decision; an attempt to decide on one's own request is noted and refused."""
    now = wired.clock.now()
    try:
        return run_once(wired, request, work, now=now)
    except SelfApproval:
        # What it tried was undone with its transaction; that it tried is kept.
        wired.database.run(lambda session: approvals.record_attempt(session, actor, asked_id, now))
        raise
