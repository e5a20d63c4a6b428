"""What happens to points after they were given: expired, taken back, owed; and who referred whom."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0021"
down_revision: Final = "0020"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables, the columns and the index that finds what is overdue."""
    op.add_column(
        "campaign",
        sa.Column("expired_points_to", sa.String(9), nullable=False, server_default=sa.text("'breakage'")),
    )
    op.add_column("reward_grant", sa.Column("review_at", UtcDateTime()))
    op.create_index(
        "ix_reward_grant_review",
        "reward_grant",
        ["review_at", "id"],
        sqlite_where=sa.text("review_at IS NOT NULL"),
        postgresql_where=sa.text("review_at IS NOT NULL"),
    )
    op.create_index(
        "ix_ledger_lot_due",
        "ledger_lot",
        ["expires_at", "id"],
        sqlite_where=sa.text("remaining > 0 AND expires_at IS NOT NULL"),
        postgresql_where=sa.text("remaining > 0 AND expires_at IS NOT NULL"),
    )
    _create_reward_expiry()
    _create_reward_receivable()
    _create_reward_clawback()
    _create_referral_code()
    _create_referral()


def downgrade() -> None:
    """Drop them; who owes points, and why some were taken, is known to the ledger alone."""
    for table in ("referral", "referral_code", "reward_clawback", "reward_receivable", "reward_expiry"):
        op.drop_table(table)
    op.drop_index("ix_ledger_lot_due", "ledger_lot")
    op.drop_index("ix_reward_grant_review", "reward_grant")
    op.drop_column("reward_grant", "review_at")
    op.drop_column("campaign", "expired_points_to")


