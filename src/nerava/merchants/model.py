"""Tables of merchants: who they are, what they offer, and what became of every code. No balance."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType

_HELD = text("state = 'held'")
_OVER = "'captured', 'voided', 'partly_refunded', 'refunded'"


class Merchant(Base):
    """A business that takes Nova. What it took and what it owes rests in the ledger.

    `fee_bps` is the platform's share of what is redeemed, `claim_fee_minor` what a claimed perk
    costs the merchant.
    """

    __tablename__ = "merchant"
    __table_args__ = (
        CheckConstraint("state IN ('active', 'suspended')", name="state_known"),
        CheckConstraint("fee_bps BETWEEN 0 AND 9000", name="fee_range"),
        CheckConstraint("claim_fee_minor >= 0", name="claim_fee_not_negative"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    currency: Mapped[str] = mapped_column(String(3))
    timezone: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(9))
    fee_bps: Mapped[int] = mapped_column(Integer())
    claim_fee_minor: Mapped[int] = mapped_column(BigInteger())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class MerchantSite(Base):
    """A place where a merchant's registers stand. Coordinates are WGS 84."""

    __tablename__ = "merchant_site"
    __table_args__ = (
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        Index("ix_merchant_site_place", "latitude", "longitude"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    address: Mapped[str] = mapped_column(String(200))
    latitude: Mapped[float] = mapped_column(Double())
    longitude: Mapped[float] = mapped_column(Double())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class MerchantRegister(Base):
    """A terminal at which codes are redeemed; enrolled by the merchant's owner or a manager."""

    __tablename__ = "merchant_register"
    __table_args__ = (CheckConstraint("state IN ('active', 'closed')", name="state_known"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"), index=True)
    site_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant_site.id"))
    name: Mapped[str] = mapped_column(String(120))
    state: Mapped[str] = mapped_column(String(6))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Offer(Base):
    """Something a merchant gives for Nova, or for nothing while one charges.

    A discount costs the driver `price_nova` and takes as much off the bill. A perk costs the driver
    nothing and the merchant `claim_fee_minor` a claim. Only drafts are edited.
    """

    __tablename__ = "offer"
    __table_args__ = (
        CheckConstraint("kind IN ('discount', 'perk')", name="kind_known"),
        CheckConstraint("state IN ('draft', 'live', 'paused', 'ended')", name="state_known"),
        CheckConstraint("(kind = 'discount') = (price_nova IS NOT NULL)", name="discount_has_price"),
        CheckConstraint("(kind = 'perk') = (claim_fee_minor IS NOT NULL)", name="perk_has_fee"),
        CheckConstraint("price_nova > 0", name="price_positive"),
        CheckConstraint("claim_fee_minor >= 0", name="fee_not_negative"),
        CheckConstraint("daily_stock > 0", name="stock_positive"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        Index("ix_offer_merchant_id", "merchant_id", "id"),
        Index(
            "ix_offer_live",
            "id",
            sqlite_where=text("state = 'live'"),
            postgresql_where=text("state = 'live'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    site_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("merchant_site.id"))
    kind: Mapped[str] = mapped_column(String(8))
    title: Mapped[str] = mapped_column(String(120))
    terms: Mapped[str | None] = mapped_column(String(200))
    price_nova: Mapped[int | None] = mapped_column(BigInteger())
    claim_fee_minor: Mapped[int | None] = mapped_column(BigInteger())
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ends_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    daily_stock: Mapped[int | None] = mapped_column(Integer())
    state: Mapped[str] = mapped_column(String(6))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class OfferDay(Base):
    """How much of an offer's stock of one local day is taken: a limit, not money.

    Codes that are shown or redeemed, and perks that are claimed. Changed in the commit of what it
    counts, and the database refuses a row above its stock.
    """

    __tablename__ = "offer_day"
    __table_args__ = (CheckConstraint("taken BETWEEN 0 AND stock", name="within_stock"),)

    offer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("offer.id"), primary_key=True)
    local_date: Mapped[str] = mapped_column(String(10), primary_key=True)
    stock: Mapped[int] = mapped_column(Integer())
    taken: Mapped[int] = mapped_column(Integer())


class Redemption(Base):
    """A driver's promise to pay an offer with Nova, and what became of it.

    The Nova are held by the ledger under `hold_key` from the moment the code is shown; this row never
    says how many the driver has left. Of the code there is a keyed hash, and the name of the key.
    `points` is what was captured, `due_at` when the expiry looks at a code that nobody took.
    """

    __tablename__ = "redemption"
    __table_args__ = (
        CheckConstraint(f"state IN ('held', 'released', 'expired', {_OVER})", name="state_known"),
        CheckConstraint("price_nova > 0", name="price_positive"),
        CheckConstraint("points BETWEEN 1 AND price_nova", name="points_within_price"),
        CheckConstraint("bill_minor > 0", name="bill_positive"),
        CheckConstraint("length(code_hash) = 32", name="code_hash_whole"),
        CheckConstraint("expires_at > shown_at", name="expires_later"),
        CheckConstraint(
            f"(state IN ({_OVER})) = (captured_at IS NOT NULL) AND (captured_at IS NULL) = (points IS NULL) "
            "AND (captured_at IS NULL) = (register_id IS NULL) AND (captured_at IS NULL) = (site_id IS NULL)",
            name="capture_whole",
        ),
        CheckConstraint(
            "(state IN ('held', 'captured', 'partly_refunded')) = (ended_at IS NULL)",
            name="ended_has_instant",
        ),
        Index(
            "uq_redemption_live",
            "driver_id",
            "merchant_id",
            unique=True,
            sqlite_where=_HELD,
            postgresql_where=_HELD,
        ),
        Index("ix_redemption_due", "due_at", "id", sqlite_where=_HELD, postgresql_where=_HELD),
        Index("ix_redemption_driver_id_shown_at", "driver_id", "shown_at", "id"),
        Index("ix_redemption_merchant_id_captured_at", "merchant_id", "captured_at", "id"),
        Index("ix_redemption_register_id_captured_at", "register_id", "captured_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    offer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("offer.id"))
    price_nova: Mapped[int] = mapped_column(BigInteger())
    state: Mapped[str] = mapped_column(String(15))
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    code_key: Mapped[str] = mapped_column(String(16))
    hold_key: Mapped[UUID] = mapped_column(UUIDType())
    local_date: Mapped[str] = mapped_column(String(10))
    shown_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())
    register_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("merchant_register.id"))
    site_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("merchant_site.id"))
    bill_minor: Mapped[int | None] = mapped_column(BigInteger())
    points: Mapped[int | None] = mapped_column(BigInteger())
    pos_order_id: Mapped[str | None] = mapped_column(String(80))
    captured_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RedemptionRefund(Base):
    """Points that a merchant gave back; never changed. A void is a refund of everything within a minute."""

    __tablename__ = "redemption_refund"
    __table_args__ = (
        CheckConstraint("points > 0", name="points_positive"),
        CheckConstraint("kind IN ('void', 'refund')", name="kind_known"),
        Index("ix_redemption_refund_merchant_id_refunded_at", "merchant_id", "refunded_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    redemption_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("redemption.id"), index=True)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    kind: Mapped[str] = mapped_column(String(6))
    points: Mapped[int] = mapped_column(BigInteger())
    transaction_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    refunded_at: Mapped[datetime] = mapped_column(UtcDateTime())


class PosOrder(Base):
    """An order of a merchant's point of sale that a code was redeemed for: one code an order.

    The row goes when the redemption is voided, so that the order can be paid again. `next_at` is when a
    charging session near it is looked for, None once it has one or none is to be expected any more.
    """

    __tablename__ = "pos_order"
    __table_args__ = (
        Index(
            "ix_pos_order_due",
            "next_at",
            "redemption_id",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )

    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"), primary_key=True)
    pos_order_id: Mapped[str] = mapped_column(String(80), primary_key=True)
    redemption_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("redemption.id"), index=True)
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class PerkClaim(Base):
    """A perk that a driver took while charging, once a session. The fee, if any, is in the ledger."""

    __tablename__ = "perk_claim"
    __table_args__ = (
        UniqueConstraint("offer_id", "session_id"),
        CheckConstraint("fee_minor >= 0", name="fee_not_negative"),
        CheckConstraint("(fee_minor > 0) = (transaction_key IS NOT NULL)", name="fee_has_transaction"),
        Index("ix_perk_claim_merchant_id_claimed_at", "merchant_id", "claimed_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    offer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("offer.id"))
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    site_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant_site.id"))
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"), index=True)
    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"))
    fee_minor: Mapped[int] = mapped_column(BigInteger())
    transaction_key: Mapped[UUID | None] = mapped_column(UUIDType(), unique=True)
    claimed_at: Mapped[datetime] = mapped_column(UtcDateTime())


class OfferCodeBatch(Base):
    """Codes that a merchant had made for its own marketing. They can be paused, and ended for good."""

    __tablename__ = "offer_code_batch"
    __table_args__ = (
        CheckConstraint("state IN ('open', 'paused', 'ended')", name="state_known"),
        CheckConstraint("size > 0", name="size_positive"),
        CheckConstraint("expires_at > created_at", name="expires_later"),
        Index("ix_offer_code_batch_offer_id", "offer_id", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    offer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("offer.id"))
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"), index=True)
    size: Mapped[int] = mapped_column(Integer())
    state: Mapped[str] = mapped_column(String(6))
    code_key: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())


class OfferCode(Base):
    """One code of a batch, as a keyed hash, and the driver who was first to claim it."""

    __tablename__ = "offer_code"
    __table_args__ = (
        CheckConstraint("length(code_hash) = 32", name="code_hash_whole"),
        CheckConstraint("(driver_id IS NULL) = (claimed_at IS NULL)", name="claim_whole"),
    )

    batch_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("offer_code_batch.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer(), primary_key=True)
    code_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    driver_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("driver.id"), index=True)
    claimed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
