"""Tables of payments by sponsors and of what goes back; a provider's answer ends each of them."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, LeftForLater, UtcDateTime, UUIDType
from nerava.rewards.dispute_store import SponsorDispute

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session

LEASE: Final = timedelta(seconds=60)
"""How long a worker has for one step before another one takes it; a call takes 10 s at most."""

_DUE: Final = text("due_at IS NOT NULL")


class CheckoutState(StrEnum):
    """How far the payment of a sponsor is."""

    ASKED = "asked"
    """The provider does not know of it, or we do not know that it does."""
    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    """The money is the sponsor's to spend, by the same commit."""
    FAILED = "failed"
    EXPIRED = "expired"


class RefundState(StrEnum):
    """How far a refund is."""

    ASKED = "asked"
    """Reserved; it may have been sent."""
    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    """The provider did not do it; the money is with the deposits again."""
    RETURNED = "returned"
    """It was paid and came back."""


def _one_of(states: Iterable[StrEnum]) -> str:
    return ", ".join(f"'{one.value}'" for one in states)


class SponsorCheckout(LeftForLater, Base):
    """One payment of a sponsor. Amounts in minor units; with a campaign, the split as it was agreed on."""

    __tablename__ = "sponsor_checkout"
    __table_args__ = (
        UniqueConstraint("provider", "checkout"),
        CheckConstraint(f"state IN ({_one_of(CheckoutState)})", name="state_known"),
        CheckConstraint("gross > 0", name="gross_positive"),
        CheckConstraint(
            "(state IN ('asked', 'open', 'processing')) = (due_at IS NOT NULL)", name="open_is_due"
        ),
        CheckConstraint("state <> 'paid' OR payment IS NOT NULL", name="paid_names_payment"),
        Index("ix_sponsor_checkout_due", "due_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index(None, "sponsor_id", "id"),
        Index(None, "payment"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    sponsor_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("sponsor.id"))
    campaign_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("campaign.id"), index=True)
    gross: Mapped[int] = mapped_column(BigInteger())
    fee_bps: Mapped[int | None] = mapped_column(Integer())
    currency: Mapped[str] = mapped_column(String(3))
    provider: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(16))
    checkout: Mapped[str | None] = mapped_column(String(255))
    payment: Mapped[str | None] = mapped_column(String(255))
    url: Mapped[str | None] = mapped_column(Text())
    attempts: Mapped[int] = mapped_column(Integer())
    trouble: Mapped[str | None] = mapped_column(String(120))
    first_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    disputed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class SponsorRefundRow(LeftForLater, Base):
    """A part of one payment on its way back to the sponsor. Amounts in minor units.

    `tries` counts keys: the same one is sent until a new one cannot pay twice. `missed_at` is when
    the provider first listed all refunds and ours was not among them.
    """

    __tablename__ = "sponsor_refund"
    __table_args__ = (
        CheckConstraint(f"state IN ({_one_of(RefundState)})", name="state_known"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("state NOT IN ('asked', 'pending') OR due_at IS NOT NULL", name="open_is_due"),
        Index("ix_sponsor_refund_due", "due_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index(None, "sponsor_id", "id"),
        Index(None, "checkout_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    sponsor_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("sponsor.id"))
    checkout_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("sponsor_checkout.id"))
    amount: Mapped[int] = mapped_column(BigInteger())
    state: Mapped[str] = mapped_column(String(16))
    refund: Mapped[str | None] = mapped_column(String(255))
    tries: Mapped[int] = mapped_column(Integer())
    attempts: Mapped[int] = mapped_column(Integer())
    trouble: Mapped[str | None] = mapped_column(String(120))
    first_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    last_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    missed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class CampaignClosing(Base):
    """What an ended campaign had left, and where it went; written with its chain, never changed."""

    __tablename__ = "campaign_closing"
    __table_args__ = (
        CheckConstraint("rest >= 0 AND fee_refunded >= 0 AND fee_earned >= 0", name="parts_not_negative"),
        CheckConstraint("rest + fee_refunded + fee_earned > 0", name="something_was_left"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("campaign.id"), index=True)
    rest: Mapped[int] = mapped_column(BigInteger())
    fee_refunded: Mapped[int] = mapped_column(BigInteger())
    fee_earned: Mapped[int] = mapped_column(BigInteger())
    transaction_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    closed_at: Mapped[datetime] = mapped_column(UtcDateTime())


_Driven = TypeVar("_Driven", SponsorCheckout, SponsorRefundRow, SponsorDispute)


def lease(session: Session, kind: type[_Driven], now: datetime, limit: int) -> list[_Driven]:
    """Take rows that are due, the longest due first, for a minute; other workers do not see them so long.

    What will be sent is noted before it is: `first_sent_at` is committed with the lease.
    """
    free = or_(kind.leased_until.is_(None), kind.leased_until <= now)
    due = select(kind).where(kind.due_at <= now, free).order_by(kind.due_at, kind.id).limit(limit)
    rows = list(session.scalars(due.with_for_update(skip_locked=True, key_share=True)))
    for row in rows:
        row.leased_until = now + LEASE
        row.first_sent_at = row.first_sent_at or now
        row.attempts += 1
    return rows


def move(session: Session, row: _Driven, values: dict[str, Any], *, leased_until: datetime | None) -> bool:
    """Write the result of a step if the row is still as it was read, and return whether it is."""
    kind: Any = type(row)
    held = kind.leased_until == leased_until
    change = update(kind).where(kind.id == row.id, kind.state == row.state, held)
    done = session.execute(change.values(leased_until=None, **values).returning(kind.id))
    return done.one_or_none() is not None


def hasten(session: Session, kind: type[Any], ids: Sequence[UUID], now: datetime) -> int:
    """Make rows that are driven due now and return how many there are."""
    change = update(kind).where(kind.id.in_(ids), kind.due_at.is_not(None)).values(due_at=now)
    return len(session.execute(change.returning(kind.id)).all())
