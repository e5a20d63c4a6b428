"""The offers of the signed-in merchant: draft, edit, publish, pause, end."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Final, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from nerava.identity.guard import TenantId
from nerava.ledger.values import AMOUNT_MAX
from nerava.merchants import offers
from nerava.merchants.errors import UnknownMerchant, UnknownOffer, UnknownSite, WrongOfferState
from nerava.merchants.offers import OfferKind, OfferState, OfferTerms, OfferView
from nerava.platform.idempotency import Answer
from nerava.platform.pagination import PAGE_DEFAULT, CursorText, Limit, Page, page_by_id
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import problems
from nerava.web.api.audited import Acting, Actor
from nerava.web.api.fields import Body, Instant, Name
from nerava.web.api.keyed import Keyed, run_once
from nerava.web.api.merchant_house import Line
from nerava.web.api.merchant_redemptions import HOUSE
from nerava.web.api.places import after_id
from nerava.web.api.wiring import Now, Wired, router

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.orm import Session
    from starlette.responses import Response

    from nerava.platform.idempotency import KeyedRequest
    from nerava.web.api.wiring import Wiring

routes: Final = router("merchant: offers")

_READS: Final = Policy(roles=HOUSE, scope="merchant:read")
_WRITES: Final = Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.KEY_ACCEPTED)

PRICE_MAX: Final = min(AMOUNT_MAX, 10_000_000)


class MerchantOfferIn(Body):
    """What an offer promises. A discount has a price in Nova; a perk costs what claims cost."""

    kind: OfferKind
    title: Name
    terms: Line | None = None
    price_nova: Annotated[int, Field(strict=True, gt=0, le=PRICE_MAX)] | None = Field(
        default=None, description="What the driver pays; so many minor units at most come off the bill"
    )
    site_id: UUID | None = Field(default=None, description="The one place where it holds; null: all of them")
    starts_at: Instant
    ends_at: Instant | None = None
    daily_stock: Annotated[int, Field(strict=True, gt=0, le=1_000_000)] | None = Field(
        default=None, description="How many a day; null: any number"
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if (self.kind is OfferKind.DISCOUNT) == (self.price_nova is None):
            message = "a discount has a price in Nova, a perk has none"
            raise ValueError(message)
        if self.ends_at is not None and self.ends_at <= self.starts_at:
            message = "an offer ends after it starts"
            raise ValueError(message)
        return self

    @property
    def offer_terms(self) -> OfferTerms:
        """The terms as they are kept."""
        return OfferTerms(**{name: getattr(self, name) for name in type(self).model_fields})


class MerchantOfferOut(BaseModel):
    """An offer as its merchant sees it."""

    id: UUID
    state: OfferState
    kind: OfferKind
    title: str
    terms: str | None
    price_nova: int | None
    claim_fee_minor: int | None = Field(description="Of a perk: what the merchant owes for each claim")
    site_id: UUID | None
    starts_at: datetime
    ends_at: datetime | None
    daily_stock: int | None
    created_at: datetime

    @classmethod
    def of(cls, found: OfferView) -> MerchantOfferOut:
        """Return what the merchant sees of an offer."""
        terms = found.terms
        return cls(
            id=found.id,
            state=found.state,
            kind=terms.kind,
            title=terms.title,
            terms=terms.terms,
            price_nova=terms.price_nova,
            claim_fee_minor=found.claim_fee_minor,
            site_id=terms.site_id,
            starts_at=terms.starts_at,
            ends_at=terms.ends_at,
            daily_stock=terms.daily_stock,
            created_at=found.created_at,
        )


@routes.get("/merchant/offers", summary="My offers")
@guarded(_READS)
def my_offers(
    merchant_id: TenantId, wired: Wired, cursor: CursorText = None, limit: Limit = PAGE_DEFAULT
) -> Page[MerchantOfferOut]:
    """Return the merchant's offers, the oldest first."""
    after = after_id(cursor)
    found = wired.database.read(
        lambda session: offers.offers_of(session, merchant_id, after=after, limit=limit)
    )
    return page_by_id([MerchantOfferOut.of(one) for one in found], limit)


