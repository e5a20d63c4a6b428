"""The register: take a code, take that back within a minute, see what was taken here today."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from nerava.identity.guard import TenantId, principal_of, tenant_of
from nerava.kernel.errors import NeravaError
from nerava.ledger import Status
from nerava.ledger.stops import SwitchedOff
from nerava.merchants import queries, refunding
from nerava.merchants.capturing import MarkCaptured, RefuseGuessers, Taking, why_over
from nerava.merchants.code_text import read
from nerava.merchants.codes import CodeKind
from nerava.merchants.errors import (
    AlreadySettled,
    CodeAlreadyUsed,
    CodeExpired,
    CodeMistyped,
    CodeWithdrawn,
    NotRefundable,
    PosOrderTaken,
    RedemptionRefused,
    TooLateToVoid,
    UnknownCode,
    UnknownRedemption,
    UnknownRegister,
)
from nerava.merchants.refunding import VOID_WITHIN, Counter
from nerava.merchants.service import RegisterState, merchant, register, registers
from nerava.platform.client_address import client_address
from nerava.platform.idempotency import Answer
from nerava.platform.limit_numbers import CAPTURE_WRONG
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, Outcome, keyed_of, run_once
from nerava.web.api.merchant_redemptions import RefundOut, TakenOut, taken_page
from nerava.web.api.places import after_id, after_instant
from nerava.web.api.posting import post_once, refuse_once
from nerava.web.api.wiring import Now, Wired, router, wiring_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.ledger import Verdict
    from nerava.merchants.board import CodeFacts
    from nerava.platform.idempotency import KeyedRequest
    from nerava.platform.idempotency_store import Given
    from nerava.platform.limits import Hit
    from nerava.web.api.wiring import Wiring

routes: Final = router("register")

TILL: Final = ("merchant:register", "merchant:manager", "merchant:owner")

_READS: Final = Policy(roles=TILL, scope="register:read")
_TAKES: Final = Policy(roles=TILL, scope="register:redeem", repeats=Repeats.KEY_REQUIRED)

PosOrderId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/#-]{0,79}$")]


class CaptureIn(Body):
    """A code that a driver shows, at one of the merchant's registers."""

    code: Annotated[str, Field(min_length=1, max_length=40)] = Field(
        description="As it is shown or typed: any case, hyphens or none, O for 0, I and L for 1"
    )
    register_id: UUID
    bill_minor: AmountMinor | None = Field(
        default=None, description="What the bill comes to; never more is taken. Without it all of the code"
    )
    pos_order_id: PosOrderId | None = Field(
        default=None, description="The order it pays; an order takes one code"
    )


class CaptureOut(BaseModel):
    """A code that was taken: so much comes off the bill. One Nova is one minor unit."""

    redemption_id: UUID
    register_id: UUID
    points: int = Field(description="Nova that were taken")
    discount_minor: int = Field(description="What comes off the bill, in minor units")
    bill_minor: int | None
    pos_order_id: str | None
    captured_at: datetime
    void_until: datetime = Field(description="Until then this register can take it back")


class VoidIn(Body):
    """The register that took the code."""

    register_id: UUID


class RegisterOut(BaseModel):
    """A terminal at which codes are redeemed."""

    id: UUID
    site_id: UUID
    name: str
    state: RegisterState


