"""What one person of ops asked for and a second one agrees to or refuses."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity import approvals
from nerava.identity.approvals import AllowanceSpent, AlreadyDecided, ApprovalState, Kind, UnknownApproval
from nerava.identity.approvals import Request as Approval
from nerava.identity.guard import SignedIn
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import fact_id
from nerava.ledger import UnknownAccount
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.switches import SelfApproval
from nerava.platform.idempotency import Answer
from nerava.platform.limit_numbers import MANUAL_CREDIT
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, encode_cursor
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.rewards.errors import (
    MoreThanStands,
    NotStopped,
    PostingRefused,
    UnknownDispute,
    UnknownGrant,
    WrongGrantState,
)
from nerava.web.api.audited import Acting
from nerava.web.api.corrections import (
    ADJUSTMENT,
    CLAWBACK,
    READERS,
    REVERSAL,
    WRITE_OFF,
    AlreadyReversed,
    Correction,
    FloorReached,
    Signed,
    UnknownTransaction,
)
from nerava.web.api.fields import Body, Name
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.lifting import STOP_LIFTED, Lifting
from nerava.web.api.places import after_id
from nerava.web.api.presents import GOODWILL, HouseBudgetTooSmall, OwnAccount, Present
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.identity.acting import Actor
    from nerava.platform.idempotency import KeyedRequest
    from nerava.web.api.wiring import Wiring

routes: Final = router("ops: four eyes")

_KINDS: Final = (GOODWILL, ADJUSTMENT, REVERSAL, CLAWBACK, STOP_LIFTED)
_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Correction]]] = {
    **READERS,
    STOP_LIFTED.name: Lifting.read,
}
_REFUSABLE: Final = (*_KINDS, WRITE_OFF)
"""Whoever agrees that an invoice is given up does it where settlements are; refused is it here."""

_FINANCE: Final = ("ops:finance",)
_READS: Final = Policy(roles=_FINANCE, scope="approvals:read")
_DECIDES: Final = Policy(
    roles=_FINANCE, scope="approvals:write", repeats=Repeats.KEY_REQUIRED, step_up=StepUp.PASSKEY
)


class ApprovalOut(BaseModel):
    """Something that needs a second person, and what became of it."""

    approval_id: UUID
    kind: str
    asked: dict[str, Any] = Field(description="What is to happen")
    asked_by: UUID = Field(description="Who may not decide")
    asked_at: datetime
    expires_at: datetime
    state: ApprovalState
    decided_by: UUID | None
    decided_at: datetime | None

    @classmethod
    def of(cls, one: Approval) -> ApprovalOut:
        """Return the wire form of a request for approval."""
        return cls(
            approval_id=one.id,
            kind=one.kind,
            asked=dict(one.asked),
            asked_by=one.maker,
            asked_at=one.asked_at,
            expires_at=one.expires_at,
            state=one.state,
            decided_by=one.checker,
            decided_at=one.decided_at,
        )


class RefusalIn(Body):
    """Why a request is refused."""

    reason: Name = Field(description="For the audit log; no names of people, no contacts")


@routes.get("/ops/approvals", summary="What waits for a second person")
@guarded(_READS)
def waiting(
    wired: Wired, now: Now, limit: Limit = PAGE_DEFAULT, cursor: CursorText = None
) -> Page[ApprovalOut]:
    """Return the requests that nobody has decided, the oldest first."""
    after = after_id(cursor)
    found = wired.database.read(lambda session: approvals.waiting(session, now, after=after, limit=limit + 1))
    return Page(
        items=[ApprovalOut.of(one) for one in found[:limit]],
        next_cursor=encode_cursor(str(found[limit - 1].id)) if len(found) > limit else None,
    )


@routes.get(
    "/ops/approvals/{approval_id}", summary="One request for approval", responses=problems(UnknownApproval)
)
@guarded(_READS)
def one(approval_id: UUID, wired: Wired, now: Now) -> ApprovalOut:
    """Return a request and what became of it."""
    return ApprovalOut.of(wired.database.read(lambda session: approvals.find(session, approval_id, now)))


@routes.post(
    "/ops/approvals/{approval_id}/approve",
    summary="Agree to what somebody else asked for",
    response_model=ApprovalOut,
    responses=problems(
        UnknownApproval,
        UnknownAccount,
        SelfApproval,
        OwnAccount,
        AlreadyDecided,
        AllowanceSpent,
        HouseBudgetTooSmall,
        FloorReached,
        UnknownTransaction,
        AlreadyReversed,
        UnknownGrant,
        WrongGrantState,
        MoreThanStands,
        UnknownDispute,
        NotStopped,
        PostingRefused,
        SwitchedOff,
    ),
)
@guarded(_DECIDES)
def approve(
    approval_id: UUID, actor: Acting, caller: SignedIn, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Let it happen, in the same commit. Only somebody else may, and of two who do at once one does."""

    def work(session: Session) -> Answer:
        kind = _kind_of(session, approval_id, now)
        decided = approvals.approve(session, actor, kind, approval_id, now)
        maker = f"ops:finance:{decided.maker}"
        if kind is not GOODWILL:
            correction = _READERS[kind.name](decided.asked)
            correction.refuse_own(session, caller)
            signed = Signed(fact_id(f"approval:{decided.id}"), maker, actor.name, now)
            correction.carry_out(session, wired.ledger, signed)
            return Answer.of(ApprovalOut.of(decided))
        present = Present.read(decided.asked)
        present.refuse_own(caller)
        reference = fact_id(f"approval:{decided.id}")
        verdict = wired.ledger.post(session, present.chain(reference, actor=maker, approved_by=actor.name))
        outcome = present.outcome(verdict)
        if isinstance(outcome, NeravaError):
            raise outcome
        return Answer.of(ApprovalOut.of(decided))

    return _decided(wired, actor, approval_id, request, work)


