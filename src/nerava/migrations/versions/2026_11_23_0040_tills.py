"""Points of sale that merchants link, what was sold there, and which redemptions it proves."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0040"
down_revision: Final = "0039"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    _create_till_link()
    _create_till_way()
    _create_till_location()
    _create_till_order()
    _create_till_proof()
    _create_till_match()
    _create_till_refund()


def downgrade() -> None:
    """Drop them with all that is in them."""
    for table in (
        "till_refund",
        "till_match",
        "till_proof",
        "till_order",
        "till_location",
        "till_way",
        "till_link",
    ):
        op.drop_table(table)


def _create_till_link() -> None:
    op.create_table(
        "till_link",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("state", sa.String(6), nullable=False),
        sa.Column("trouble", sa.String(80)),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("tokens_at", UtcDateTime(), nullable=False),
        sa.Column("good_until", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("read_until", UtcDateTime(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("linked_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("ended_because", sa.String(11)),
        sa.CheckConstraint(
            "(state = 'ended') = (ended_at IS NOT NULL)", name="ck_till_link_ended_at_an_instant"
        ),
        sa.CheckConstraint("(state = 'ended') = (sealed IS NULL)", name="ck_till_link_ended_has_no_tokens"),
        sa.CheckConstraint(
            "ended_because IN ('by-merchant', 'at-provider')", name="ck_till_link_ending_known"
        ),
        sa.CheckConstraint("state IN ('active', 'broken', 'ended')", name="ck_till_link_state_known"),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_because IS NULL)", name="ck_till_link_ended_for_a_reason"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_till_link_attempts_counted"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_till_link_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_till_link"),
    )
    op.create_index(
        "ix_till_link_due",
        "till_link",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_till_link_merchant_id", "till_link", ["merchant_id"])
    op.create_index("ix_till_link_user_id", "till_link", ["user_id"])
    op.create_index(
        "uq_till_link_account",
        "till_link",
        ["provider", "account"],
        unique=True,
        sqlite_where=sa.text("state <> 'ended'"),
        postgresql_where=sa.text("state <> 'ended'"),
    )


def _create_till_way() -> None:
    op.create_table(
        "till_way",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("state_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("trouble", sa.String(80)),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("done_at", UtcDateTime()),
        sa.CheckConstraint(
            "state IN ('asked', 'returned', 'done', 'failed')", name="ck_till_way_state_known"
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_till_way_merchant_id"),
        sa.PrimaryKeyConstraint("id", name="pk_till_way"),
        sa.UniqueConstraint("state_hash", name="uq_till_way_state_hash"),
    )
    op.create_index("ix_till_way_created_at", "till_way", ["created_at"])
    op.create_index("ix_till_way_merchant_id", "till_way", ["merchant_id"])


def _create_till_location() -> None:
    op.create_table(
        "till_location",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("external_id", sa.String(80), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("site_id", UUIDType()),
        sa.Column("seen_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_till_location_merchant_id"),
        sa.ForeignKeyConstraint(["site_id"], ["merchant_site.id"], name="fk_till_location_site_id"),
        sa.PrimaryKeyConstraint("id", name="pk_till_location"),
        sa.UniqueConstraint(
            "merchant_id",
            "provider",
            "account",
            "external_id",
            name="uq_till_location_merchant_id_provider_account_external_id",
        ),
    )
    op.create_index("ix_till_location_site_id", "till_location", ["site_id"])


def _create_till_order() -> None:
    op.create_table(
        "till_order",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("external_id", sa.String(192), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("location", sa.String(80)),
        sa.Column("reference", sa.String(80)),
        sa.Column("redemption_id", UUIDType()),
        sa.Column("currency", sa.String(3)),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("tip_minor", sa.BigInteger(), nullable=False),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("paid_minor", sa.BigInteger(), nullable=False),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.Column("version", sa.BigInteger()),
        sa.Column("changed_at", UtcDateTime()),
        sa.Column("rung_up_at", UtcDateTime()),
        sa.Column("closed_at", UtcDateTime()),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(80)),
        sa.CheckConstraint(
            "(state = 'unread') = (changed_at IS NULL)", name="ck_till_order_read_has_instant"
        ),
        sa.CheckConstraint(
            "state IN ('unread', 'open', 'completed', 'canceled', 'unknown')",
            name="ck_till_order_state_known",
        ),
        sa.CheckConstraint("looks >= 0 AND attempts >= 0", name="ck_till_order_looks_counted"),
        sa.CheckConstraint("paid_minor >= 0", name="ck_till_order_paid_not_negative"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_till_order_merchant_id"),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name="fk_till_order_redemption_id"),
        sa.PrimaryKeyConstraint("id", name="pk_till_order"),
        sa.UniqueConstraint(
            "provider", "account", "external_id", name="uq_till_order_provider_account_external_id"
        ),
    )
    op.create_index(
        "ix_till_order_due",
        "till_order",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_till_order_found", "till_order", ["merchant_id", "location", "rung_up_at"])
    op.create_index("ix_till_order_redemption_id", "till_order", ["redemption_id"])
    op.create_index("ix_till_order_reference", "till_order", ["merchant_id", "reference"])


def _create_till_proof() -> None:
    op.create_table(
        "till_proof",
        sa.Column("redemption_id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("reason", sa.String(20)),
        sa.Column("captured_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("looked_at", UtcDateTime()),
        sa.CheckConstraint("(state = 'proved') = (reason IS NULL)", name="ck_till_proof_unproved_has_reason"),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)", name="ck_till_proof_waiting_is_due"
        ),
        sa.CheckConstraint(
            "reason IN ('not-looked-at', 'no-order', 'no-place', 'no-bill', 'order-not-paid', 'order-canceled', 'amount-differs', 'order-taken', 'link-ended')",
            name="ck_till_proof_reason_known",
        ),
        sa.CheckConstraint("state IN ('waiting', 'proved', 'unproved')", name="ck_till_proof_state_known"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_till_proof_merchant_id"),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name="fk_till_proof_redemption_id"),
        sa.PrimaryKeyConstraint("redemption_id", name="pk_till_proof"),
    )
    op.create_index(
        "ix_till_proof_due",
        "till_proof",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_till_proof_waiting", "till_proof", ["merchant_id", "state"])


def _create_till_match() -> None:
    op.create_table(
        "till_match",
        sa.Column("redemption_id", UUIDType(), nullable=False),
        sa.Column("order_id", UUIDType(), nullable=False),
        sa.Column("by", sa.String(9), nullable=False),
        sa.Column("matched_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["till_order.id"], name="fk_till_match_order_id"),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name="fk_till_match_redemption_id"),
        sa.PrimaryKeyConstraint("redemption_id", name="pk_till_match"),
        sa.UniqueConstraint("order_id", name="uq_till_match_order_id"),
    )


def _create_till_refund() -> None:
    op.create_table(
        "till_refund",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("order_id", UUIDType(), nullable=False),
        sa.Column("external_id", sa.String(255), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger()),
        sa.Column("trouble", sa.String(80)),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "state IN ('unread', 'pending', 'completed', 'failed')", name="ck_till_refund_state_known"
        ),
        sa.CheckConstraint("amount_minor >= 0", name="ck_till_refund_amount_not_negative"),
        sa.CheckConstraint("looks >= 0 AND attempts >= 0", name="ck_till_refund_looks_counted"),
        sa.CheckConstraint("points >= 0", name="ck_till_refund_points_not_negative"),
        sa.ForeignKeyConstraint(["order_id"], ["till_order.id"], name="fk_till_refund_order_id"),
        sa.PrimaryKeyConstraint("id", name="pk_till_refund"),
        sa.UniqueConstraint("order_id", "external_id", name="uq_till_refund_order_id_external_id"),
    )
    op.create_index(
        "ix_till_refund_due",
        "till_refund",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
