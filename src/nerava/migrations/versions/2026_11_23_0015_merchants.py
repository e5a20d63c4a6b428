"""Merchants, their offers, codes and redemptions."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0015"
down_revision: Final = "0014"
branch_labels: Final = None
depends_on: Final = None

TABLES: Final = (
    "merchant",
    "merchant_site",
    "merchant_register",
    "offer",
    "offer_day",
    "redemption",
    "redemption_refund",
    "pos_order",
    "perk_claim",
    "offer_code_batch",
    "offer_code",
)


def upgrade() -> None:
    """Create the tables."""
    _create_merchants()
    _create_offers()
    _create_redemptions()
    _create_refunds()
    _create_claims()
    _create_codes()


def downgrade() -> None:
    """Drop them; what was redeemed stays in the ledger, without who and where."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_merchants() -> None:
    op.create_table(
        "merchant",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("fee_bps", sa.Integer(), nullable=False),
        sa.Column("claim_fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchant"),
        sa.CheckConstraint("state IN ('active', 'suspended')", name="ck_merchant_state_known"),
        sa.CheckConstraint("fee_bps BETWEEN 0 AND 9000", name="ck_merchant_fee_range"),
        sa.CheckConstraint("claim_fee_minor >= 0", name="ck_merchant_claim_fee_not_negative"),
    )
    op.create_table(
        "merchant_site",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("address", sa.String(200), nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchant_site"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_merchant_site_merchant_id"),
        sa.CheckConstraint("latitude BETWEEN -90 AND 90", name="ck_merchant_site_latitude"),
        sa.CheckConstraint("longitude BETWEEN -180 AND 180", name="ck_merchant_site_longitude"),
    )
    op.create_index("ix_merchant_site_merchant_id", "merchant_site", ["merchant_id"])
    op.create_index("ix_merchant_site_place", "merchant_site", ["latitude", "longitude"])
    op.create_table(
        "merchant_register",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("site_id", UUIDType(), nullable=False),
        sa.Column("name", sa.String(120), nullable=False),
        sa.Column("state", sa.String(6), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchant_register"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_merchant_register_merchant_id"),
        sa.ForeignKeyConstraint(["site_id"], ["merchant_site.id"], name="fk_merchant_register_site_id"),
        sa.CheckConstraint("state IN ('active', 'closed')", name="ck_merchant_register_state_known"),
    )
    op.create_index("ix_merchant_register_merchant_id", "merchant_register", ["merchant_id"])


