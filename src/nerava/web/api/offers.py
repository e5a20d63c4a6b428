"""What drivers can redeem or claim: the offers, near a place if one is named."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from nerava.identity.guard import TenantId
from nerava.kernel.geography import Point
from nerava.kernel.ids import fact_id
from nerava.ledger.stops import SwitchedOff
from nerava.merchants import claims, nearby, offer_codes
from nerava.merchants.code_text import read
from nerava.merchants.codes import CodeKind
from nerava.merchants.errors import (
    AlreadyClaimed,
    CodeMistyped,
    NotCharging,
    OfferCodeClaimed,
    OfferCodeOver,
    OfferNotAvailable,
    RedemptionRefused,
    SoldOut,
    TooFarAway,
    UnknownCode,
    UnknownOffer,
)
from nerava.merchants.nearby import ShownOffer
from nerava.merchants.offers import OfferKind, OfferState
from nerava.platform.idempotency import Answer
from nerava.platform.limit_numbers import REDEEM
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import InputError, InvalidInput, problems
from nerava.web.api.discovery_models import PositionOut
from nerava.web.api.fields import Body
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.places import after_id
from nerava.web.api.redemptions import Place
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from sqlalchemy.orm import Session
    from starlette.responses import Response

routes: Final = router("offers")

RADIUS_M_DEFAULT: Final = 800
"""Ten minutes on foot."""

_READS: Final = Policy(roles=("driver",), scope="offers:read")

Latitude = Annotated[float | None, Query(ge=-90, le=90, allow_inf_nan=False)]
Longitude = Annotated[float | None, Query(ge=-180, le=180, allow_inf_nan=False)]
Radius = Annotated[int, Query(ge=1, le=50_000, description="Metres, as the crow flies")]


class OfferOut(BaseModel):
    """Something to be had for Nova, or for nothing while one charges nearby."""

    id: UUID
    merchant_id: UUID
    merchant_name: str
    kind: OfferKind
    title: str
    terms: str | None
    price_nova: int | None = Field(description="Null for a perk: it costs the merchant")
    ends_at: datetime | None
    site_id: UUID | None = Field(description="The nearest place of it, where a place was asked for")
    site_name: str | None
    address: str | None
    distance_m: int | None

    @classmethod
    def of(cls, found: ShownOffer) -> Self:
        """Return what a driver sees of an offer."""
        terms = found.offer.terms
        return cls(
            id=found.offer.id,
            merchant_id=found.offer.merchant_id,
            merchant_name=found.merchant_name,
            kind=terms.kind,
            title=terms.title,
            terms=terms.terms,
            price_nova=terms.price_nova,
            ends_at=terms.ends_at,
            site_id=found.site_id,
            site_name=found.site_name,
            address=found.address,
            distance_m=found.distance_m,
        )


class OfferPlaceOut(BaseModel):
    """Where an offer holds."""

    id: UUID
    name: str
    address: str
    position: PositionOut


class OfferPageOut(OfferOut):
    """One offer and where it holds."""

    places: list[OfferPlaceOut]


class ClaimOut(BaseModel):
    """A perk that is yours: show this at the register."""

    claim_id: UUID
    offer_id: UUID
    offer_title: str
    merchant_id: UUID
    merchant_name: str
    site_id: UUID
    session_id: UUID
    distance_m: int
    claimed_at: datetime


class OfferCodeIn(Body):
    """A code that a merchant gave out."""

    code: Annotated[str, Field(min_length=1, max_length=40)]


class OfferCodeOut(BaseModel):
    """What a code was good for."""

    offer_id: UUID
    offer_title: str
    merchant_id: UUID
    merchant_name: str
    claimed_at: datetime


@routes.get("/offers", summary="What I can redeem")
@guarded(_READS)
def offers(
    wired: Wired,
    now: Now,
    *,
    lat: Latitude = None,
    lng: Longitude = None,
    radius_m: Radius = RADIUS_M_DEFAULT,
    cursor: CursorText = None,
    limit: Limit = PAGE_DEFAULT,
) -> Page[OfferOut]:
    """Return the live offers: around a place the nearest first, on one page; otherwise page by page."""
    if (lat is None) != (lng is None):
        message = "send both coordinates or none"
        raise InvalidInput(message, errors=[InputError(pointer="query/lat", message=message, kind="missing")])
    if lat is not None and lng is not None:
        point = Point(lat, lng)
        found = wired.database.read(
            lambda session: nearby.offers_near(session, point, radius_m=radius_m, now=now, limit=limit)
        )
        return Page(items=[OfferOut.of(one) for one in found])
    after = after_id(cursor)
    found = wired.database.read(lambda session: nearby.shown_offers(session, now, after=after, limit=limit))
    return page_by_id([OfferOut.of(one) for one in found], limit)


@routes.get("/offers/{offer_id}", summary="One offer", responses=problems(UnknownOffer))
@guarded(_READS)
def offer(offer_id: UUID, wired: Wired, now: Now) -> OfferPageOut:
    """Return an offer that can be redeemed or claimed now, and where."""

    def look(session: Session) -> OfferPageOut:
        found = nearby.shown_offer(session, offer_id, now)
        if found is None:
            raise UnknownOffer(f"no offer {offer_id}")
        places = [
            OfferPlaceOut(
                id=one.id,
                name=one.name,
                address=one.address,
                position=PositionOut(lat=one.position.latitude, lng=one.position.longitude),
            )
            for one in nearby.places_of(session, found.offer)
        ]
        return OfferPageOut(**OfferOut.of(found).model_dump(), places=places)

    return wired.database.read(look)


@routes.post(
    "/offers/{offer_id}/claims",
    summary="Claim a perk while charging",
    status_code=HTTPStatus.CREATED,
    response_model=ClaimOut,
    responses=problems(
        UnknownOffer,
        OfferNotAvailable,
        NotCharging,
        TooFarAway,
        AlreadyClaimed,
        SoldOut,
        RedemptionRefused,
        SwitchedOff,
    ),
)
@guarded(Policy(roles=("driver",), scope="redemptions:write", repeats=Repeats.KEY_REQUIRED))
def claim(offer_id: UUID, driver_id: TenantId, *, request: Keyed, wired: Wired, now: Now) -> Response:
    """Take a perk, once in each charging session, near its merchant. The merchant owes the claim fee."""
    claim_id = fact_id(f"claim:{request.principal}:{request.key}")
    redeeming = wired.redeeming
    on_offer = redeeming.board.read_offer(offer_id, now)
    if on_offer.offer.state is OfferState.DRAFT:
        raise UnknownOffer(f"no offer {offer_id}")

    def work(session: Session) -> Answer:
        made = claims.claim(
            session,
            wired.ledger,
            on_offer,
            claim_id=claim_id,
            driver_id=driver_id,
            rules=redeeming.claim_rules,
            now=now,
        )
        out = ClaimOut(
            claim_id=claim_id,
            offer_id=offer_id,
            offer_title=on_offer.offer.terms.title,
            merchant_id=on_offer.merchant.id,
            merchant_name=on_offer.merchant.name,
            site_id=made.site_id,
            session_id=made.session_id,
            distance_m=made.distance_m,
            claimed_at=now,
        )
        return Answer.of(out, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.post(
    "/offer-codes/claim",
    summary="Claim a code that a merchant gave out",
    response_model=OfferCodeOut,
    responses=problems(CodeMistyped, UnknownCode, OfferCodeClaimed, OfferCodeOver),
)
@guarded(Policy(roles=("driver",), scope="redemptions:write", repeats=Repeats.KEY_ACCEPTED))
def claim_code(
    body: OfferCodeIn, driver_id: TenantId, place: Place, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Take what a code is good for; whoever is first has it. A wrong code counts."""
    hashes = wired.redeeming.codes.hashes(CodeKind.OFFER, read(body.code))
    hits = REDEEM.keyed(identity=str(driver_id), client=place)
    wired.limits.check_now(hits, now)

    def work(session: Session) -> Answer:
        found = offer_codes.claim(session, hashes, driver_id, now)
        out = OfferCodeOut(
            offer_id=found.offer_id,
            offer_title=found.offer_title,
            merchant_id=found.merchant_id,
            merchant_name=found.merchant_name,
            claimed_at=found.claimed_at,
        )
        return Answer.of(out)

    try:
        return run_once(wired, request, work, now=now)
    except UnknownCode:
        wired.limits.hit_now(hits, now)
        raise
