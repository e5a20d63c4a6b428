"""The offers that drivers see: live, within their window, and near a place if one is named."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import and_, or_, select

from nerava.kernel.geography import Point, box_around, metres_between
from nerava.merchants.model import Merchant, MerchantSite, Offer
from nerava.merchants.offers import OfferState, OfferView, view_of
from nerava.merchants.service import MerchantState

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

SITES_MAX: Final = 2_000
"""How many pairs of offer and place are looked at around a point."""

PLACES_MAX: Final = 50

_OFFER: Final[Any] = Offer.__table__
_MERCHANT: Final[Any] = Merchant.__table__
_SITE: Final[Any] = MerchantSite.__table__


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """An offer as a driver sees it.

    Attributes:
        site_id: The place it is shown for, the nearest one; None where no place was asked for.
        distance_m: Metres to it, as the crow flies.
        position: Where it is.
    """

    offer: OfferView
    merchant_name: str
    site_id: UUID | None = None
    site_name: str | None = None
    address: str | None = None
    distance_m: int | None = None
    position: Point | None = None


def shown_offer(session: Session, offer_id: UUID, now: datetime) -> ShownOffer | None:
    """Return an offer if drivers see it now, None if they do not."""
    row = session.execute(_on(now).where(_OFFER.c.id == offer_id)).one_or_none()
    return None if row is None else ShownOffer(view_of(row), row.merchant_name)


@dataclass(frozen=True, slots=True)
class OfferPlace:
    """A place where an offer holds."""

    id: UUID
    name: str
    address: str
    position: Point


def places_of(session: Session, offer: OfferView) -> list[OfferPlace]:
    """Return where an offer holds: at the place it names, or at every place of its merchant."""
    query = select(_SITE).where(_SITE.c.merchant_id == offer.merchant_id)
    if offer.terms.site_id is not None:
        query = query.where(_SITE.c.id == offer.terms.site_id)
    rows = session.execute(query.order_by(_SITE.c.name, _SITE.c.id).limit(PLACES_MAX))
    return [OfferPlace(row.id, row.name, row.address, Point(row.latitude, row.longitude)) for row in rows]


def shown_offers(
    session: Session, now: datetime, *, after: UUID | None = None, limit: int = 50
) -> list[ShownOffer]:
    """Return the offers that drivers see now by id, those with ids above `after` only."""
    query = _on(now).order_by(_OFFER.c.id).limit(limit)
    if after is not None:
        query = query.where(_OFFER.c.id > after)
    return [ShownOffer(view_of(row), row.merchant_name) for row in session.execute(query)]


def offers_near(
    session: Session, point: Point, *, radius_m: int, now: datetime, limit: int = 50
) -> list[ShownOffer]:
    """Return the offers that drivers see now within so many metres, each at its nearest place."""
    holds_here = or_(_OFFER.c.site_id.is_(None), _OFFER.c.site_id == _SITE.c.id)
    query = (
        _on(now)
        .add_columns(
            _SITE.c.id.label("place_id"),
            _SITE.c.name.label("place_name"),
            _SITE.c.address,
            _SITE.c.latitude,
            _SITE.c.longitude,
        )
        .join(_SITE, and_(_SITE.c.merchant_id == _OFFER.c.merchant_id, holds_here))
        .where(_within(point, radius_m))
        .limit(SITES_MAX)
    )
    nearest: dict[UUID, ShownOffer] = {}
    for row in session.execute(query):
        there = Point(row.latitude, row.longitude)
        distance = metres_between(point, there)
        known = nearest.get(row.id)
        if distance > radius_m or (known is not None and (known.distance_m or 0) <= distance):
            continue
        nearest[row.id] = ShownOffer(
            view_of(row), row.merchant_name, row.place_id, row.place_name, row.address, distance, there
        )
    ordered = sorted(nearest.values(), key=lambda one: (one.distance_m, one.offer.id))
    return ordered[:limit]


def _on(now: datetime) -> Select[Any]:
    return (
        select(_OFFER, _MERCHANT.c.name.label("merchant_name"))
        .join(_MERCHANT, _MERCHANT.c.id == _OFFER.c.merchant_id)
        .where(
            _OFFER.c.state == OfferState.LIVE.value,
            _MERCHANT.c.state == MerchantState.ACTIVE.value,
            _OFFER.c.starts_at <= now,
            or_(_OFFER.c.ends_at.is_(None), _OFFER.c.ends_at > now),
        )
    )


def _within(point: Point, radius_m: int) -> ColumnElement[bool]:
    box = box_around(point, radius_m)
    tall = _SITE.c.latitude.between(box.south, box.north)
    if box.west <= box.east:
        wide = _SITE.c.longitude.between(box.west, box.east)
    else:
        wide = or_(_SITE.c.longitude >= box.west, _SITE.c.longitude <= box.east)
    return and_(tall, wide)
