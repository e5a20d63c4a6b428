"""The signed-in merchant's day: what was redeemed, and how it stands with us."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, Field

from nerava.identity.guard import TenantId
from nerava.kernel.money import split_fee
from nerava.ledger.chart import merchant_nova, merchant_payable, merchant_receivable
from nerava.ledger.reads import balance_now
from nerava.merchants.errors import UnknownMerchant
from nerava.merchants.service import merchant
from nerava.merchants.totals import redeemed_in
from nerava.platform.policy import Policy, guarded
from nerava.platform.problem import problems
from nerava.web.api.merchant_redemptions import HOUSE
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("merchant")


class TodayOut(BaseModel):
    """A merchant's day so far, and what is owed either way; the day is the merchant's."""

    day: date
    currency: str
    redemptions: int = Field(description="Codes that were taken today")
    captured: int = Field(description="Nova that they came to")
    refunded: int = Field(description="Nova that were given back today, of whichever redemptions")
    claims: int = Field(description="Perks that were claimed today")
    unsettled_points: int = Field(description="Nova that were taken and not settled yet")
    unsettled_net_minor: int = Field(description="What they come to after the fee, if nothing is given back")
    payable_minor: int = Field(description="What was settled and is not paid out yet")
    owes_minor: int = Field(description="Fees of claims that the merchant has not paid, invoiced or not")


@routes.get("/merchant/today", summary="My day so far", responses=problems(UnknownMerchant))
@guarded(Policy(roles=HOUSE, scope="merchant:read"))
def my_day(merchant_id: TenantId, wired: Wired, now: Now) -> TodayOut:
    """Return what was redeemed today and how the merchant stands with us."""

    def look(session: Session) -> TodayOut:
        whose = merchant(session, merchant_id)
        since = whose.today_began_at(now)
        totals = redeemed_in(session, merchant_id, since, now + timedelta(microseconds=1))
        taken = balance_now(session, merchant_nova(merchant_id)).posted
        return TodayOut(
            day=since.date(),
            currency=whose.currency,
            redemptions=totals.redemptions,
            captured=totals.captured,
            refunded=totals.refunded,
            claims=totals.claims,
            unsettled_points=taken,
            unsettled_net_minor=split_fee(taken, whose.fee_bps).net,
            payable_minor=balance_now(session, merchant_payable(merchant_id)).posted,
            owes_minor=-balance_now(session, merchant_receivable(merchant_id)).posted,
        )

    return wired.database.read(look)
