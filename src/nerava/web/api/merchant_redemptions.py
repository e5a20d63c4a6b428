"""What was redeemed at the signed-in merchant, and refunds."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, Field

from nerava.identity.guard import TenantId
from nerava.identity.roles import Role
from nerava.kernel.ids import fact_id
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates import ADJUSTMENT_APPROVAL_ABOVE
from nerava.ledger.templates.redemption_refund import RefundAboveCaptured
from nerava.merchants import queries, refunding
from nerava.merchants.errors import (
    AlreadySettled,
    NotRefundable,
    RedemptionRefused,
    RefundNotYours,
    UnknownRedemption,
)
from nerava.merchants.queries import RedemptionState, RedemptionView, RefundView
from nerava.merchants.refunding import Counter, Refunded
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.tills.showing import proofs_of
from nerava.web.api.audited import Acting
from nerava.web.api.fields import AmountMinor, Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.places import after_instant, instant_cursor
from nerava.web.api.till_proofs import TillProofOut
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.tills.showing import ProofView

routes: Final = router("merchant: redemptions")

HOUSE: Final = ("merchant:owner", "merchant:manager")
MANAGER_REFUND_MAX: Final = ADJUSTMENT_APPROVAL_ABOVE
"""How many Nova a manager gives back at once; the owner has no limit but what was taken."""

_READS: Final = Policy(roles=HOUSE, scope="merchant:read")


class TakenOut(BaseModel):
    """A code that was taken. Whose it was stays with the house."""

    id: UUID
    offer_id: UUID
    offer_title: str
    state: RedemptionState
    points: int | None
    refunded: int
    bill_minor: int | None
    pos_order_id: str | None
    register_id: UUID | None
    site_id: UUID | None
    captured_at: datetime | None
    ended_at: datetime | None
    proof: TillProofOut | None = Field(
        default=None, description="An order at a linked point of sale; null where none is linked"
    )

    @classmethod
    def of(cls, found: RedemptionView, proof: ProofView | None = None) -> TakenOut:
        """Return what the merchant sees of a redemption."""
        facts = {name: getattr(found, name) for name in TakenOut.model_fields if name != "proof"}
        return cls(**facts, proof=TillProofOut.of(proof))


class GivenBackOut(BaseModel):
    """Points that went back to the driver; a void is a refund of everything within a minute."""

    id: UUID
    kind: str
    points: int
    refunded_at: datetime

    @classmethod
    def of(cls, found: RefundView) -> GivenBackOut:
        """Return what the merchant sees of a refund."""
        return cls(id=found.id, kind=found.kind, points=found.points, refunded_at=found.refunded_at)


class TakenInFullOut(TakenOut):
    """A code that was taken, and everything that was given back of it."""

    refunds: list[GivenBackOut]


class RefundIn(Body):
    """How much goes back to the driver."""

    points: AmountMinor | None = Field(default=None, description="In Nova; without it all that is left")


class RefundOut(BaseModel):
    """What went back to the driver, and what still stands."""

    refund_id: UUID
    redemption_id: UUID
    points: int = Field(description="Nova that went back now")
    left: int = Field(description="Nova that the merchant keeps")
    state: RedemptionState
    refunded_at: datetime

    @classmethod
    def of(cls, given: Refunded) -> RefundOut:
        """Return the wire form of a refund."""
        return cls(
            refund_id=given.refund_id,
            redemption_id=given.redemption_id,
            points=given.points,
            left=given.left,
            state=given.state,
            refunded_at=given.refunded_at,
        )


@routes.get("/merchant/redemptions", summary="What was redeemed")
@guarded(_READS)
def redeemed(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[TakenOut]:
    """Return every code that was taken at the merchant, the latest first."""
    before = after_instant(cursor)

    def look(session: Session) -> Page[TakenOut]:
        found = queries.redemptions_at(session, merchant_id, before=before, limit=limit)
        return taken_page(session, found, limit)

    return wired.database.read(look)


@routes.get(
    "/merchant/redemptions/{redemption_id}",
    summary="One redemption with its refunds",
    responses=problems(UnknownRedemption),
)
@guarded(_READS)
def redemption(redemption_id: UUID, merchant_id: TenantId, wired: Wired) -> TakenInFullOut:
    """Return a code that was taken, and what was given back of it."""

    def look(session: Session) -> TakenInFullOut:
        found = queries.redemption_of_merchant(session, merchant_id, redemption_id)
        refunds = [GivenBackOut.of(one) for one in queries.refunds_of(session, redemption_id)]
        proof = proofs_of(session, [redemption_id]).get(redemption_id)
        return TakenInFullOut(**TakenOut.of(found, proof).model_dump(), refunds=refunds)

    return wired.database.read(look)


@routes.post(
    "/merchant/redemptions/{redemption_id}/refunds",
    summary="Give Nova back",
    response_model=RefundOut,
    responses=problems(
        UnknownRedemption,
        NotRefundable,
        RefundAboveCaptured,
        RefundNotYours,
        AlreadySettled,
        RedemptionRefused,
        SwitchedOff,
    ),
)
@guarded(Policy(roles=HOUSE, scope="redemptions:refund", repeats=Repeats.KEY_REQUIRED))
def refund(
    redemption_id: UUID,
    body: RefundIn,
    merchant_id: TenantId,
    actor: Acting,
    *,
    request: Keyed,
    wired: Wired,
    now: Now,
) -> Response:
    """Give a redemption back, in full or in part, never above what was taken. Repeats safely.

    The points return with the expiry they had. A manager gives back up to 10,000 Nova at once.
    """
    refund_id = fact_id(f"refund:{request.principal}:{request.key}")

    def work(session: Session) -> Answer:
        counter = Counter(merchant_id, actor.name)
        given = refunding.refund(
            session, wired.ledger, counter, redemption_id, refund_id=refund_id, points=body.points, now=now
        )
        if actor.acting.role is Role.MERCHANT_MANAGER and given.points > MANAGER_REFUND_MAX:
            raise RefundNotYours(f"a manager gives back up to {MANAGER_REFUND_MAX} Nova at once")
        told = actor.entry(
            "redemption.refunded",
            "redemption",
            redemption_id,
            after={"refund_id": str(refund_id), "points": given.points, "left": given.left},
        )
        wired.audit.record(session, told, now)
        return Answer.of(RefundOut.of(given))

    return run_once(wired, request, work, now=now)


def taken_page(session: Session, found: list[RedemptionView], limit: int) -> Page[TakenOut]:
    """Return a page of redemptions with the orders that prove them, the latest first."""
    proofs = proofs_of(session, [one.id for one in found])
    last = found[-1] if len(found) == limit else None
    at = last.captured_at if last is not None else None
    return Page(
        items=[TakenOut.of(one, proofs.get(one.id)) for one in found],
        next_cursor=instant_cursor(at, last.id) if last is not None and at is not None else None,
    )
