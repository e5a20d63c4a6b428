"""Tables of tills: links and the way to one, places, orders, refunds, and what they prove. No balance."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
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
from nerava.tills.states import ProofState, Reason, RefundState, SaleState, TillEnd, TillState, WayState

if TYPE_CHECKING:
    from enum import StrEnum

_NOT_ENDED = text("state <> 'ended'")
_DUE = text("next_at IS NOT NULL")


def _one_of(column: str, words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(one.value) for one in words)})"


class TillLink(Base):
    """A merchant's consent to its point of sale being read. An account is linked to one merchant at a time.

    Both tokens are sealed together, and gone when the link is over. `generation` counts the pairs, and the
    present one was got at `tokens_at`. `next_at` is when the link is looked after or, once it is over, when
    the provider is told; `leased_until` is whose turn that is. `read_until` says how far changes were read
    that nobody told us of.
    """

    __tablename__ = "till_link"
    __table_args__ = (
        CheckConstraint(_one_of("state", TillState), name="state_known"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_at_an_instant"),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_for_a_reason"),
        CheckConstraint(_one_of("ended_because", TillEnd), name="ending_known"),
        CheckConstraint("(state = 'ended') = (sealed IS NULL)", name="ended_has_no_tokens"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index(
            "uq_till_link_account",
            "provider",
            "account",
            unique=True,
            sqlite_where=_NOT_ENDED,
            postgresql_where=_NOT_ENDED,
        ),
        Index("ix_till_link_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index(None, "merchant_id"),
        Index(None, "user_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    state: Mapped[str] = mapped_column(String(6))
    trouble: Mapped[str | None] = mapped_column(String(80))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary())
    generation: Mapped[int] = mapped_column(Integer(), default=0)
    tokens_at: Mapped[datetime] = mapped_column(UtcDateTime())
    good_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    attempts: Mapped[int] = mapped_column(Integer(), default=0)
    read_until: Mapped[datetime] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    linked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_because: Mapped[str | None] = mapped_column(String(11))


class TillWay(Base):
    """Somebody of a merchant on the way to the provider's consent page and back: one sign-in, good once.

    The state that travels is known to us as its SHA-256 alone.
    """

    __tablename__ = "till_way"
    __table_args__ = (
        CheckConstraint(_one_of("state", WayState), name="state_known"),
        Index(None, "merchant_id"),
        Index(None, "created_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    state_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    session_id: Mapped[UUID] = mapped_column(UUIDType())
    provider: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(8))
    trouble: Mapped[str | None] = mapped_column(String(80))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class TillLocation(Base):
    """A location of a merchant at its provider, and which of the merchant's places it is, once said."""

    __tablename__ = "till_location"
    __table_args__ = (UniqueConstraint("merchant_id", "provider", "account", "external_id"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(80))
    name: Mapped[str] = mapped_column(String(120))
    site_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("merchant_site.id"), index=True)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime())


class TillOrder(Base):
    """An order at a till, as it was read last; amounts in minor units of `currency`.

    `amount_minor` is what the goods came to: after discounts, without tip and tax. `paid_minor` is what
    completed payments brought, tips included. `version` is None for what no call made; then `changed_at`
    tells which reading is newer. `told_at` is when we last heard of it, `next_at` when it is read next,
    `looks` how often it was since, `attempts` how often it could not be. `redemption_id` is the one whose
    code stood in the reference.
    """

    __tablename__ = "till_order"
    __table_args__ = (
        UniqueConstraint("provider", "account", "external_id"),
        CheckConstraint(_one_of("state", SaleState), name="state_known"),
        CheckConstraint("(state = 'unread') = (changed_at IS NULL)", name="read_has_instant"),
        CheckConstraint("looks >= 0 AND attempts >= 0", name="looks_counted"),
        CheckConstraint("paid_minor >= 0", name="paid_not_negative"),
        Index("ix_till_order_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_till_order_found", "merchant_id", "location", "rung_up_at"),
        Index("ix_till_order_reference", "merchant_id", "reference"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(192))
    state: Mapped[str] = mapped_column(String(9))
    location: Mapped[str | None] = mapped_column(String(80))
    reference: Mapped[str | None] = mapped_column(String(80))
    redemption_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("redemption.id"), index=True)
    currency: Mapped[str | None] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger(), default=0)
    tax_minor: Mapped[int] = mapped_column(BigInteger(), default=0)
    tip_minor: Mapped[int] = mapped_column(BigInteger(), default=0)
    discount_minor: Mapped[int] = mapped_column(BigInteger(), default=0)
    paid_minor: Mapped[int] = mapped_column(BigInteger(), default=0)
    is_settled: Mapped[bool] = mapped_column(Boolean(), default=False)
    version: Mapped[int | None] = mapped_column(BigInteger())
    changed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    rung_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    told_at: Mapped[datetime] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    looks: Mapped[int] = mapped_column(Integer(), default=0)
    attempts: Mapped[int] = mapped_column(Integer(), default=0)
    trouble: Mapped[str | None] = mapped_column(String(80))


class TillRefund(Base):
    """Money that was given back at a till, under the provider's name for it; it takes back points once.

    `points` is how many went back to the driver, None while nothing was decided; 0 with a `trouble` where
    none could.
    """

    __tablename__ = "till_refund"
    __table_args__ = (
        UniqueConstraint("order_id", "external_id"),
        CheckConstraint(_one_of("state", RefundState), name="state_known"),
        CheckConstraint("amount_minor >= 0", name="amount_not_negative"),
        CheckConstraint("points >= 0", name="points_not_negative"),
        CheckConstraint("looks >= 0 AND attempts >= 0", name="looks_counted"),
        Index("ix_till_refund_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    order_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("till_order.id"))
    external_id: Mapped[str] = mapped_column(String(255))
    state: Mapped[str] = mapped_column(String(9))
    amount_minor: Mapped[int] = mapped_column(BigInteger(), default=0)
    points: Mapped[int | None] = mapped_column(BigInteger())
    trouble: Mapped[str | None] = mapped_column(String(80))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    looks: Mapped[int] = mapped_column(Integer(), default=0)
    attempts: Mapped[int] = mapped_column(Integer(), default=0)


class TillProof(Base):
    """A redemption at a merchant with a till: whether an order proves it, and if not, why not."""

    __tablename__ = "till_proof"
    __table_args__ = (
        CheckConstraint(_one_of("state", ProofState), name="state_known"),
        CheckConstraint(_one_of("reason", Reason), name="reason_known"),
        CheckConstraint("(state = 'proved') = (reason IS NULL)", name="unproved_has_reason"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting_is_due"),
        Index("ix_till_proof_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_till_proof_waiting", "merchant_id", "state"),
    )

    redemption_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("redemption.id"), primary_key=True)
    merchant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("merchant.id"))
    state: Mapped[str] = mapped_column(String(8))
    reason: Mapped[str | None] = mapped_column(String(20))
    captured_at: Mapped[datetime] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    looked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class TillMatch(Base):
    """An order that proves a redemption: one of each, and never another one."""

    __tablename__ = "till_match"

    redemption_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("redemption.id"), primary_key=True)
    order_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("till_order.id"), unique=True)
    by: Mapped[str] = mapped_column(String(9))
    matched_at: Mapped[datetime] = mapped_column(UtcDateTime())
