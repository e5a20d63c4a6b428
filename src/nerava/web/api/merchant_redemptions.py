"""What was redeemed at the signed-in merchant, and refunds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Depends
from pydantic import BaseModel, Field
from starlette.responses import Response

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
from nerava.merchants.refunding import VOID_WITHIN, Counter, Refunded
from nerava.merchants.service import merchant
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.privacy.csv_cells import csv_text
from nerava.tills.showing import proofs_of
from nerava.web.api.audited import Acting
from nerava.web.api.fields import AmountMinor, Body, Day
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.places import after_instant, instant_cursor
from nerava.web.api.till_proofs import TillProofOut
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.tills.showing import ProofView

routes: Final = router("merchant: redemptions")

CSV: Final = "text/csv; charset=utf-8"
CSV_ROWS_MAX: Final = 10_000
COLUMNS: Final = (
    "redeemed_at",
    "offer",
    "state",
    "nova",
    "nova_given_back",
    "bill_minor",
    "order",
    "register_id",
    "redemption_id",
)

HOUSE: Final = ("merchant:owner", "merchant:manager")
MANAGER_REFUND_MAX: Final = ADJUSTMENT_APPROVAL_ABOVE
"""How many Nova a manager gives back at once; the owner has no limit but what was taken."""

_WORKED_OUT: Final = frozenset({"void_until", "proof"})
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
    void_until: datetime | None = Field(
        description="Until then the register that took it can take it back; null once nothing can be"
    )
    proof: TillProofOut | None = Field(
        default=None, description="An order at a linked point of sale; null where none is linked"
    )

    @classmethod
    def of(cls, found: RedemptionView, proof: ProofView | None = None) -> TakenOut:
        """Return what the merchant sees of a redemption."""
        facts = {name: getattr(found, name) for name in TakenOut.model_fields if name not in _WORKED_OUT}
        at = found.captured_at if found.state is RedemptionState.CAPTURED else None
        void_until = None if at is None else at + VOID_WITHIN
        return cls(**facts, void_until=void_until, proof=TillProofOut.of(proof))


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


@dataclass(frozen=True, slots=True)
class Filter:
    """Which redemptions of a merchant are asked for; what is not named is not asked about.

    Attributes:
        day: A day of the merchant's calendar.
    """

    day: Day | None = None
    register_id: UUID | None = None
    offer_id: UUID | None = None

    def found(
        self, session: Session, merchant_id: UUID, *, before: queries.Place | None, limit: int
    ) -> list[RedemptionView]:
        """Return them, the latest first."""
        since, until = (None, None) if self.day is None else merchant(session, merchant_id).day_of(self.day)
        return queries.redemptions_at(
            session,
            merchant_id,
            register_id=self.register_id,
            offer_id=self.offer_id,
            since=since,
            until=until,
            before=before,
            limit=limit,
        )


@routes.get("/merchant/redemptions", summary="What was redeemed")
@guarded(_READS)
def redeemed(
    merchant_id: TenantId,
    wired: Wired,
    asked: Annotated[Filter, Depends()],
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[TakenOut]:
    """Return every code that was taken at the merchant, or of those what is asked for; the latest first."""
    before = after_instant(cursor)

    def look(session: Session) -> Page[TakenOut]:
        found = asked.found(session, merchant_id, before=before, limit=limit)
        return taken_page(session, found, limit)

    return wired.database.read(look)


@routes.get(
    "/merchant/redemptions.csv",
    summary="What was redeemed, as CSV",
    response_class=Response,
    responses={
        200: {
            "content": {"text/csv": {"schema": {"type": "string"}}},
            "description": "One redemption a line, the latest first, at most 10,000; instants in UTC",
        }
    },
)
@guarded(_READS)
def redeemed_csv(merchant_id: TenantId, wired: Wired, asked: Annotated[Filter, Depends()]) -> Response:
    """Return what is asked for of the codes that were taken; no cell is a formula."""

    def look(session: Session) -> str:
        found = asked.found(session, merchant_id, before=None, limit=CSV_ROWS_MAX)
        return csv_text(COLUMNS, [_cells(one) for one in found])

    named = f'attachment; filename="redemptions{f"-{asked.day}" if asked.day else ""}.csv"'
    return Response(wired.database.read(look), media_type=CSV, headers={"Content-Disposition": named})


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


def _cells(one: RedemptionView) -> list[str]:
    cells = (
        None if one.captured_at is None else one.captured_at.isoformat(),
        one.offer_title,
        one.state.value,
        one.points,
        one.refunded,
        one.bill_minor,
        one.pos_order_id,
        one.register_id,
        one.id,
    )
    return ["" if cell is None else str(cell) for cell in cells]