@routes.post(
    "/merchant/redemptions/capture",
    summary="Take a code at the register",
    response_model=CaptureOut,
    responses=problems(
        UnknownRegister,
        CodeMistyped,
        UnknownCode,
        CodeExpired,
        CodeWithdrawn,
        CodeAlreadyUsed,
        PosOrderTaken,
        RedemptionRefused,
        SwitchedOff,
    ),
)
@guarded(_TAKES)
async def capture(body: CaptureIn, asked: Request) -> Response:
    """Take the Nova behind a code: its value, or the bill if that is less. Repeat safely with the same key.

    A mistyped code is told apart and does not count; a wrong one does, and too many lock the register.
    """
    wired, caller, merchant_id = wiring_of(asked), principal_of(asked), tenant_of(asked)
    request, now = await keyed_of(asked), wired.clock.now()
    place = client_address(asked, wired.trusted_proxies)
    board = wired.redeeming.board
    hashes = wired.redeeming.codes.hashes(CodeKind.REDEMPTION, read(body.code))
    till = board.known_register(merchant_id, body.register_id, now)
    if till is None:
        till = await run_in_threadpool(board.read_register, merchant_id, body.register_id, now)
    hits = tuple(CAPTURE_WRONG.keyed(target=str(till.id), identity=str(merchant_id), client=place))
    code = board.known_code(hashes) or await run_in_threadpool(board.read_code, hashes)
    if code is None or code.merchant_id != merchant_id:
        await run_in_threadpool(wired.limits.hit_now, hits, now)
        raise UnknownCode
    taking = Taking(code, till, body.bill_minor, body.pos_order_id)
    effects = [RefuseGuessers(wired.limits, hits, now), MarkCaptured(taking)]
    try:
        given = await post_once(
            wired, request, taking.chain(actor=caller.actor), _outcome(taking), now=now, effects=effects
        )
    except UnknownCode:
        given = await run_in_threadpool(_refused_as_over, wired, request, code, hits, now)
    except NeravaError as refusal:
        given = await run_in_threadpool(refuse_once, wired, request, refusal, now=now)
    return given.answer.response(given.replay)


@routes.post(
    "/merchant/redemptions/{redemption_id}/void",
    summary="Take a capture back",
    response_model=RefundOut,
    responses=problems(
        UnknownRedemption, TooLateToVoid, NotRefundable, AlreadySettled, RedemptionRefused, SwitchedOff
    ),
)
@guarded(_TAKES)
def void(
    redemption_id: UUID,
    body: VoidIn,
    merchant_id: TenantId,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Give all of it back, within a minute and at the register that took it. Repeats safely."""

    def work(session: Session) -> Answer:
        counter = Counter(merchant_id, actor.name)
        given = refunding.void(
            session, wired.ledger, counter, redemption_id, register_id=body.register_id, now=now
        )
        told = actor.entry("redemption.voided", "redemption", redemption_id, after={"points": given.points})
        wired.audit.record(session, told, now)
        return Answer.of(RefundOut.of(given))

    return run_once(wired, request, work, now=now)


@routes.get("/merchant/registers", summary="The registers")
@guarded(_READS)
def my_registers(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[RegisterOut]:
    """Return the merchant's registers, closed ones too."""
    after = after_id(cursor)
    found = wired.database.read(lambda session: registers(session, merchant_id, after=after, limit=limit))
    return page_by_id(
        [RegisterOut(id=one.id, site_id=one.site_id, name=one.name, state=one.state) for one in found], limit
    )


@routes.get(
    "/merchant/registers/{register_id}/redemptions",
    summary="What this register took today",
    responses=problems(UnknownRegister),
)
@guarded(_READS)
def taken_today(
    register_id: UUID,
    merchant_id: TenantId,
    *,
    wired: Wired,
    now: Now,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[TakenOut]:
    """Return today's redemptions of one register, the latest first; the day is the merchant's."""
    before = after_instant(cursor)

    def look(session: Session) -> Page[TakenOut]:
        register(session, merchant_id, register_id)
        since = merchant(session, merchant_id).today_began_at(now)
        found = queries.redemptions_at(
            session, merchant_id, register_id=register_id, since=since, before=before, limit=limit
        )
        return taken_page(session, found, limit)

    return wired.database.read(look)


def _outcome(taking: Taking) -> Outcome:
    def told(verdict: Verdict) -> Answer | NeravaError:
        if verdict.status is not Status.POSTED or verdict.posted_at is None:
            return taking.refused(verdict)
        out = CaptureOut(
            redemption_id=taking.code.redemption_id,
            register_id=taking.register.id,
            points=taking.points,
            discount_minor=taking.points,
            bill_minor=taking.bill_minor,
            pos_order_id=taking.pos_order_id,
            captured_at=verdict.posted_at,
            void_until=verdict.posted_at + VOID_WITHIN,
        )
        return Answer.of(out)

    return told


def _refused_as_over(
    wired: Wiring, request: KeyedRequest, code: CodeFacts, hits: tuple[Hit, ...], now: datetime
) -> Given:
    """Tell why a code is over; one that never came to be, because its hold was refused, was a guess."""
    refusal = wired.database.read(lambda session: why_over(session, code.redemption_id))
    if isinstance(refusal, UnknownCode):
        wired.limits.hit_now(hits, now)
    return refuse_once(wired, request, refusal, now=now)