def _create_offers() -> None:
    op.create_table(
        "offer",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("site_id", UUIDType()),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("terms", sa.String(200)),
        sa.Column("price_nova", sa.BigInteger()),
        sa.Column("claim_fee_minor", sa.BigInteger()),
        sa.Column("starts_at", UtcDateTime(), nullable=False),
        sa.Column("ends_at", UtcDateTime()),
        sa.Column("daily_stock", sa.Integer()),
        sa.Column("state", sa.String(6), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_offer"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_offer_merchant_id"),
        sa.ForeignKeyConstraint(["site_id"], ["merchant_site.id"], name="fk_offer_site_id"),
        sa.CheckConstraint("kind IN ('discount', 'perk')", name="ck_offer_kind_known"),
        sa.CheckConstraint("state IN ('draft', 'live', 'paused', 'ended')", name="ck_offer_state_known"),
        sa.CheckConstraint(
            "(kind = 'discount') = (price_nova IS NOT NULL)", name="ck_offer_discount_has_price"
        ),
        sa.CheckConstraint("(kind = 'perk') = (claim_fee_minor IS NOT NULL)", name="ck_offer_perk_has_fee"),
        sa.CheckConstraint("price_nova > 0", name="ck_offer_price_positive"),
        sa.CheckConstraint("claim_fee_minor >= 0", name="ck_offer_fee_not_negative"),
        sa.CheckConstraint("daily_stock > 0", name="ck_offer_stock_positive"),
        sa.CheckConstraint("ends_at > starts_at", name="ck_offer_ends_after_start"),
    )
    op.create_index(
        "ix_offer_live",
        "offer",
        ["id"],
        sqlite_where=sa.text("state = 'live'"),
        postgresql_where=sa.text("state = 'live'"),
    )
    op.create_index("ix_offer_merchant_id", "offer", ["merchant_id", "id"])
    op.create_table(
        "offer_day",
        sa.Column("offer_id", UUIDType(), nullable=False),
        sa.Column("local_date", sa.String(10), nullable=False),
        sa.Column("stock", sa.Integer(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("offer_id", "local_date", name="pk_offer_day"),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name="fk_offer_day_offer_id"),
        sa.CheckConstraint("taken BETWEEN 0 AND stock", name="ck_offer_day_within_stock"),
    )


def _create_redemptions() -> None:
    op.create_table(
        "redemption",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("offer_id", UUIDType(), nullable=False),
        sa.Column("price_nova", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(15), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("code_key", sa.String(16), nullable=False),
        sa.Column("hold_key", UUIDType(), nullable=False),
        sa.Column("local_date", sa.String(10), nullable=False),
        sa.Column("shown_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("register_id", UUIDType()),
        sa.Column("site_id", UUIDType()),
        sa.Column("bill_minor", sa.BigInteger()),
        sa.Column("points", sa.BigInteger()),
        sa.Column("pos_order_id", sa.String(80)),
        sa.Column("captured_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_redemption"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_redemption_driver_id"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_redemption_merchant_id"),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name="fk_redemption_offer_id"),
        sa.ForeignKeyConstraint(["register_id"], ["merchant_register.id"], name="fk_redemption_register_id"),
        sa.ForeignKeyConstraint(["site_id"], ["merchant_site.id"], name="fk_redemption_site_id"),
        sa.UniqueConstraint("code_hash", name="uq_redemption_code_hash"),
        sa.CheckConstraint(
            "state IN ('held', 'released', 'expired', 'captured', 'voided', 'partly_refunded', 'refunded')",
            name="ck_redemption_state_known",
        ),
        sa.CheckConstraint("price_nova > 0", name="ck_redemption_price_positive"),
        sa.CheckConstraint("points BETWEEN 1 AND price_nova", name="ck_redemption_points_within_price"),
        sa.CheckConstraint("bill_minor > 0", name="ck_redemption_bill_positive"),
        sa.CheckConstraint("length(code_hash) = 32", name="ck_redemption_code_hash_whole"),
        sa.CheckConstraint("expires_at > shown_at", name="ck_redemption_expires_later"),
        sa.CheckConstraint(
            "(state IN ('captured', 'voided', 'partly_refunded', 'refunded')) = (captured_at IS NOT NULL) "
            "AND (captured_at IS NULL) = (points IS NULL) AND (captured_at IS NULL) = (register_id IS NULL) "
            "AND (captured_at IS NULL) = (site_id IS NULL)",
            name="ck_redemption_capture_whole",
        ),
        sa.CheckConstraint(
            "(state IN ('held', 'captured', 'partly_refunded')) = (ended_at IS NULL)",
            name="ck_redemption_ended_has_instant",
        ),
    )
    op.create_index("ix_redemption_driver_id_shown_at", "redemption", ["driver_id", "shown_at", "id"])
    op.create_index(
        "ix_redemption_due",
        "redemption",
        ["due_at", "id"],
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_index(
        "ix_redemption_merchant_id_captured_at", "redemption", ["merchant_id", "captured_at", "id"]
    )
    op.create_index(
        "ix_redemption_register_id_captured_at", "redemption", ["register_id", "captured_at", "id"]
    )
    op.create_index(
        "uq_redemption_live",
        "redemption",
        ["driver_id", "merchant_id"],
        unique=True,
        sqlite_where=sa.text("state = 'held'"),
        postgresql_where=sa.text("state = 'held'"),
    )


def _create_refunds() -> None:
    op.create_table(
        "redemption_refund",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("redemption_id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(6), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("transaction_key", UUIDType(), nullable=False),
        sa.Column("refunded_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_redemption_refund"),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemption.id"], name="fk_redemption_refund_redemption_id"
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_redemption_refund_merchant_id"),
        sa.UniqueConstraint("transaction_key", name="uq_redemption_refund_transaction_key"),
        sa.CheckConstraint("points > 0", name="ck_redemption_refund_points_positive"),
        sa.CheckConstraint("kind IN ('void', 'refund')", name="ck_redemption_refund_kind_known"),
    )
    op.create_index(
        "ix_redemption_refund_merchant_id_refunded_at", "redemption_refund", ["merchant_id", "refunded_at"]
    )
    op.create_index("ix_redemption_refund_redemption_id", "redemption_refund", ["redemption_id"])
    op.create_table(
        "pos_order",
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("pos_order_id", sa.String(80), nullable=False),
        sa.Column("redemption_id", UUIDType(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", "pos_order_id", name="pk_pos_order"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_pos_order_merchant_id"),
        sa.ForeignKeyConstraint(["redemption_id"], ["redemption.id"], name="fk_pos_order_redemption_id"),
    )
    op.create_index("ix_pos_order_redemption_id", "pos_order", ["redemption_id"])


def _create_claims() -> None:
    op.create_table(
        "perk_claim",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("offer_id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("site_id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("transaction_key", UUIDType()),
        sa.Column("claimed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_perk_claim"),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name="fk_perk_claim_offer_id"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_perk_claim_merchant_id"),
        sa.ForeignKeyConstraint(["site_id"], ["merchant_site.id"], name="fk_perk_claim_site_id"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_perk_claim_driver_id"),
        sa.ForeignKeyConstraint(["session_id"], ["charging_session.id"], name="fk_perk_claim_session_id"),
        sa.UniqueConstraint("offer_id", "session_id", name="uq_perk_claim_offer_id_session_id"),
        sa.UniqueConstraint("transaction_key", name="uq_perk_claim_transaction_key"),
        sa.CheckConstraint("fee_minor >= 0", name="ck_perk_claim_fee_not_negative"),
        sa.CheckConstraint(
            "(fee_minor > 0) = (transaction_key IS NOT NULL)", name="ck_perk_claim_fee_has_transaction"
        ),
    )
    op.create_index("ix_perk_claim_driver_id", "perk_claim", ["driver_id"])
    op.create_index("ix_perk_claim_merchant_id_claimed_at", "perk_claim", ["merchant_id", "claimed_at"])


def _create_codes() -> None:
    op.create_table(
        "offer_code_batch",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("offer_id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(6), nullable=False),
        sa.Column("code_key", sa.String(16), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_offer_code_batch"),
        sa.ForeignKeyConstraint(["offer_id"], ["offer.id"], name="fk_offer_code_batch_offer_id"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_offer_code_batch_merchant_id"),
        sa.CheckConstraint("state IN ('open', 'paused', 'ended')", name="ck_offer_code_batch_state_known"),
        sa.CheckConstraint("size > 0", name="ck_offer_code_batch_size_positive"),
        sa.CheckConstraint("expires_at > created_at", name="ck_offer_code_batch_expires_later"),
    )
    op.create_index("ix_offer_code_batch_merchant_id", "offer_code_batch", ["merchant_id"])
    op.create_index("ix_offer_code_batch_offer_id", "offer_code_batch", ["offer_id", "id"])
    op.create_table(
        "offer_code",
        sa.Column("batch_id", UUIDType(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("code_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("driver_id", UUIDType()),
        sa.Column("claimed_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("batch_id", "number", name="pk_offer_code"),
        sa.ForeignKeyConstraint(["batch_id"], ["offer_code_batch.id"], name="fk_offer_code_batch_id"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_offer_code_driver_id"),
        sa.UniqueConstraint("code_hash", name="uq_offer_code_code_hash"),
        sa.CheckConstraint("length(code_hash) = 32", name="ck_offer_code_code_hash_whole"),
        sa.CheckConstraint("(driver_id IS NULL) = (claimed_at IS NULL)", name="ck_offer_code_claim_whole"),
    )
    op.create_index("ix_offer_code_driver_id", "offer_code", ["driver_id"])