@routes.post(
    "/merchant/offers",
    summary="Draft an offer",
    status_code=HTTPStatus.CREATED,
    response_model=MerchantOfferOut,
    responses=problems(UnknownMerchant, UnknownSite),
)
@guarded(_WRITES)
def draft(
    body: MerchantOfferIn, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Create an offer that nobody sees yet. Publish it when it is right."""

    def work(session: Session) -> Answer:
        offer_id = offers.draft(session, merchant_id, body.offer_terms, now)
        told = actor.entry("offer.drafted", "offer", offer_id, after=body.model_dump(mode="json"))
        wired.audit.record(session, told, now)
        return _shown(session, merchant_id, offer_id, HTTPStatus.CREATED)

    return run_once(wired, request, work, now=now)


@routes.get("/merchant/offers/{offer_id}", summary="One of my offers", responses=problems(UnknownOffer))
@guarded(_READS)
def my_offer(offer_id: UUID, merchant_id: TenantId, wired: Wired) -> MerchantOfferOut:
    """Return the offer; that of another merchant is not found."""
    found = wired.database.read(lambda session: offers.offer_of(session, merchant_id, offer_id))
    return MerchantOfferOut.of(found)


@routes.put(
    "/merchant/offers/{offer_id}",
    summary="Edit a draft",
    responses=problems(UnknownOffer, UnknownSite, WrongOfferState),
)
@guarded(Policy(roles=HOUSE, scope="merchant:write", repeats=Repeats.BY_MEANING))
def edit(
    offer_id: UUID, body: MerchantOfferIn, merchant_id: TenantId, actor: Acting, *, wired: Wired, now: Now
) -> MerchantOfferOut:
    """Replace what a draft says. What people have seen is ended and drafted anew, never edited."""

    def work(session: Session) -> MerchantOfferOut:
        offers.edit(session, merchant_id, offer_id, body.offer_terms)
        told = actor.entry("offer.edited", "offer", offer_id, after=body.model_dump(mode="json"))
        wired.audit.record(session, told, now)
        return MerchantOfferOut.of(offers.offer_of(session, merchant_id, offer_id))

    return wired.database.run(work)


_STATE_PROBLEMS: Final = problems(UnknownOffer, WrongOfferState)


@routes.post(
    "/merchant/offers/{offer_id}/publish",
    summary="Publish an offer",
    response_model=MerchantOfferOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def publish(
    offer_id: UUID, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Let drivers see and redeem a draft, or a paused offer again."""
    return _moved(wired, request, offers.publish, actor=actor, offer_id=offer_id, now=now, owner=merchant_id)


@routes.post(
    "/merchant/offers/{offer_id}/pause",
    summary="Pause an offer",
    response_model=MerchantOfferOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def pause(
    offer_id: UUID, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Give no new codes, at once. Codes that are open stay good until they expire."""
    return _moved(wired, request, offers.pause, actor=actor, offer_id=offer_id, now=now, owner=merchant_id)


@routes.post(
    "/merchant/offers/{offer_id}/end",
    summary="End an offer for good",
    response_model=MerchantOfferOut,
    responses=_STATE_PROBLEMS,
)
@guarded(_WRITES)
def end(
    offer_id: UUID, merchant_id: TenantId, actor: Acting, *, request: Keyed, wired: Wired, now: Now
) -> Response:
    """Give no codes any more. Codes that are open stay good until they expire."""
    return _moved(wired, request, offers.end, actor=actor, offer_id=offer_id, now=now, owner=merchant_id)


def _moved(
    wired: Wiring,
    request: KeyedRequest,
    move: Callable[[Session, UUID, UUID], None],
    *,
    owner: UUID,
    actor: Actor,
    offer_id: UUID,
    now: datetime,
) -> Response:
    def work(session: Session) -> Answer:
        before = offers.offer_of(session, owner, offer_id).state
        move(session, owner, offer_id)
        after = offers.offer_of(session, owner, offer_id).state
        told = actor.entry(
            f"offer.{after}", "offer", offer_id, before={"state": before}, after={"state": after}
        )
        wired.audit.record(session, told, now)
        return _shown(session, owner, offer_id, HTTPStatus.OK)

    return run_once(wired, request, work, now=now)


def _shown(session: Session, merchant_id: UUID, offer_id: UUID, status: HTTPStatus) -> Answer:
    return Answer.of(MerchantOfferOut.of(offers.offer_of(session, merchant_id, offer_id)), status)
