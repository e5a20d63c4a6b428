"""Tables of points that went back: expired, taken back, and owed by drivers. Amounts never change."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType


class RewardExpiry(Base):
    """What was left of one lot of a grant's points when its time came; written with its chain.

    Attributes:
        id: The lot's.
        returned: What of it went back to the campaign: all or, as the campaign states, nothing.
        fee_returned: The fee that the campaign got back with it, minor units.
    """

    __tablename__ = "reward_expiry"
    __table_args__ = (
        CheckConstraint("points > 0", name="points_positive"),
        CheckConstraint("returned = 0 OR returned = points", name="returned_whole"),
        CheckConstraint("fee_returned >= 0 AND (returned > 0 OR fee_returned = 0)", name="fee_with_points"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("reward_grant.id"), index=True)
    points: Mapped[int] = mapped_column(BigInteger())
    returned: Mapped[int] = mapped_column(BigInteger())
    fee_returned: Mapped[int] = mapped_column(BigInteger())
    transaction_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    expired_at: Mapped[datetime] = mapped_column(UtcDateTime())


class RewardClawback(Base):
    """One taking back of a grant's points: a decision, or a part of what was still owed for one.

    Attributes:
        points: What the decision said was not earned; of a recovery, what it took.
        taken: What the driver had of it, and the chain under `transaction_key` moved.
        reason: A code of `reasons.TEXTS`, filled in with `facts`.
        receivable_id: Of a recovery, the debt it reduces.
    """

    __tablename__ = "reward_clawback"
    __table_args__ = (
        CheckConstraint("points > 0 AND taken BETWEEN 0 AND points", name="taken_range"),
        CheckConstraint("fee_returned >= 0", name="fee_not_negative"),
        CheckConstraint("(taken = 0) = (transaction_key IS NULL)", name="taken_is_posted"),
        CheckConstraint("receivable_id IS NULL OR taken = points", name="recovery_whole"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    grant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("reward_grant.id"), index=True)
    points: Mapped[int] = mapped_column(BigInteger())
    taken: Mapped[int] = mapped_column(BigInteger())
    fee_returned: Mapped[int] = mapped_column(BigInteger())
    reason: Mapped[str] = mapped_column(String(60))
    facts: Mapped[dict[str, Any]] = mapped_column(JSON())
    decided_by: Mapped[str] = mapped_column(String(80))
    receivable_id: Mapped[UUID | None] = mapped_column(
        UUIDType(), ForeignKey("reward_receivable.id"), index=True
    )
    transaction_key: Mapped[UUID | None] = mapped_column(UUIDType(), unique=True)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime())


class RewardReceivable(Base):
    """What a driver no longer had when it was taken back; a later earning pays it.

    `points` is the debt as it arose. What is left of it follows from its recoveries.
    """

    __tablename__ = "reward_receivable"
    __table_args__ = (
        CheckConstraint("points > 0", name="points_positive"),
        CheckConstraint("state IN ('open', 'recovered')", name="state_known"),
        CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed_has_instant"),
        CheckConstraint("(state = 'open') = (next_at IS NOT NULL)", name="open_is_due"),
        Index(
            "ix_reward_receivable_due",
            "next_at",
            "id",
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    clawback_id: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    grant_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("reward_grant.id"), index=True)
    points: Mapped[int] = mapped_column(BigInteger())
    state: Mapped[str] = mapped_column(String(9))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    arose_at: Mapped[datetime] = mapped_column(UtcDateTime())
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