def _create_reward_expiry() -> None:
    op.create_table(
        "reward_expiry",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("grant_id", UUIDType(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("returned", sa.BigInteger(), nullable=False),
        sa.Column("fee_returned", sa.BigInteger(), nullable=False),
        sa.Column("transaction_key", UUIDType(), nullable=False),
        sa.Column("expired_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reward_expiry"),
        sa.CheckConstraint(
            "fee_returned >= 0 AND (returned > 0 OR fee_returned = 0)",
            name="ck_reward_expiry_fee_with_points",
        ),
        sa.CheckConstraint("points > 0", name="ck_reward_expiry_points_positive"),
        sa.CheckConstraint("returned = 0 OR returned = points", name="ck_reward_expiry_returned_whole"),
        sa.ForeignKeyConstraint(["grant_id"], ["reward_grant.id"], name="fk_reward_expiry_grant_id"),
        sa.UniqueConstraint("transaction_key", name="uq_reward_expiry_transaction_key"),
    )
    op.create_index("ix_reward_expiry_grant_id", "reward_expiry", ["grant_id"])


def _create_reward_receivable() -> None:
    op.create_table(
        "reward_receivable",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("clawback_id", UUIDType(), nullable=False),
        sa.Column("grant_id", UUIDType(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("arose_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_reward_receivable"),
        sa.CheckConstraint(
            "(state = 'open') = (closed_at IS NULL)", name="ck_reward_receivable_closed_has_instant"
        ),
        sa.CheckConstraint(
            "(state = 'open') = (next_at IS NOT NULL)", name="ck_reward_receivable_open_is_due"
        ),
        sa.CheckConstraint("points > 0", name="ck_reward_receivable_points_positive"),
        sa.CheckConstraint("state IN ('open', 'recovered')", name="ck_reward_receivable_state_known"),
        sa.ForeignKeyConstraint(["grant_id"], ["reward_grant.id"], name="fk_reward_receivable_grant_id"),
        sa.UniqueConstraint("clawback_id", name="uq_reward_receivable_clawback_id"),
    )
    op.create_index(
        "ix_reward_receivable_due",
        "reward_receivable",
        ["next_at", "id"],
        sqlite_where=sa.text("state = 'open'"),
        postgresql_where=sa.text("state = 'open'"),
    )
    op.create_index("ix_reward_receivable_grant_id", "reward_receivable", ["grant_id"])


def _create_reward_clawback() -> None:
    op.create_table(
        "reward_clawback",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("grant_id", UUIDType(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.BigInteger(), nullable=False),
        sa.Column("fee_returned", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(60), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("decided_by", sa.String(80), nullable=False),
        sa.Column("receivable_id", UUIDType()),
        sa.Column("transaction_key", UUIDType()),
        sa.Column("decided_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reward_clawback"),
        sa.CheckConstraint("fee_returned >= 0", name="ck_reward_clawback_fee_not_negative"),
        sa.CheckConstraint(
            "receivable_id IS NULL OR taken = points", name="ck_reward_clawback_recovery_whole"
        ),
        sa.CheckConstraint(
            "(taken = 0) = (transaction_key IS NULL)", name="ck_reward_clawback_taken_is_posted"
        ),
        sa.CheckConstraint(
            "points > 0 AND taken BETWEEN 0 AND points", name="ck_reward_clawback_taken_range"
        ),
        sa.ForeignKeyConstraint(["grant_id"], ["reward_grant.id"], name="fk_reward_clawback_grant_id"),
        sa.ForeignKeyConstraint(
            ["receivable_id"], ["reward_receivable.id"], name="fk_reward_clawback_receivable_id"
        ),
        sa.UniqueConstraint("transaction_key", name="uq_reward_clawback_transaction_key"),
    )
    op.create_index("ix_reward_clawback_grant_id", "reward_clawback", ["grant_id"])
    op.create_index("ix_reward_clawback_receivable_id", "reward_clawback", ["receivable_id"])


def _create_referral_code() -> None:
    op.create_table(
        "referral_code",
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("code", sa.String(10), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("driver_id", name="pk_referral_code"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_referral_code_driver_id"),
        sa.UniqueConstraint("code", name="uq_referral_code_code"),
    )


def _create_referral() -> None:
    op.create_table(
        "referral",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("referrer_id", UUIDType(), nullable=False),
        sa.Column("referee_id", UUIDType(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("session_id", UUIDType()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("named_at", UtcDateTime(), nullable=False),
        sa.Column("rewarded_at", UtcDateTime()),
        sa.Column("referrer_key", UUIDType()),
        sa.Column("referee_key", UUIDType()),
        sa.PrimaryKeyConstraint("id", name="pk_referral"),
        sa.CheckConstraint(
            "(state = 'qualified') = (next_at IS NOT NULL)", name="ck_referral_qualified_is_due"
        ),
        sa.CheckConstraint(
            "(state = 'refused') = (reason IS NOT NULL)", name="ck_referral_refused_for_a_reason"
        ),
        sa.CheckConstraint(
            "(state = 'rewarded') = (rewarded_at IS NOT NULL)", name="ck_referral_rewarded_has_instant"
        ),
        sa.CheckConstraint(
            "(state = 'rewarded') = (referrer_key IS NOT NULL) AND (state = 'rewarded') = (referee_key IS NOT NULL)",
            name="ck_referral_rewarded_is_posted",
        ),
        sa.CheckConstraint(
            "(state IN ('qualified', 'rewarded')) = (session_id IS NOT NULL)",
            name="ck_referral_session_known",
        ),
        sa.CheckConstraint(
            "state IN ('invited', 'qualified', 'rewarded', 'refused')", name="ck_referral_state_known"
        ),
        sa.CheckConstraint("referrer_id <> referee_id", name="ck_referral_two_people"),
        sa.ForeignKeyConstraint(["referee_id"], ["driver.id"], name="fk_referral_referee_id"),
        sa.ForeignKeyConstraint(["referrer_id"], ["driver.id"], name="fk_referral_referrer_id"),
        sa.ForeignKeyConstraint(["session_id"], ["charging_session.id"], name="fk_referral_session_id"),
        sa.UniqueConstraint("referee_id", name="uq_referral_referee_id"),
        sa.UniqueConstraint("referee_key", name="uq_referral_referee_key"),
        sa.UniqueConstraint("referrer_key", name="uq_referral_referrer_key"),
    )
    op.create_index(
        "ix_referral_due",
        "referral",
        ["next_at", "id"],
        sqlite_where=sa.text("state = 'qualified'"),
        postgresql_where=sa.text("state = 'qualified'"),
    )
    op.create_index(
        "ix_referral_invited",
        "referral",
        ["referee_id"],
        sqlite_where=sa.text("state = 'invited'"),
        postgresql_where=sa.text("state = 'invited'"),
    )
    op.create_index("ix_referral_referrer_id", "referral", ["referrer_id"])
