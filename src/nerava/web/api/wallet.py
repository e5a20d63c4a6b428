"""The wallet of the signed-in driver: what the ledger says, nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal
from uuid import UUID

from fastapi import Request
from pydantic import BaseModel, Field

from nerava.identity.guard import TenantId, tenant_of
from nerava.ledger import UnknownAccount
from nerava.ledger.chart import driver_nova
from nerava.ledger.lot_reads import ExpiringPoints
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.web.api.statements import WalletLineOut, driver_page, page_of_lines
from nerava.web.api.wiring import Wired, router, wiring_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("wallet")

SOON: Final = timedelta(days=30)
LAST_NOTICE: Final = timedelta(days=7)


class ExpiringOut(BaseModel):
    """Points that go away unless they are spent before."""

    points: int
    expires_at: datetime
    days_left: int = Field(description="Whole days until then; 0 on the last one, and when it is overdue")
    notice: Literal["none", "soon", "last"] = Field(
        description="soon: within 30 days; last: within 7; show it to the driver"
    )

    @classmethod
    def of(cls, one: ExpiringPoints, now: datetime) -> ExpiringOut:
        """Return how points that expire are shown."""
        left = one.expires_at - now
        notice: Literal["none", "soon", "last"] = "soon" if left <= SOON else "none"
        return cls(
            points=one.points,
            expires_at=one.expires_at,
            days_left=max(0, left.days),
            notice="last" if left <= LAST_NOTICE else notice,
        )


class WalletOut(BaseModel):
    """What a driver has, in Nova; every one of them is backed by one minor unit of `currency`."""

    driver_id: UUID
    posted: int = Field(description="Earned and not spent")
    available: int = Field(
        description="Of that, free to spend: what is set aside for codes and payouts left out"
    )
    pending: int = Field(description="On its way, waiting for proof; not in `posted`")
    currency: str
    value_minor: int = Field(description="What `available` is worth, in minor units of `currency`")
    sequence: int = Field(description="Number of the last movement this answer knows of")
    expiring: list[ExpiringOut] = Field(description="What expires next, the soonest first")


@routes.get("/wallet", summary="My Nova", responses=problems(UnknownAccount))
@guarded(Policy(roles=("driver",), scope="wallet:read"))
async def wallet(request: Request) -> WalletOut:
    """Return the balance as of one instant, holds and expiry included."""
    wired, driver_id = wiring_of(request), tenant_of(request)
    now = wired.clock.now()
    found = await wired.wallets.of(driver_id)
    balance = found.balance
    return WalletOut(
        driver_id=driver_id,
        posted=balance.posted,
        available=balance.available,
        pending=balance.credits_pending,
        currency=wired.currency,
        value_minor=max(0, balance.available),
        sequence=balance.sequence,
        expiring=[ExpiringOut.of(one, now) for one in found.expiring],
    )


@routes.get("/wallet/statement", summary="What happened to my Nova", responses=problems(UnknownAccount))
@guarded(Policy(roles=("driver",), scope="wallet:read"))
def statement(
    driver_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[WalletLineOut]:
    """Return the movements, newest first. New ones do not shift the pages that follow."""
    code = driver_nova(driver_id)

    def look(session: Session) -> Page[WalletLineOut]:
        return driver_page(session, driver_id, *page_of_lines(session, code, cursor=cursor, limit=limit))

    return wired.database.read(look)
