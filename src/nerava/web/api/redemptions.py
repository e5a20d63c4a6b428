"""Drivers redeem: show a code, see what became of it, withdraw it."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Depends, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from nerava.identity.guard import SignedIn, TenantId, principal_of, tenant_of
from nerava.kernel.errors import NeravaError
from nerava.ledger import Status
from nerava.ledger.stops import SwitchedOff
from nerava.merchants import queries
from nerava.merchants.board import CodeFacts
from nerava.merchants.code_text import in_groups
from nerava.merchants.codes import CodeKind
from nerava.merchants.counting import CountCode
from nerava.merchants.errors import (
    CodeAlreadyShown,
    CodeAlreadyUsed,
    InsufficientNova,
    OfferNotAvailable,
    RedemptionRefused,
    SoldOut,
    UnknownOffer,
    UnknownRedemption,
)
from nerava.merchants.offers import OfferKind, OfferState
from nerava.merchants.queries import RedemptionState, RedemptionView
from nerava.merchants.showing import (
    InsertRedemption,
    ShownCode,
    expire_open,
    redemption_id_of,
    refuse_if_off,
    withdraw,
)
from nerava.platform.client_address import Client, client_address
from nerava.platform.idempotency import Answer, KeyReusedWithOtherBody, Replay
from nerava.platform.limit_numbers import CODE_ISSUE
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.tills.showing import proofs_of
from nerava.web.api.keyed import Outcome, keyed_of
from nerava.web.api.places import after_instant, instant_cursor
from nerava.web.api.posting import post_once, refuse_once
from nerava.web.api.till_proofs import TillProofOut
from nerava.web.api.wiring import Now, Wired, router, wiring_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.ledger import Effect, Verdict
    from nerava.platform.idempotency import KeyedRequest
    from nerava.platform.idempotency_store import Given
    from nerava.tills.showing import ProofView
    from nerava.web.api.wiring import Wiring

routes: Final = router("redemptions")

_READS: Final = Policy(roles=("driver",), scope="redemptions:read")
_SHOWS: Final = Policy(roles=("driver",), scope="redemptions:write", repeats=Repeats.KEY_REQUIRED)

_NO_CODE: Final = b'"code":null'


async def _place(request: Request, wired: Wired) -> Client:
    return client_address(request, wired.trusted_proxies)


Place = Annotated[Client, Depends(_place)]
"""Where the request comes from."""


class RedemptionOut(BaseModel):
    """A code and what became of it; `held` is open until `expires_at`. Amounts in Nova and minor units."""

    code: str | None = Field(description="To be shown at the register; null once it cannot be taken any more")
    id: UUID
    offer_id: UUID
    offer_title: str
    merchant_id: UUID
    merchant_name: str
    price_nova: int
    state: RedemptionState
    shown_at: datetime
    expires_at: datetime
    points: int | None = Field(
        default=None, description="What was taken; less than the price where the bill was"
    )
    refunded: int = Field(default=0, description="Of that, given back since")
    bill_minor: int | None = None
    captured_at: datetime | None = None
    ended_at: datetime | None = Field(default=None, description="Withdrawn, expired, voided or all refunded")
    proof: TillProofOut | None = Field(
        default=None, description="The order at the till that it belongs to; null where nobody looks for one"
    )

    @classmethod
    def of(
        cls, found: RedemptionView, code: str | None = None, proof: ProofView | None = None
    ) -> RedemptionOut:
        """Return what the driver sees of a redemption."""
        return cls(
            code=code,
            id=found.id,
            offer_id=found.offer_id,
            offer_title=found.offer_title,
            merchant_id=found.merchant_id,
            merchant_name=found.merchant_name,
            price_nova=found.price_nova,
            state=found.state,
            shown_at=found.shown_at,
            expires_at=found.expires_at,
            points=found.points,
            refunded=found.refunded,
            bill_minor=found.bill_minor,
            captured_at=found.captured_at,
            ended_at=found.ended_at,
            proof=TillProofOut.of(proof),
        )


@routes.post(
    "/offers/{offer_id}/redemptions",
    summary="Redeem an offer: get a code",
    status_code=HTTPStatus.CREATED,
    response_model=RedemptionOut,
    responses=problems(
        UnknownOffer,
        OfferNotAvailable,
        InsufficientNova,
        SoldOut,
        CodeAlreadyShown,
        RedemptionRefused,
        SwitchedOff,
    ),
)
@guarded(_SHOWS)
async def show(offer_id: UUID, asked: Request) -> Response:
    """Hold the offer's price and get a code for the register, good for ten minutes.

    The same key gets the same code. Nobody takes anything without it, and if nobody does, the Nova are back.
    """
    wired, caller, driver_id = wiring_of(asked), principal_of(asked), tenant_of(asked)
    request, now = await keyed_of(asked), wired.clock.now()
    redeeming = wired.redeeming
    found = redeeming.board.known_offer(offer_id, now)
    if found is None:
        found = await run_in_threadpool(redeeming.board.read_offer, offer_id, now)
    if found.offer.state is OfferState.DRAFT:
        raise UnknownOffer(f"no offer {offer_id}")
    redemption_id = redemption_id_of(request.principal, request.key)
    made = redeeming.codes.make(CodeKind.REDEMPTION, redemption_id)
    shown = ShownCode(redemption_id, driver_id, found, made, now, now + redeeming.code_life)
    effects: list[Effect] = [InsertRedemption(shown)]
    if redeeming.counts_codes:
        hits = CODE_ISSUE.keyed(identity=str(driver_id), client=client_address(asked, wired.trusted_proxies))
        effects.append(CountCode(wired.limits, tuple(hits), now))
    try:
        refuse_if_off(found, OfferKind.DISCOUNT, now)
        given = await _posted(wired, request, shown, effects, actor=caller.actor)
    except NeravaError as refusal:
        given = await run_in_threadpool(refuse_once, wired, request, refusal, now=now)
    if _NO_CODE not in given.answer.body:
        return given.answer.response(given.replay)
    code: str | None = made.text
    if given.replay is Replay.FIRST:
        redeeming.board.remember_code(
            made.hash, CodeFacts(redemption_id, found.merchant.id, shown.price_nova), now
        )
    else:
        code = await run_in_threadpool(_made_before, wired, driver_id, redemption_id)
    # Codes are stored nowhere: a repetition makes it again.
    spelt = _NO_CODE if code is None else b'"code":"' + in_groups(code).encode() + b'"'
    answer = Answer(
        given.answer.status, given.answer.body.replace(_NO_CODE, spelt, 1), given.answer.content_type
    )
    return answer.response(given.replay)


@routes.get("/redemptions", summary="My redemptions")
@guarded(_READS)
def my_redemptions(
    driver_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[RedemptionOut]:
    """Return what the driver redeemed, the latest code first; without the codes."""
    before = after_instant(cursor)

    def look(session: Session) -> Page[RedemptionOut]:
        found = queries.redemptions_of_driver(session, driver_id, before=before, limit=limit)
        proofs = proofs_of(session, [one.id for one in found])
        return Page(
            items=[RedemptionOut.of(one, proof=proofs.get(one.id)) for one in found],
            next_cursor=instant_cursor(found[-1].shown_at, found[-1].id) if len(found) == limit else None,
        )

    return wired.database.read(look)


@routes.get(
    "/redemptions/{redemption_id}", summary="One of my redemptions", responses=problems(UnknownRedemption)
)
@guarded(_READS)
def my_redemption(redemption_id: UUID, driver_id: TenantId, wired: Wired, now: Now) -> RedemptionOut:
    """Return what became of a code, and the code itself as long as it can be taken."""

    def look(session: Session) -> tuple[RedemptionView, ProofView | None]:
        found = queries.redemption_of_driver(session, driver_id, redemption_id)
        return found, proofs_of(session, [redemption_id]).get(redemption_id)

    found, proof = wired.database.read(look)
    code = None
    if found.state is RedemptionState.HELD and now < found.expires_at:
        code = wired.redeeming.codes.again(CodeKind.REDEMPTION, found.id, found.key_id)
    return RedemptionOut.of(found, None if code is None else in_groups(code), proof)


@routes.delete(
    "/redemptions/{redemption_id}",
    summary="Withdraw a code",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownRedemption, CodeAlreadyUsed, RedemptionRefused, SwitchedOff),
)
@guarded(Policy(roles=("driver",), scope="redemptions:write", repeats=Repeats.BY_MEANING))
def withdraw_code(redemption_id: UUID, driver_id: TenantId, caller: SignedIn, wired: Wired, now: Now) -> None:
    """End a code that nobody took; its Nova can be spent at once. Repeats safely."""
    withdraw(wired.database, wired.ledger, driver_id, redemption_id, actor=caller.actor, now=now)


def _made_before(wired: Wiring, driver_id: UUID, redemption_id: UUID) -> str | None:
    """Return a code that was made for an earlier request, maybe under another version of the secret."""
    found = wired.database.read(
        lambda session: queries.redemption_of_driver(session, driver_id, redemption_id)
    )
    return wired.redeeming.codes.again(CodeKind.REDEMPTION, redemption_id, found.key_id)


async def _posted(
    wired: Wiring, request: KeyedRequest, shown: ShownCode, effects: list[Effect], *, actor: str
) -> Given:
    """Post the hold; where an older code that ran out stands in the way, end that first."""
    now = shown.shown_at
    outcome = _outcome(shown)
    try:
        return await post_once(wired, request, shown.chain(actor=actor), outcome, now=now, effects=effects)
    except CodeAlreadyShown:
        merchant_id = shown.on_offer.merchant.id
        over = await run_in_threadpool(
            expire_open, wired.database, wired.ledger, shown.driver_id, merchant_id, now
        )
        if not over:
            raise
    return await post_once(wired, request, shown.chain(actor=actor), outcome, now=now, effects=effects)


def _outcome(shown: ShownCode) -> Outcome:
    offer, merchant = shown.on_offer.offer, shown.on_offer.merchant

    def told(verdict: Verdict) -> Answer | NeravaError:
        if verdict.status is Status.CONFLICT:
            return KeyReusedWithOtherBody()
        if not verdict.ok:
            return shown.refused(verdict)
        out = RedemptionOut(
            code=None,
            id=shown.redemption_id,
            offer_id=offer.id,
            offer_title=offer.terms.title,
            merchant_id=merchant.id,
            merchant_name=merchant.name,
            price_nova=shown.price_nova,
            state=RedemptionState.HELD,
            shown_at=shown.shown_at,
            expires_at=shown.expires_at,
        )
        return Answer.of(out, HTTPStatus.CREATED)

    return told