@routes.post(
    "/ops/approvals/{approval_id}/refuse",
    summary="Refuse what somebody else asked for",
    response_model=ApprovalOut,
    responses=problems(UnknownApproval, SelfApproval, AlreadyDecided),
)
@guarded(_DECIDES)
def refuse(
    approval_id: UUID, body: RefusalIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """End the request for good; nothing happens. Only somebody else may."""

    def work(session: Session) -> Answer:
        kind = _kind_of(session, approval_id, now, among=_REFUSABLE)
        decided = approvals.refuse(session, actor, kind, approval_id, reason=body.reason, now=now)
        return Answer.of(ApprovalOut.of(decided))

    return _decided(wired, actor, approval_id, request, work)


def _kind_of(session: Session, approval_id: UUID, now: datetime, *, among: Sequence[Kind] = _KINDS) -> Kind:
    """Return the kind of a request, if it is one that is decided here.

    Raises:
        UnknownApproval: Nobody asked for this here (404).
    """
    name = approvals.find(session, approval_id, now).kind
    for kind in among:
        if kind.name == name:
            return kind
    raise UnknownApproval


def ask_second(
    wired: Wiring, actor: Actor, request: KeyedRequest, present: Present, now: datetime
) -> Response:
    """Turn a present that one person may not give alone into a request for a second one (202).

    Raises:
        RateLimited: The person has prepared too many in a day (429).
    """

    def work(session: Session) -> Answer:
        wired.limits.hit(session, MANUAL_CREDIT.keyed(identity=str(actor.subject)), now)
        asked = approvals.ask(session, actor, GOODWILL, present.asked, weight=present.points, now=now)
        return Answer.of(ApprovalOut.of(asked), HTTPStatus.ACCEPTED)

    return run_once(wired, request, work, now=now)


def _decided(
    wired: Wiring,
    actor: Actor,
    approval_id: UUID,
    request: KeyedRequest,
    work: Callable[[Session], Answer],
) -> Response:
    now = wired.clock.now()
    try:
        return run_once(wired, request, work, now=now)
    except SelfApproval:
        # What it tried was undone with its transaction; that it tried is kept.
        wired.database.run(lambda session: approvals.record_attempt(session, actor, approval_id, now))
        raise
