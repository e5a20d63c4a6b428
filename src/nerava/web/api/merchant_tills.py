"""The points of sale of the signed-in merchant: link one, say which place is which, let it go."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from nerava.identity.guard import TenantId
from nerava.merchants.errors import UnknownMerchant, UnknownSite
from nerava.platform.policy import Policy, Repeats, StepUp, guarded
from nerava.platform.problem import problems
from nerava.tills.errors import TillsOff, TillStateInvalid, UnknownTill, UnknownTillLocation
from nerava.tills.linking import Returned
from nerava.tills.links import end_own, locate, tills_of
from nerava.tills.service import linked
from nerava.tills.states import TillState, WayState
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body
from nerava.web.api.merchant_redemptions import HOUSE
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

routes: Final = router("merchant: tills")

_READS: Final = Policy(roles=HOUSE, scope="merchant:read")
_CHANGES: Final = Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.BY_MEANING)
_LINKS: Final = Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG)
_Word = Annotated[str, Field(min_length=1, max_length=512)]


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class TillLocationOut(_Shown):
    """A location at the provider, and which of the merchant's places it is."""

    id: UUID
    name: str
    site_id: UUID | None = Field(description="null: none; its orders prove no redemption by their amount")


class TillOut(_Shown):
    """A point of sale that is linked."""

    id: UUID
    provider: str
    account: str = Field(description="The provider's name for the seller")
    state: TillState = Field(description="A broken one wants to be linked again; nothing of it is read")
    trouble: str | None
    linked_at: datetime
    locations: list[TillLocationOut]


class TillsOut(BaseModel):
    """A merchant's points of sale, the first linked first."""

    tills: list[TillOut]


class TillLinkOut(BaseModel):
    """Where to send somebody of the merchant."""

    id: UUID
    url: str = Field(description="The provider's page; it sends back to our page with `state`")
    expires_at: datetime


class TillReturnIn(Body):
    """What stood in the address to which the provider sent somebody back."""

    state: _Word
    code: _Word | None = None
    error: Annotated[str, Field(max_length=80)] | None = None


class TillWayOut(_Shown):
    """What came of linking."""

    id: UUID
    state: WayState = Field(description="`done`: it is linked, and its locations are there a moment later")
    trouble: str | None = Field(description="Why it failed")


class TillLocationIn(Body):
    """Which of the merchant's places a location is."""

    site_id: UUID | None = Field(description="null: none of them")


@routes.get("/merchant/tills", summary="My points of sale")
@guarded(_READS)
def my_tills(merchant_id: TenantId, wired: Wired) -> TillsOut:
    """Return what is linked, with the locations that the provider knows."""
    found = wired.database.read(lambda session: tills_of(session, merchant_id))
    return TillsOut(tills=[TillOut.model_validate(one) for one in found])


@routes.post(
    "/merchant/tills",
    summary="Link a point of sale",
    status_code=HTTPStatus.CREATED,
    response_model=TillLinkOut,
    responses=problems(TillsOff, TillStateInvalid, UnknownMerchant),
)
@guarded(_LINKS)
def begin(merchant_id: TenantId, actor: Acting, wired: Wired, now: Now) -> Response:
    """Return the provider's page on which the merchant agrees; good for 10 minutes on this sign-in."""
    begun = linked(wired.tills).linking.begin(actor, merchant_id, now)
    shown = TillLinkOut(id=begun.way.id, url=begun.url, expires_at=begun.way.expires_at)
    return Response(shown.model_dump_json(), HTTPStatus.CREATED, media_type="application/json")


@routes.post(
    "/merchant/tills/return",
    summary="I am back from the provider",
    responses=problems(TillsOff, TillStateInvalid),
)
@guarded(_CHANGES)
def come_back(body: TillReturnIn, merchant_id: TenantId, actor: Acting, wired: Wired, now: Now) -> TillWayOut:
    """Take somebody back and link what they agreed to. The state is used up by it, whatever came."""
    returned = Returned(body.state, code=body.code, error=body.error)
    return TillWayOut.model_validate(linked(wired.tills).linking.finish(actor, merchant_id, returned, now))


@routes.put(
    "/merchant/tills/locations/{location_id}",
    summary="Say which place a location is",
    responses=problems(UnknownTillLocation, UnknownSite),
)
@guarded(_CHANGES)
def say_which(
    location_id: UUID, body: TillLocationIn, merchant_id: TenantId, actor: Acting, *, wired: Wired, now: Now
) -> TillLocationOut:
    """Say at which of the merchant's places the orders of a location are rung up. Repeats safely."""

    def work(session: Session) -> TillLocationOut:
        found = locate(session, merchant_id, location_id, body.site_id)
        after = {"site_id": None if body.site_id is None else str(body.site_id)}
        told = actor.entry("till.located", "till_location", location_id, after=after)
        wired.audit.record(session, told, now)
        return TillLocationOut.model_validate(found)

    return wired.database.run(work)


@routes.delete(
    "/merchant/tills/{till_id}",
    summary="Unlink a point of sale",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownTill),
)
@guarded(_LINKS)
def unlink(till_id: UUID, merchant_id: TenantId, actor: Acting, wired: Wired, now: Now) -> Response:
    """Read nothing more from now on; the provider is told a moment later. Repeats safely."""

    def work(session: Session) -> None:
        if end_own(session, merchant_id, till_id, now):
            wired.audit.record(session, actor.entry("till.unlinked", "till_link", till_id), now)

    wired.database.run(work)
    return Response(status_code=HTTPStatus.NO_CONTENT)
