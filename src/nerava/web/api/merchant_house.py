"""The signed-in merchant: who it is, its places and its registers."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field

from nerava.identity.guard import TenantId
from nerava.kernel.wording import readable
from nerava.merchants import service
from nerava.merchants.errors import UnknownMerchant, UnknownRegister, UnknownSite
from nerava.merchants.service import MerchantState, MerchantView, NewSite, RegisterState, SiteView
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting
from nerava.web.api.fields import Body, Name
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.merchant_redemptions import HOUSE
from nerava.web.api.places import after_id
from nerava.web.api.register import TILL, RegisterOut
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("merchant")

_READS: Final = Policy(roles=HOUSE, scope="merchant:read")
_ADDS: Final = Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.KEY_ACCEPTED)
_CHANGES: Final = Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.BY_MEANING)

Line = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"),
    AfterValidator(readable),
]
"""One line for people, seen as it is written."""


class MerchantOut(BaseModel):
    """A merchant. Fees in basis points and in minor units of `currency`."""

    id: UUID
    name: str
    currency: str
    timezone: str
    state: MerchantState
    fee_bps: int = Field(description="The platform's share of what is redeemed")
    claim_fee_minor: int = Field(description="What a claimed perk costs")
    created_at: datetime

    @classmethod
    def of(cls, found: MerchantView) -> MerchantOut:
        """Return the wire form of a merchant."""
        return cls(**{name: getattr(found, name) for name in MerchantOut.model_fields})


class SiteIn(Body):
    """A place where registers stand. Coordinates are WGS 84."""

    name: Name
    address: Line
    latitude: Annotated[float, Field(ge=-90, le=90, allow_inf_nan=False)]
    longitude: Annotated[float, Field(ge=-180, le=180, allow_inf_nan=False)]

    @property
    def site(self) -> NewSite:
        """The place as it is kept."""
        return NewSite(self.name, self.address, self.latitude, self.longitude)


class SiteOut(BaseModel):
    """A place where registers stand."""

    id: UUID
    name: str
    address: str
    latitude: float
    longitude: float
    created_at: datetime

    @classmethod
    def of(cls, found: SiteView) -> SiteOut:
        """Return the wire form of a place."""
        return cls(**{name: getattr(found, name) for name in SiteOut.model_fields})


class RegisterIn(Body):
    """A terminal to be enrolled."""

    name: Name
    site_id: UUID


@routes.get("/merchant", summary="My merchant", responses=problems(UnknownMerchant))
@guarded(Policy(roles=TILL, scope="register:read"))
def my_merchant(merchant_id: TenantId, wired: Wired) -> MerchantOut:
    """Return the merchant that the caller works for."""
    return MerchantOut.of(wired.database.read(lambda session: service.merchant(session, merchant_id)))


@routes.get("/merchant/sites", summary="My places")
@guarded(_READS)
def my_sites(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[SiteOut]:
    """Return the merchant's places, the oldest first."""
    after = after_id(cursor)
    found = wired.database.read(lambda session: service.sites(session, merchant_id, after=after, limit=limit))
    return page_by_id([SiteOut.of(one) for one in found], limit)


@routes.post(
    "/merchant/sites",
    summary="Add a place",
    status_code=HTTPStatus.CREATED,
    response_model=SiteOut,
    responses=problems(UnknownMerchant),
)
@guarded(_ADDS)
def add_site(
    body: SiteIn, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Add a place where registers stand; drivers find the merchant's offers near it."""

    def work(session: Session) -> Answer:
        site_id = service.add_site(session, merchant_id, body.site, now)
        told = actor.entry("site.added", "merchant_site", site_id, after=body.model_dump())
        wired.audit.record(session, told, now)
        return Answer.of(SiteOut.of(service.site(session, merchant_id, site_id)), HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.put("/merchant/sites/{site_id}", summary="Correct a place", responses=problems(UnknownSite))
@guarded(_CHANGES)
def change_site(
    site_id: UUID, body: SiteIn, merchant_id: TenantId, actor: Acting, *, wired: Wired, now: Now
) -> SiteOut:
    """Replace what is said about a place."""

    def work(session: Session) -> SiteOut:
        service.change_site(session, merchant_id, site_id, body.site)
        told = actor.entry("site.changed", "merchant_site", site_id, after=body.model_dump())
        wired.audit.record(session, told, now)
        return SiteOut.of(service.site(session, merchant_id, site_id))

    return wired.database.run(work)


@routes.post(
    "/merchant/registers",
    summary="Enrol a register",
    status_code=HTTPStatus.CREATED,
    response_model=RegisterOut,
    responses=problems(UnknownSite),
)
@guarded(_ADDS)
def enrol(
    body: RegisterIn, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Enrol a terminal at a place; staff with the role of a register take codes at it."""

    def work(session: Session) -> Answer:
        register_id = service.enrol_register(session, merchant_id, body.site_id, body.name, now)
        after = {"name": body.name, "site_id": str(body.site_id)}
        told = actor.entry("register.enrolled", "merchant_register", register_id, after=after)
        wired.audit.record(session, told, now)
        made = RegisterOut(id=register_id, site_id=body.site_id, name=body.name, state=RegisterState.ACTIVE)
        return Answer.of(made, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.post(
    "/merchant/registers/{register_id}/close",
    summary="Close a register",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(UnknownRegister),
)
@guarded(_CHANGES)
def close(register_id: UUID, merchant_id: TenantId, actor: Acting, wired: Wired, now: Now) -> None:
    """Take no more codes at a register, for good, within a second. Repeats safely."""

    def work(session: Session) -> None:
        if service.close_register(session, merchant_id, register_id):
            wired.audit.record(session, actor.entry("register.closed", "merchant_register", register_id), now)

    wired.database.run(work)
