"""What merchants offer: drafted, published, paused, ended; only drafts are edited."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update

from nerava.kernel.ids import new_id
from nerava.merchants.errors import UnknownOffer, WrongOfferState
from nerava.merchants.model import Offer
from nerava.merchants.service import merchant, site

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

_OFFER: Final[Any] = Offer.__table__


class OfferKind(StrEnum):
    """Who pays for an offer: the driver with Nova, or the merchant."""

    DISCOUNT = "discount"
    PERK = "perk"


class OfferState(StrEnum):
    """Whether an offer gives codes; only live ones do. Codes that are open stay good."""

    DRAFT = "draft"
    LIVE = "live"
    PAUSED = "paused"
    ENDED = "ended"


_MAY_BECOME: Final = {
    OfferState.LIVE: (OfferState.DRAFT, OfferState.PAUSED),
    OfferState.PAUSED: (OfferState.LIVE,),
    OfferState.ENDED: (OfferState.DRAFT, OfferState.LIVE, OfferState.PAUSED),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferTerms:
    """What an offer promises.

    Attributes:
        price_nova: Of a discount: what the driver pays, and at most comes off the bill; None for a perk.
        site_id: The one place where it holds; None means all of the merchant's.
        starts_at, ends_at: When it gives codes, aware UTC; without an end for good.
        daily_stock: How many a local day; None means any number.
    """

    kind: OfferKind
    title: str
    terms: str | None = None
    price_nova: int | None = None
    site_id: UUID | None = None
    starts_at: datetime
    ends_at: datetime | None = None
    daily_stock: int | None = None


@dataclass(frozen=True, slots=True)
class OfferView:
    """An offer, its state, and what a claim of it costs the merchant where it is a perk."""

    id: UUID
    merchant_id: UUID
    state: OfferState
    terms: OfferTerms
    claim_fee_minor: int | None
    created_at: datetime

    def is_on(self, now: datetime) -> bool:
        """Whether it is live and within its window."""
        ended = self.terms.ends_at is not None and now >= self.terms.ends_at
        return self.state is OfferState.LIVE and self.terms.starts_at <= now and not ended


def draft(session: Session, merchant_id: UUID, terms: OfferTerms, now: datetime) -> UUID:
    """Draft an offer and return its id. A perk costs what the merchant's claims cost now.

    Raises:
        UnknownMerchant: No merchant has this id (404).
        UnknownSite: The merchant has no such place (404).
    """
    offer_id = new_id()
    values = _values(session, merchant_id, terms)
    values |= {"id": offer_id, "merchant_id": merchant_id, "state": OfferState.DRAFT.value}
    session.execute(insert(_OFFER).values(**values, created_at=now))
    return offer_id


def edit(session: Session, merchant_id: UUID, offer_id: UUID, terms: OfferTerms) -> None:
    """Replace the terms of a draft. What people have seen is ended and drafted anew, never edited.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
        UnknownSite: The merchant has no such place (404).
        WrongOfferState: It is not a draft any more (409).
    """
    values = _values(session, merchant_id, terms)
    change = update(_OFFER).where(_mine(merchant_id, offer_id), _OFFER.c.state == OfferState.DRAFT.value)
    if session.execute(change.values(values)).rowcount == 1:  # type: ignore[attr-defined]
        return
    found = offer_of(session, merchant_id, offer_id)
    raise WrongOfferState(f"the offer is {found.state}; only drafts are edited", state=found.state)


def publish(session: Session, merchant_id: UUID, offer_id: UUID) -> None:
    """Let a draft, or a paused offer, give codes.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
        WrongOfferState: It is live or ended already (409).
    """
    _move(session, merchant_id, offer_id, OfferState.LIVE)


def pause(session: Session, merchant_id: UUID, offer_id: UUID) -> None:
    """Give no new codes until it is published again; open ones stay good until they expire.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
        WrongOfferState: It is not live (409).
    """
    _move(session, merchant_id, offer_id, OfferState.PAUSED)


def end(session: Session, merchant_id: UUID, offer_id: UUID) -> None:
    """End an offer for good; open codes stay good until they expire.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
        WrongOfferState: It has ended already (409).
    """
    _move(session, merchant_id, offer_id, OfferState.ENDED)


def offer(session: Session, offer_id: UUID) -> OfferView:
    """Return an offer.

    Raises:
        UnknownOffer: No offer has this id (404).
    """
    row = session.execute(select(_OFFER).where(_OFFER.c.id == offer_id)).one_or_none()
    if row is None:
        raise UnknownOffer(f"no offer {offer_id}")
    return view_of(row)


def offer_of(session: Session, merchant_id: UUID, offer_id: UUID) -> OfferView:
    """Return an offer of a merchant.

    Raises:
        UnknownOffer: The merchant has no such offer (404).
    """
    row = session.execute(select(_OFFER).where(_mine(merchant_id, offer_id))).one_or_none()
    if row is None:
        raise UnknownOffer(f"no offer {offer_id}")
    return view_of(row)


def offers_of(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[OfferView]:
    """Return a merchant's offers by id, those with ids above `after` only."""
    query = select(_OFFER).where(_OFFER.c.merchant_id == merchant_id).order_by(_OFFER.c.id).limit(limit)
    if after is not None:
        query = query.where(_OFFER.c.id > after)
    return [view_of(row) for row in session.execute(query)]


def view_of(row: Row[Any]) -> OfferView:
    """Return what a row of the table holds."""
    terms = OfferTerms(
        kind=OfferKind(row.kind),
        title=row.title,
        terms=row.terms,
        price_nova=row.price_nova,
        site_id=row.site_id,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        daily_stock=row.daily_stock,
    )
    state = OfferState(row.state)
    return OfferView(row.id, row.merchant_id, state, terms, row.claim_fee_minor, row.created_at)


def _values(session: Session, merchant_id: UUID, terms: OfferTerms) -> dict[str, Any]:
    if terms.site_id is not None:
        site(session, merchant_id, terms.site_id)
    fee = merchant(session, merchant_id).claim_fee_minor if terms.kind is OfferKind.PERK else None
    values = {name: getattr(terms, name) for name in OfferTerms.__slots__}
    return values | {"kind": terms.kind.value, "claim_fee_minor": fee}


def _mine(merchant_id: UUID, offer_id: UUID) -> Any:  # noqa: ANN401 - a condition on the table
    return (_OFFER.c.id == offer_id) & (_OFFER.c.merchant_id == merchant_id)


def _move(session: Session, merchant_id: UUID, offer_id: UUID, state: OfferState) -> None:
    """Change the state if the present one allows it; conditional, so two at once cannot both."""
    change = update(_OFFER).where(_mine(merchant_id, offer_id), _OFFER.c.state.in_(_MAY_BECOME[state]))
    if session.execute(change.values(state=state.value)).rowcount == 1:  # type: ignore[attr-defined]
        return
    found = offer_of(session, merchant_id, offer_id)
    raise WrongOfferState(f"the offer cannot become {state}: it is {found.state}", state=found.state)
