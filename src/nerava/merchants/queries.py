"""What people may ask about redemptions: drivers about their own, merchants about what was redeemed there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import func, select, tuple_

from nerava.merchants.errors import UnknownRedemption
from nerava.merchants.model import Merchant, Offer, Redemption, RedemptionRefund

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy import Row, Select
    from sqlalchemy.orm import Session

_T: Final[Any] = Redemption.__table__
_R: Final[Any] = _T.c
_OFFER: Final[Any] = Offer.__table__
_MERCHANT: Final[Any] = Merchant.__table__
_REFUND: Final[Any] = RedemptionRefund.__table__

Place = tuple[datetime, UUID]
"""Where a list goes on: instant and id of the last entry seen."""


class RedemptionState(StrEnum):
    """What became of a code: `held` is open, `released` withdrawn, `captured` and on redeemed."""

    HELD = "held"
    CAPTURED = "captured"
    RELEASED = "released"
    EXPIRED = "expired"
    VOIDED = "voided"
    PARTLY_REFUNDED = "partly_refunded"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class RefundView:
    """Points that a merchant gave back; `kind` is void or refund."""

    id: UUID
    kind: str
    points: int
    refunded_at: datetime


@dataclass(frozen=True, slots=True)
class RedemptionView:
    """A code and what became of it.

    Attributes:
        points: What was captured; None while nothing is.
        refunded: What of it was given back.
        key_id: Under which key the code was made.
    """

    id: UUID
    driver_id: UUID
    merchant_id: UUID
    merchant_name: str
    offer_id: UUID
    offer_title: str
    price_nova: int
    state: RedemptionState
    shown_at: datetime
    expires_at: datetime
    register_id: UUID | None
    site_id: UUID | None
    bill_minor: int | None
    points: int | None
    refunded: int
    pos_order_id: str | None
    captured_at: datetime | None
    ended_at: datetime | None
    key_id: str


def redemption_of_driver(session: Session, driver_id: UUID, redemption_id: UUID) -> RedemptionView:
    """Return a redemption of a driver.

    Raises:
        UnknownRedemption: The driver has none with this id (404).
    """
    return _one(session, _viewed().where(_R.id == redemption_id, _R.driver_id == driver_id), redemption_id)


def redemption_of_merchant(session: Session, merchant_id: UUID, redemption_id: UUID) -> RedemptionView:
    """Return a redemption at a merchant; codes that nobody took are not the merchant's to see.

    Raises:
        UnknownRedemption: Nothing was redeemed there under this id (404).
    """
    query = _viewed().where(
        _R.id == redemption_id, _R.merchant_id == merchant_id, _R.captured_at.is_not(None)
    )
    return _one(session, query, redemption_id)


def redemptions_of_driver(
    session: Session, driver_id: UUID, *, before: Place | None = None, limit: int = 50
) -> list[RedemptionView]:
    """Return a driver's redemptions, the latest code first."""
    query = _viewed().where(_R.driver_id == driver_id)
    if before is not None:
        query = query.where(tuple_(_R.shown_at, _R.id) < before)
    latest = query.order_by(_R.shown_at.desc(), _R.id.desc()).limit(limit)
    return [_view(row) for row in session.execute(latest)]


def redemptions_at(
    session: Session,
    merchant_id: UUID,
    *,
    register_id: UUID | None = None,
    offer_id: UUID | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: Place | None = None,
    limit: int = 50,
) -> list[RedemptionView]:
    """Return what was redeemed at a merchant, or at one of its registers, the latest first.

    Args:
        session: What to read with.
        merchant_id: Whose; the scope of the list.
        register_id: At this register only.
        offer_id: Of this offer only.
        since: Captured at this instant or later.
        until: Captured before this instant.
        before: Where to go on.
        limit: How many at most.
    """
    query = _viewed().where(_R.merchant_id == merchant_id, _R.captured_at.is_not(None))
    if register_id is not None:
        query = query.where(_R.register_id == register_id)
    if offer_id is not None:
        query = query.where(_R.offer_id == offer_id)
    if since is not None:
        query = query.where(_R.captured_at >= since)
    if until is not None:
        query = query.where(_R.captured_at < until)
    if before is not None:
        query = query.where(tuple_(_R.captured_at, _R.id) < before)
    latest = query.order_by(_R.captured_at.desc(), _R.id.desc()).limit(limit)
    return [_view(row) for row in session.execute(latest)]


def refunds_of(session: Session, redemption_id: UUID) -> list[RefundView]:
    """Return what was given back of a redemption, the earliest first."""
    query = select(_REFUND).where(_REFUND.c.redemption_id == redemption_id)
    ordered = query.order_by(_REFUND.c.refunded_at, _REFUND.c.id)
    return [RefundView(row.id, row.kind, row.points, row.refunded_at) for row in session.execute(ordered)]


def redemptions_behind(
    session: Session, driver_id: UUID, chains: Collection[UUID]
) -> dict[UUID, RedemptionView]:
    """Return the redemptions of a driver whose code or refund these chains of the ledger are."""
    refunds = select(_REFUND.c.transaction_key, _REFUND.c.redemption_id).where(
        _REFUND.c.transaction_key.in_(chains)
    )
    refunded = {row.transaction_key: row.redemption_id for row in session.execute(refunds)}
    named = _R.hold_key.in_(chains) | _R.id.in_(refunded.values())
    rows = session.execute(_viewed().where(_R.driver_id == driver_id, named)).all()
    by_id = {row.id: _view(row) for row in rows}
    by_hold = {row.hold_key: by_id[row.id] for row in rows}
    return by_hold | {chain: by_id[of] for chain, of in refunded.items() if of in by_id}


def _viewed() -> Select[Any]:
    refunded = (
        select(func.coalesce(func.sum(_REFUND.c.points), 0))
        .where(_REFUND.c.redemption_id == _R.id)
        .correlate(_T)
        .scalar_subquery()
    )
    return (
        select(
            _T,
            _OFFER.c.title.label("offer_title"),
            _MERCHANT.c.name.label("merchant_name"),
            refunded.label("refunded"),
        )
        .join(_OFFER, _OFFER.c.id == _R.offer_id)
        .join(_MERCHANT, _MERCHANT.c.id == _R.merchant_id)
    )


def _one(session: Session, query: Select[Any], redemption_id: UUID) -> RedemptionView:
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownRedemption(f"no redemption {redemption_id}")
    return _view(row)


def _view(row: Row[Any]) -> RedemptionView:
    return RedemptionView(
        row.id,
        row.driver_id,
        row.merchant_id,
        row.merchant_name,
        row.offer_id,
        row.offer_title,
        row.price_nova,
        RedemptionState(row.state),
        row.shown_at,
        row.expires_at,
        row.register_id,
        row.site_id,
        row.bill_minor,
        row.points,
        int(row.refunded),
        row.pos_order_id,
        row.captured_at,
        row.ended_at,
        row.code_key,
    )
