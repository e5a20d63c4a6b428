"""Ops see refunds at tills that gave no points back, and say when they have seen to one."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import NotFound, problems
from nerava.tills.owing import close, owing
from nerava.web.api.audited import Acting
from nerava.web.api.ops_payouts import ReasonIn
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("ops: queues")


class TillRefundOut(BaseModel):
    """Money that went back at a till without points: the merchant was settled, and holds too few."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    merchant_id: UUID
    driver_id: UUID
    redemption_id: UUID
    amount_minor: int = Field(description="What went back, in minor units of `currency`")
    paid_minor: int = Field(description="What the order had brought")
    currency: str | None
    points: int = Field(
        description="What the redemption took; the driver was to get the refund's share of it"
    )
    told_at: datetime


@routes.get("/ops/till-refunds", summary="Refunds at tills without points")
@guarded(Policy(roles=("ops:support", "ops:finance"), scope="queues:read"))
def till_refunds(wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT) -> Page[TillRefundOut]:
    """Return the refunds that gave nothing back and wait for a person, the oldest first."""
    after = after_id(cursor)

    def look(session: Session) -> list[TillRefundOut]:
        return [TillRefundOut.model_validate(one) for one in owing(session, after=after, limit=limit)]

    return page_by_id(wired.database.read(look), limit)


@routes.post(
    "/ops/till-refunds/{refund_id}/close",
    summary="Close a refund without points",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NotFound),
)
@guarded(Policy(roles=("ops:finance",), scope="queues:write", repeats=Repeats.BY_MEANING))
def close_till_refund(refund_id: UUID, body: ReasonIn, actor: Acting, wired: Wired, now: Now) -> None:
    """Say what was done about it, such as a present to the driver. No points are moved here."""

    def work(session: Session) -> None:
        if not close(session, refund_id):
            raise NotFound
        told = actor.entry("till_refund.close", "till_refund", refund_id, reason=body.reason)
        wired.audit.record(session, told, now)

    wired.database.run(work)
