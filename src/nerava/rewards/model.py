"""Tables of rewards: who funds what, what was decided, what was granted. No balance rests here."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType


class Sponsor(Base):
    """Somebody who pays for campaigns. Deposits rest in the ledger."""

    __tablename__ = "sponsor"

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(120))
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Campaign(Base):
    """A promise with a budget. What is left of the budget is the ledger's to say, not this row's."""

    __tablename__ = "campaign"
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'active', 'paused', 'ended')", name="state_known"),
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("evidence_min BETWEEN 1 AND 5", name="evidence_min_known"),
        CheckConstraint("settle_level BETWEEN evidence_min AND 5", name="settle_level_known"),
        CheckConstraint("settle_within_days > 0", name="settle_within_positive"),
        CheckConstraint("score_min BETWEEN 0 AND 100", name="score_range"),
        CheckConstraint("points_expire_after_days > 0", name="expiry_positive"),
        CheckConstraint("session_points_max > 0", name="session_cap_positive"),
        CheckConstraint("driver_day_points_max > 0", name="driver_day_cap_positive"),
        CheckConstraint("driver_points_max > 0", name="driver_cap_positive"),
        CheckConstraint("fee_bps BETWEEN 0 AND 9000", name="fee_range"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    sponsor_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("sponsor.id"), index=True)
    name: Mapped[str] = mapped_column(String(120))
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(8))
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime())
    priority: Mapped[int] = mapped_column(Integer())
    stacking_group: Mapped[str | None] = mapped_column(String(40))
    evidence_min: Mapped[int] = mapped_column(SmallInteger())
    settle_level: Mapped[int] = mapped_column(SmallInteger())
    settle_within_days: Mapped[int] = mapped_column(Integer())
    score_min: Mapped[int] = mapped_column(SmallInteger())
    points_expire_after_days: Mapped[int | None] = mapped_column(Integer())
    session_points_max: Mapped[int | None] = mapped_column(BigInteger())
    driver_day_points_max: Mapped[int | None] = mapped_column(BigInteger())
    driver_points_max: Mapped[int | None] = mapped_column(BigInteger())
    fee_bps: Mapped[int] = mapped_column(Integer())
    rules: Mapped[list[Any]] = mapped_column(JSONType)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    holdout_percent: Mapped[int] = mapped_column(SmallInteger(), server_default=text("0"))
    expired_points_to: Mapped[str] = mapped_column(String(9), server_default=text("'breakage'"))


class CampaignFunding(Base):
    """One payment into a campaign and how it was split; written with its chain, never changed.

    The fee that each grant earns follows from these splits (`kernel.money.FeeRate`). All amounts
    in minor units.
    """

    __tablename__ = "campaign_funding"
    __table_args__ = (
        CheckConstraint("net > 0 AND fee >= 0 AND net + fee = gross", name="parts_are_whole"),
        CheckConstraint("fee_bps BETWEEN 0 AND 9000", name="fee_range"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("campaign.id"), index=True)
    gross: Mapped[int] = mapped_column(BigInteger())
    net: Mapped[int] = mapped_column(BigInteger())
    fee: Mapped[int] = mapped_column(BigInteger())
    fee_bps: Mapped[int] = mapped_column(Integer())
    transaction_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    funded_at: Mapped[datetime] = mapped_column(UtcDateTime())


class RewardDecision(Base):
    """What one evaluation of a session decided, for every campaign that was running.

    `outcomes` is written and read by `decisions.py`. `zone_data` is the edition of the time-zone
    data that local hours were read with.
    """

    __tablename__ = "reward_decision"
    __table_args__ = (
        CheckConstraint("evaluation > 0", name="evaluation_positive"),
        CheckConstraint("points >= 0", name="points_not_negative"),
    )

    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"), primary_key=True)
    evaluation: Mapped[int] = mapped_column(Integer(), primary_key=True)
    decided_at: Mapped[datetime] = mapped_column(UtcDateTime())
    evidence_level: Mapped[int] = mapped_column(SmallInteger())
    verdict: Mapped[str] = mapped_column(String(8))
    score: Mapped[int] = mapped_column(SmallInteger())
    points: Mapped[int] = mapped_column(BigInteger())
    zone_data: Mapped[str] = mapped_column(String(16))
    # Not JSONB: nobody looks into it in SQL, and text is written in half the time.
    outcomes: Mapped[list[Any]] = mapped_column(JSON())


class RewardDecisionGrid(Base):
    """What one evaluation was told of the grid, where a campaign asked: `facts` is `GridFacts.document`."""

    __tablename__ = "reward_decision_grid"
    __table_args__ = (
        ForeignKeyConstraint(
            ["session_id", "evaluation"], ["reward_decision.session_id", "reward_decision.evaluation"]
        ),
    )

    session_id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    evaluation: Mapped[int] = mapped_column(Integer(), primary_key=True)
    facts: Mapped[dict[str, Any]] = mapped_column(JSON())


class RewardGrant(Base):
    """Points that one campaign gave, or holds, for one session; each row has its ledger chain.

    `points_granted` and `fee_share` are what the chain under `transaction_key` moved or held;
    `points` is what still stands of it. `due_at` is when the settlement looks at a provisional
    grant: its deadline, or earlier once better evidence or a person has spoken. `review_at` is when
    a settled one is looked at again, because its session was decided anew; else None.
    """

    __tablename__ = "reward_grant"
    __table_args__ = (
        UniqueConstraint("session_id", "campaign_id"),
        CheckConstraint("state IN ('provisional', 'settled', 'released', 'clawed_back')", name="state_known"),
        CheckConstraint("points_granted > 0 AND fee_share >= 0", name="amounts_positive"),
        CheckConstraint("points BETWEEN 0 AND points_granted", name="points_range"),
        CheckConstraint("state NOT IN ('released', 'clawed_back') OR points = 0", name="gone_is_zero"),
        CheckConstraint("state NOT IN ('provisional', 'settled') OR points > 0", name="standing_is_positive"),
        CheckConstraint("(state = 'provisional') = (due_at IS NOT NULL)", name="provisional_is_due"),
        CheckConstraint("(state = 'provisional') = (settled_at IS NULL)", name="settled_has_instant"),
        Index(
            "ix_reward_grant_due",
            "due_at",
            "id",
            sqlite_where=text("state = 'provisional'"),
            postgresql_where=text("state = 'provisional'"),
        ),
        Index("ix_reward_grant_driver_id_granted_at", "driver_id", "granted_at"),
        Index("ix_reward_grant_campaign_id_local_date", "campaign_id", "local_date", "transaction_key"),
        Index(
            "ix_reward_grant_review",
            "review_at",
            "id",
            sqlite_where=text("review_at IS NOT NULL"),
            postgresql_where=text("review_at IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    campaign_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("campaign.id"))
    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"))
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    local_date: Mapped[str] = mapped_column(String(10))
    state: Mapped[str] = mapped_column(String(11))
    points_granted: Mapped[int] = mapped_column(BigInteger())
    points: Mapped[int] = mapped_column(BigInteger())
    fee_share: Mapped[int] = mapped_column(BigInteger())
    points_expire_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    transaction_key: Mapped[UUID] = mapped_column(UUIDType(), unique=True)
    settlement_key: Mapped[UUID | None] = mapped_column(UUIDType())
    settlement_reason: Mapped[str | None] = mapped_column(String(60))
    settle_by: Mapped[datetime | None] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime())
    settled_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    review_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RewardCap(Base):
    """How much of a driver's cap in one campaign is used, for one local date or in all.

    A limit, not money: it counts promises and nobody can spend it. It is filled in the same commit
    as the grants it counts, under the lock of the driver's row, and the database refuses a row
    above its limit. `period` is an ISO date or the word `total`. `points_unlinked` is the part of it
    whose grants no longer name the driver.
    """

    __tablename__ = "reward_cap"
    __table_args__ = (CheckConstraint("points_used BETWEEN 0 AND points_max", name="within_limit"),)

    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"), primary_key=True)
    campaign_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("campaign.id"), primary_key=True)
    period: Mapped[str] = mapped_column(String(10), primary_key=True)
    points_max: Mapped[int] = mapped_column(BigInteger())
    points_used: Mapped[int] = mapped_column(BigInteger())
    points_unlinked: Mapped[int] = mapped_column(BigInteger(), server_default=text("0"))
