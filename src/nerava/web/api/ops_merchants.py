"""Ops make merchants known, and stop and let them go on; their people come by roles and invitations."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import Field

from nerava.ledger.templates import MERCHANT_FEE_BPS
from nerava.merchants import service
from nerava.merchants.errors import TimezoneUnknown, UnknownMerchant
from nerava.merchants.service import MerchantState, NewMerchant
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting, Actor
from nerava.web.api.fields import Body, Name
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.merchant_house import MerchantOut
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.web.api.wiring import Wiring

routes: Final = router("ops: merchants")

_OPS: Final = ("ops:support", "ops:finance", "ops:admin")
_READS: Final = Policy(roles=_OPS, scope="merchants:read")
_CHANGES: Final = Policy(roles=("ops:admin",), scope="merchants:write", repeats=Repeats.BY_MEANING)


class MerchantIn(Body):
    """A merchant that is to take Nova, in the operator's currency."""

    name: Name
    timezone: Annotated[str, Field(min_length=1, max_length=64)] = Field(
        description="IANA name, for example America/Chicago; days and periods are read in it"
    )
    claim_fee_minor: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = Field(
        default=None, description="What a claimed perk costs; null: what the installation says"
    )
    fee_bps: Annotated[int, Field(strict=True, ge=0, le=9_000)] = Field(
        default=MERCHANT_FEE_BPS, description="The platform's share of what is redeemed, in basis points"
    )


class ReasonIn(Body):
    """Why, for the audit log; no names of people, no contacts."""

    reason: Name


@routes.get("/ops/merchants", summary="The merchants")
@guarded(_READS)
def merchants(wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT) -> Page[MerchantOut]:
    """Return every merchant, the oldest first."""
    after = after_id(cursor)
    found = wired.database.read(lambda session: service.merchants(session, after=after, limit=limit))
    return page_by_id([MerchantOut.of(one) for one in found], limit)


@routes.post(
    "/ops/merchants",
    summary="Make a merchant known",
    status_code=HTTPStatus.CREATED,
    response_model=MerchantOut,
    responses=problems(TimezoneUnknown),
)
@guarded(Policy(roles=("ops:admin",), scope="merchants:write", repeats=Repeats.KEY_ACCEPTED))
def create(body: MerchantIn, actor: Acting, *, request: Keyed, wired: Wired, now: Now) -> Response:
    """Open a merchant's accounts. Then give somebody the role of its owner, who invites the others."""
    fee = wired.redeeming.claim_fee_minor if body.claim_fee_minor is None else body.claim_fee_minor
    new = NewMerchant(
        name=body.name,
        currency=wired.currency,
        timezone=body.timezone,
        claim_fee_minor=fee,
        fee_bps=body.fee_bps,
    )

    def work(session: Session) -> Answer:
        merchant_id = service.create_merchant(session, wired.ledger, new, now)
        told = actor.entry(
            "merchant.created", "merchant", merchant_id, tenant_id=merchant_id, after=body.model_dump()
        )
        wired.audit.record(session, told, now)
        return Answer.of(MerchantOut.of(service.merchant(session, merchant_id)), HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.get("/ops/merchants/{merchant_id}", summary="One merchant", responses=problems(UnknownMerchant))
@guarded(_READS)
def merchant(merchant_id: UUID, wired: Wired) -> MerchantOut:
    """Return a merchant."""
    return MerchantOut.of(wired.database.read(lambda session: service.merchant(session, merchant_id)))


@routes.post(
    "/ops/merchants/{merchant_id}/suspend", summary="Suspend a merchant", responses=problems(UnknownMerchant)
)
@guarded(_CHANGES)
def suspend(merchant_id: UUID, body: ReasonIn, actor: Acting, wired: Wired, now: Now) -> MerchantOut:
    """Show none of its offers and give no codes for them; codes that are open are taken. Repeats safely."""
    return _moved(wired, actor, merchant_id, MerchantState.SUSPENDED, reason=body.reason, now=now)


@routes.post(
    "/ops/merchants/{merchant_id}/reopen",
    summary="Let a merchant go on",
    responses=problems(UnknownMerchant),
)
@guarded(_CHANGES)
def reopen(merchant_id: UUID, body: ReasonIn, actor: Acting, wired: Wired, now: Now) -> MerchantOut:
    """Show its live offers again. Repeats safely."""
    return _moved(wired, actor, merchant_id, MerchantState.ACTIVE, reason=body.reason, now=now)


def _moved(
    wired: Wiring, actor: Actor, merchant_id: UUID, state: MerchantState, *, reason: str, now: datetime
) -> MerchantOut:
    def work(session: Session) -> MerchantOut:
        if service.set_state(session, merchant_id, state):
            told = actor.entry(
                f"merchant.{state}",
                "merchant",
                merchant_id,
                tenant_id=merchant_id,
                reason=reason,
                after={"state": state},
            )
            wired.audit.record(session, told, now)
        return MerchantOut.of(service.merchant(session, merchant_id))

    return wired.database.run(work)
