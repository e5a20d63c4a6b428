"""A driver's referral code, who came by it, and the driver's tier."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import SignedIn, TenantId
from nerava.platform.idempotency import Answer
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.rewards.errors import AlreadyReferred, OwnReferralCode, ReferralTooLate, UnknownReferralCode
from nerava.rewards.referrals import make_code, name_referrer, own_referrals
from nerava.rewards.rules.tier import TierName
from nerava.rewards.tiers import tier_now
from nerava.web.api.fields import Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("referrals")

_READS: Final = Policy(roles=("driver",), scope="wallet:read")


class ReferralOut(BaseModel):
    """A referral. Neither of the two is told who the other one is."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    state: str = Field(description="invited, qualified, rewarded or refused")
    text: str = Field(description="Why, in plain words")
    named_at: datetime
    rewarded_at: datetime | None


class OwnReferralsOut(BaseModel):
    """My code, by whom I came, and who came by me."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    named: ReferralOut | None = Field(description="What came of my naming somebody")
    referred: list[ReferralOut] = Field(description="Who named me, the newest first")


class ReferralIn(Body):
    """The code of whoever told a new driver."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Za-z]{8}$")]


class TierOut(BaseModel):
    """My tier."""

    model_config = ConfigDict(from_attributes=True)

    tier: TierName
    points: int = Field(description="Earned by charging in the last 365 days, less what was taken back")
    next_tier: TierName | None
    points_missing: int


@routes.get("/referral", summary="My referral code")
@guarded(_READS)
def my_referrals(driver_id: TenantId, wired: Wired, now: Now) -> OwnReferralsOut:
    """Return the code, made at the first look, and what became of those who named it."""
    found = wired.database.read(lambda session: own_referrals(session, driver_id))
    if found is None:
        wired.database.run(lambda session: make_code(session, driver_id, now), repeatable=True)
        found = wired.database.read(lambda session: own_referrals(session, driver_id))
    return OwnReferralsOut.model_validate(found)


@routes.post(
    "/referral",
    summary="Say who told me",
    status_code=HTTPStatus.CREATED,
    response_model=ReferralOut,
    responses=problems(UnknownReferralCode, OwnReferralCode, AlreadyReferred, ReferralTooLate),
)
@guarded(Policy(roles=("driver",), scope="profile:write", repeats=Repeats.KEY_REQUIRED))
def name_somebody(
    body: ReferralIn, driver_id: TenantId, caller: SignedIn, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Name whoever told me, once, within 14 days of my sign-up. After my first charge both get 500 Nova."""

    def work(session: Session) -> Answer:
        view = name_referrer(session, referee_id=driver_id, subject=caller.subject, code=body.code, now=now)
        return Answer.of(ReferralOut.model_validate(view), HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.get("/me/tier", summary="My tier")
@guarded(_READS)
def my_tier(driver_id: TenantId, wired: Wired, now: Now) -> TierOut:
    """Return Bronze, Silver (100), Gold (300) or Platinum (700), counted from what stands of my grants."""
    return TierOut.model_validate(wired.database.read(lambda session: tier_now(session, driver_id, now)))
