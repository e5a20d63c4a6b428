"""Tables of disputed payments of sponsors: how far each dispute is, and what of it was booked."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, LeftForLater, UtcDateTime, UUIDType


class DisputeState(StrEnum):
    """How far a dispute is, as the provider said when it was last read."""

    TOLD = "told"
    """An event says that it is over, which is the first that was heard of it; it was not read yet."""
    OPEN = "open"
    WON = "won"
    """The payment stands."""
    LOST = "lost"
    DROPPED = "dropped"
    """The payer only asked, and nothing came of it."""


STANDS: Final = (DisputeState.OPEN, DisputeState.LOST)
"""States in which the payment is not the sponsor's to spend."""


class MovementKind(StrEnum):
    """Which way money of a dispute went."""

    TAKEN = "taken"
    RETURNED = "returned"
    COLLECTED = "collected"
    """Out of the sponsor's deposits, to pay for what was taken."""


def _one_of(states: type[StrEnum]) -> str:
    return ", ".join(f"'{one.value}'" for one in states)


_DUE: Final = text("due_at IS NOT NULL")
_UNSEEN: Final = text("lifted_at IS NULL AND (state IN ('told', 'open', 'lost') OR trouble IS NOT NULL)")


class SponsorDispute(LeftForLater, Base):
    """One dispute of one payment. It stops its sponsor while it stands and nobody has lifted the stop.

    `checkout_id` is empty while no payment of ours is known that it could be about. `answer_by` is
    until when the provider wants evidence, None when it wants none. `lifted_at` is when a person saw
    to it: from then on it stops nobody, whatever becomes of it.
    """

    __tablename__ = "sponsor_dispute"
    __table_args__ = (
        UniqueConstraint("provider", "dispute"),
        CheckConstraint(f"state IN ({_one_of(DisputeState)})", name="state_known"),
        CheckConstraint("amount > 0", name="amount_positive"),
        CheckConstraint("state NOT IN ('told', 'open') OR due_at IS NOT NULL", name="open_is_due"),
        CheckConstraint("(checkout_id IS NULL) = (sponsor_id IS NULL)", name="sponsor_by_payment"),
        Index("ix_sponsor_dispute_due", "due_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_sponsor_dispute_unseen", "id", sqlite_where=_UNSEEN, postgresql_where=_UNSEEN),
        Index(None, "payment"),
        Index(None, "sponsor_id"),
        Index(None, "checkout_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    dispute: Mapped[str] = mapped_column(String(255))
    payment: Mapped[str | None] = mapped_column(String(255))
    checkout_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("sponsor_checkout.id"))
    sponsor_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("sponsor.id"))
    state: Mapped[str] = mapped_column(String(8))
    amount: Mapped[int | None] = mapped_column(BigInteger())
    currency: Mapped[str | None] = mapped_column(String(3))
    reason: Mapped[str | None] = mapped_column(String(60))
    attempts: Mapped[int] = mapped_column(Integer())
    trouble: Mapped[str | None] = mapped_column(String(120))
    first_sent_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    answer_by: Mapped[datetime | None] = mapped_column(UtcDateTime())
    told_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class SponsorDisputeMovement(Base):
    """Money that a dispute moved; written with its chain, never changed. Amounts in minor units.

    Of what was returned, `to_deposits` went to the sponsor's deposits and `to_house` to the house;
    the rest paid what the sponsor owed.
    """

    __tablename__ = "sponsor_dispute_movement"
    __table_args__ = (
        UniqueConstraint("dispute_id", "movement"),
        CheckConstraint(f"kind IN ({_one_of(MovementKind)})", name="kind_known"),
        CheckConstraint("amount >= 0 AND (amount > 0 OR cost <> 0)", name="something_moved"),
        CheckConstraint(
            "to_deposits >= 0 AND to_house >= 0 AND to_deposits + to_house <= amount", name="parts_within"
        ),
        CheckConstraint("kind = 'returned' OR to_deposits + to_house = 0", name="parts_of_returned"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    dispute_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("sponsor_dispute.id"))
    movement: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(9))
    amount: Mapped[int] = mapped_column(BigInteger())
    cost: Mapped[int] = mapped_column(BigInteger())
    to_deposits: Mapped[int] = mapped_column(BigInteger())
    to_house: Mapped[int] = mapped_column(BigInteger())
    transaction_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    booked_at: Mapped[datetime] = mapped_column(UtcDateTime())
