"""Ops see disputed payments of sponsors, and lift the stop of one by hand."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity import approvals
from nerava.identity.guard import SignedIn
from nerava.kernel.ids import fact_id
from nerava.ledger.stops import SwitchedOff
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.rewards.dispute_cases import case_of, cases
from nerava.rewards.dispute_store import DisputeState
from nerava.rewards.errors import NotStopped, PostingRefused, UnknownDispute
from nerava.web.api.audited import Acting
from nerava.web.api.corrections import Signed
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.lifting import Lifting
from nerava.web.api.ops_approvals import ApprovalOut
from nerava.web.api.ops_payouts import ReasonIn
from nerava.web.api.places import after_id
from nerava.web.api.presents import ALONE_MAX, OwnAccount
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("ops: queues")

_READS: Final = Policy(roles=("ops:support", "ops:finance"), scope="queues:read")


class DisputeOut(BaseModel):
    """A payer wants a payment back. Amounts in minor units of `currency`."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    provider: str
    dispute: str = Field(description="The provider's name for it")
    payment: str | None = Field(description="The provider's name for the payment")
    checkout_id: UUID | None = Field(description="null while no payment of ours is known that it is about")
    sponsor_id: UUID | None
    state: DisputeState
    is_stopping: bool = Field(description="Nothing of the sponsor is activated, funded or refunded")
    amount: int | None = Field(description="null until the provider was read")
    currency: str | None
    reason: str | None = Field(description="The payer's, in the provider's word")
    taken: int = Field(description="What the payer's bank has of us now, as it is booked")
    open: int = Field(description="What of it nothing has paid yet")
    trouble: str | None = Field(description="Why it cannot be read or booked; null when it can")
    told_at: datetime = Field(description="When we first heard of it: its age counts from here")
    answer_by: datetime | None = Field(
        description="Until when the provider takes evidence; null if it needs none"
    )
    ended_at: datetime | None
    lifted_at: datetime | None = Field(description="When a person saw to it; it stops nobody since")


@routes.get("/ops/disputes", summary="Disputed payments of sponsors")
@guarded(_READS)
def disputes(
    wired: Wired,
    *,
    is_waiting: Annotated[bool, Query(description="Those alone that wait for a person")] = True,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[DisputeOut]:
    """Return disputes, the oldest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[DisputeOut]:
        found = cases(session, is_waiting=is_waiting, after=after, limit=limit)
        return [DisputeOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get("/ops/disputes/{dispute_id}", summary="One disputed payment", responses=problems(UnknownDispute))
@guarded(_READS)
def one_dispute(dispute_id: UUID, wired: Wired) -> DisputeOut:
    """Return a dispute and what was booked of it."""
    return DisputeOut.model_validate(wired.database.read(lambda session: case_of(session, dispute_id)))


@routes.post(
    "/ops/disputes/{dispute_id}/lift",
    summary="Lift the stop of a sponsor",
    response_model=DisputeOut,
    responses={
        202: {"model": ApprovalOut, "description": "More than 10,000: a second person has to approve"},
        **problems(UnknownDispute, NotStopped, OwnAccount, PostingRefused, SwitchedOff),
    },
)
@guarded(
    Policy(
        roles=("ops:finance",), scope="deposits:write", repeats=Repeats.KEY_REQUIRED, step_up=StepUp.PASSKEY
    )
)
def lift_stop(
    dispute_id: UUID,
    body: ReasonIn,
    caller: SignedIn,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Say that a person has seen to a dispute: it stops nobody any more, whatever becomes of it.

    Deposits pay first for what a lost dispute left open. Campaigns stay paused until they are activated.
    """
    wanted = Lifting(dispute_id, body.reason)

    def work(session: Session) -> Answer:
        wanted.refuse_own(session, caller)
        weight = wanted.weight(session)
        if weight > ALONE_MAX:
            asked = approvals.ask(session, actor, wanted.kind, wanted.asked, weight=weight, now=now)
            return Answer.of(ApprovalOut.of(asked), HTTPStatus.ACCEPTED)
        reference = fact_id(f"{wanted.kind.name}:{request.principal}:{request.key}")
        wanted.carry_out(session, wired.ledger, Signed(reference, actor.name, None, now))
        return Answer.of(DisputeOut.model_validate(case_of(session, dispute_id)))

    return run_once(wired, request, work, now=now)
