"""Batches of payouts: one person of finance puts them together, another one lets them go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated, Final
from uuid import UUID

from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.orm import Session

from nerava.identity.approvals import AllowanceSpent
from nerava.identity.guard import SignedIn
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import SelfApproval
from nerava.payouts import approving
from nerava.payouts.errors import (
    BatchDecided,
    OnHold,
    ReviewNeeded,
    UnknownBatch,
    UnknownPayout,
    WrongPayoutState,
)
from nerava.payouts.model import PayoutBatch
from nerava.payouts.queries import batch_with_payouts, batches
from nerava.payouts.rules import BATCH_MAX
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.ops_payouts import DECIDES, READS, OpsPayoutOut, noting_own, refuse_own
from nerava.web.api.places import after_id
from nerava.web.api.presents import OwnAccount
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("ops: payouts")


class BatchState(StrEnum):
    """What became of a batch."""

    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"


class BatchIn(Body):
    """Payouts that are to be paid."""

    payout_ids: Annotated[list[UUID], Field(min_length=1, max_length=BATCH_MAX)]


class BatchOut(BaseModel):
    """A batch, and who decided what about it."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    state: BatchState
    payouts: int = Field(description="How many were put into it")
    total_minor: int
    maker: UUID = Field(description="Who may not decide")
    checker: UUID | None
    made_at: datetime
    decided_at: datetime | None


class BatchFileOut(BaseModel):
    """A batch and the payouts in it."""

    batch: BatchOut
    inside: list[OpsPayoutOut]


@routes.post(
    "/ops/payout-batches",
    summary="Propose payouts to be paid",
    status_code=HTTPStatus.CREATED,
    response_model=BatchOut,
    responses=problems(UnknownPayout, WrongPayoutState, ReviewNeeded, OnHold, SwitchedOff),
)
@guarded(DECIDES)
def propose_batch(
    body: BatchIn, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Put payouts together for a second person to let go."""

    def work(session: Session) -> Answer:
        batch = approving.propose(session, body.payout_ids, maker=caller.subject, now=now)
        told = {"payouts": batch.payouts, "total_minor": batch.total_minor}
        wired.audit.record(
            session, actor.entry("payout_batch.proposed", "payout_batch", batch.id, after=told), now
        )
        return Answer.of(BatchOut.model_validate(batch), HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.get("/ops/payout-batches", summary="Batches of payouts")
@guarded(READS)
def list_batches(
    wired: Wired,
    state: Annotated[BatchState, Query()] = BatchState.WAITING,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[BatchOut]:
    """Return batches in one state, the oldest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[BatchOut]:
        found = batches(session, state.value, after=after, limit=limit)
        return [BatchOut.model_validate(one) for one in found]

    return page_by_id(wired.database.read(look), limit)


@routes.get(
    "/ops/payout-batches/{batch_id}", summary="One batch of payouts", responses=problems(UnknownBatch)
)
@guarded(READS)
def one_batch(batch_id: UUID, wired: Wired) -> BatchFileOut:
    """Return a batch and the payouts in it."""

    def look(session: Session) -> BatchFileOut:
        batch, inside = batch_with_payouts(session, batch_id)
        return BatchFileOut(
            batch=BatchOut.model_validate(batch),
            inside=[OpsPayoutOut.model_validate(one) for one in inside],
        )

    return wired.database.read(look)


@routes.post(
    "/ops/payout-batches/{batch_id}/approve",
    summary="Let a batch of payouts go",
    response_model=BatchOut,
    responses=problems(UnknownBatch, SelfApproval, OwnAccount, BatchDecided, AllowanceSpent, SwitchedOff),
)
@guarded(DECIDES)
def approve_batch(
    batch_id: UUID, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Let what somebody else proposed be sent. Of two who decide at once one does."""
    rules = wired.payouts.rules

    def decide(session: Session) -> PayoutBatch:
        batch, inside = approving.approve(session, batch_id, rules, checker=caller.subject, now=now)
        refuse_own(caller, *inside)
        return batch

    told = actor.entry("payout_batch.approved", "payout_batch", batch_id)
    return noting_own(
        wired,
        request,
        actor,
        batch_id,
        _telling(decide, lambda session: wired.audit.record(session, told, now)),
    )


@routes.post(
    "/ops/payout-batches/{batch_id}/refuse",
    summary="Refuse a batch of payouts",
    response_model=BatchOut,
    responses=problems(UnknownBatch, SelfApproval, BatchDecided, SwitchedOff),
)
@guarded(DECIDES)
def refuse_batch(
    batch_id: UUID, caller: SignedIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Refuse what somebody else proposed; its payouts wait for another batch."""
    told = actor.entry("payout_batch.refused", "payout_batch", batch_id)
    return noting_own(
        wired,
        request,
        actor,
        batch_id,
        _telling(
            lambda session: approving.refuse(session, batch_id, checker=caller.subject, now=now),
            lambda session: wired.audit.record(session, told, now),
        ),
    )


def _telling(
    decide: Callable[[Session], PayoutBatch], tell: Callable[[Session], object]
) -> Callable[[Session], Answer]:
    def work(session: Session) -> Answer:
        batch = decide(session)
        tell(session)
        return Answer.of(BatchOut.model_validate(batch))

    return work
