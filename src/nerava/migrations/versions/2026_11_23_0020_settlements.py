"""Settlements of merchants with their lines, invoices with their payments, and what merchants are told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0020"
down_revision: Final = "0019"
branch_labels: Final = None
depends_on: Final = None

TABLES: Final = (
    "settlement_plan",
    "settlement",
    "settlement_line",
    "invoice_series",
    "invoice",
    "invoice_payment",
    "merchant_notice",
)


def upgrade() -> None:
    """Create the tables."""
    _create_settlement_plan()
    _create_settlement()
    _create_settlement_line()
    _create_invoice_series()
    _create_invoice()
    _create_invoice_payment()
    _create_merchant_notice()


def downgrade() -> None:
    """Drop them; what was settled and paid stays in the ledger, without its lines."""
    for table in reversed(TABLES):
        op.drop_table(table)


def _create_settlement_plan() -> None:
    op.create_table(
        "settlement_plan",
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("cadence", sa.String(5), nullable=False),
        sa.Column("nets_fees", sa.Boolean(), nullable=False),
        sa.Column("next_on", sa.String(10), nullable=False),
        sa.Column("since_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("merchant_id", name="pk_settlement_plan"),
        sa.CheckConstraint("cadence IN ('month', 'week')", name="ck_settlement_plan_cadence_known"),
        sa.CheckConstraint("version > 0", name="ck_settlement_plan_version_positive"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_settlement_plan_merchant_id"),
    )
    op.create_index("ix_settlement_plan_next_at", "settlement_plan", ["next_at", "merchant_id"])


def _create_settlement() -> None:
    op.create_table(
        "settlement",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("period", sa.String(10), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("zone_edition", sa.String(16), nullable=False),
        sa.Column("since_at", UtcDateTime(), nullable=False),
        sa.Column("until_at", UtcDateTime(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("carried_in", sa.BigInteger(), nullable=False),
        sa.Column("redeemed", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("carried_out", sa.BigInteger(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("fee_bps", sa.Integer(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("claim_fees_minor", sa.BigInteger(), nullable=False),
        sa.Column("netted_minor", sa.BigInteger(), nullable=False),
        sa.Column("transaction_key", UUIDType()),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(11), nullable=False),
        sa.Column("waits_for", sa.String(7)),
        sa.Column("payout_id", UUIDType()),
        sa.Column("payout_minor", sa.BigInteger()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_settlement"),
        sa.CheckConstraint(
            "points >= 0 AND net_minor + fee_minor = points", name="ck_settlement_amounts_add_up"
        ),
        sa.CheckConstraint("netted_minor >= 0", name="ck_settlement_netted_not_negative"),
        sa.CheckConstraint(
            "carried_in + redeemed - refunded = points + carried_out",
            name="ck_settlement_nothing_lost_in_between",
        ),
        sa.CheckConstraint("(payout_id IS NULL) = (payout_minor IS NULL)", name="ck_settlement_payout_whole"),
        sa.CheckConstraint(
            "(points > 0) = (transaction_key IS NOT NULL)", name="ck_settlement_points_have_transaction"
        ),
        sa.CheckConstraint(
            "(state = 'requested') = (payout_id IS NOT NULL)", name="ck_settlement_request_has_payout"
        ),
        sa.CheckConstraint(
            "state IN ('closed', 'waiting', 'rolled_over', 'requested')", name="ck_settlement_state_known"
        ),
        sa.CheckConstraint(
            "redeemed >= 0 AND refunded >= 0 AND claim_fees_minor >= 0", name="ck_settlement_sums_whole"
        ),
        sa.CheckConstraint("until_at > since_at", name="ck_settlement_until_after_since"),
        sa.CheckConstraint(
            "waits_for IS NULL OR waits_for IN ('method', 'minimum')", name="ck_settlement_waits_known"
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_settlement_merchant_id"),
        sa.UniqueConstraint("merchant_id", "period", name="uq_settlement_merchant_id_period"),
        sa.UniqueConstraint("merchant_id", "since_at", name="uq_settlement_merchant_id_since_at"),
        sa.UniqueConstraint("payout_id", name="uq_settlement_payout_id"),
        sa.UniqueConstraint("transaction_key", name="uq_settlement_transaction_key"),
    )
    op.create_index(
        "ix_settlement_due",
        "settlement",
        ["next_at", "id"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_settlement_merchant_id_until_at", "settlement", ["merchant_id", "until_at"])


def _create_settlement_line() -> None:
    op.create_table(
        "settlement_line",
        sa.Column("settlement_id", UUIDType(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("source_id", UUIDType(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("title", sa.String(120), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("settlement_id", "number", name="pk_settlement_line"),
        sa.CheckConstraint("kind IN ('redemption', 'refund', 'claim')", name="ck_settlement_line_kind_known"),
        sa.CheckConstraint(
            "(kind = 'refund' AND amount < 0) OR (kind <> 'refund' AND amount >= 0)",
            name="ck_settlement_line_sign",
        ),
        sa.ForeignKeyConstraint(
            ["settlement_id"], ["settlement.id"], name="fk_settlement_line_settlement_id"
        ),
        sa.UniqueConstraint("kind", "source_id", name="uq_settlement_line_kind_source_id"),
    )


def _create_invoice_series() -> None:
    op.create_table(
        "invoice_series",
        sa.Column("year", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("issued", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("year", name="pk_invoice_series"),
        sa.CheckConstraint("issued > 0", name="ck_invoice_series_issued_positive"),
    )


def _create_invoice() -> None:
    op.create_table(
        "invoice",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("settlement_id", UUIDType(), nullable=False),
        sa.Column("year", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("due_on", sa.String(10), nullable=False),
        sa.Column("state", sa.String(11), nullable=False),
        sa.Column("dunning", sa.String(9), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_invoice"),
        sa.CheckConstraint("amount_minor > 0", name="ck_invoice_amount_positive"),
        sa.CheckConstraint(
            "dunning IN ('none', 'reminded', 'warned', 'suspended')", name="ck_invoice_dunning_known"
        ),
        sa.CheckConstraint(
            "(state IN ('paid', 'written_off')) = (ended_at IS NOT NULL)", name="ck_invoice_end_has_instant"
        ),
        sa.CheckConstraint("number > 0", name="ck_invoice_number_positive"),
        sa.CheckConstraint(
            "state IN ('open', 'overdue', 'paid', 'written_off')", name="ck_invoice_state_known"
        ),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_invoice_merchant_id"),
        sa.ForeignKeyConstraint(["settlement_id"], ["settlement.id"], name="fk_invoice_settlement_id"),
        sa.UniqueConstraint("settlement_id", name="uq_invoice_settlement_id"),
        sa.UniqueConstraint("year", "number", name="uq_invoice_year_number"),
    )
    op.create_index(
        "ix_invoice_due",
        "invoice",
        ["next_at", "id"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_invoice_merchant_id", "invoice", ["merchant_id", "id"])
    op.create_index("ix_invoice_state", "invoice", ["state", "id"])


def _create_invoice_payment() -> None:
    op.create_table(
        "invoice_payment",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("invoice_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(9), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.String(80)),
        sa.Column("transaction_key", UUIDType(), nullable=False),
        sa.Column("paid_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_invoice_payment"),
        sa.CheckConstraint("amount_minor > 0", name="ck_invoice_payment_amount_positive"),
        sa.CheckConstraint(
            "(kind = 'bank') = (reference IS NOT NULL)", name="ck_invoice_payment_bank_has_reference"
        ),
        sa.CheckConstraint("kind IN ('netting', 'bank', 'write_off')", name="ck_invoice_payment_kind_known"),
        sa.ForeignKeyConstraint(["invoice_id"], ["invoice.id"], name="fk_invoice_payment_invoice_id"),
        sa.UniqueConstraint("reference", name="uq_invoice_payment_reference"),
        sa.UniqueConstraint("transaction_key", name="uq_invoice_payment_transaction_key"),
    )
    op.create_index("ix_invoice_payment_invoice_id", "invoice_payment", ["invoice_id"])


def _create_merchant_notice() -> None:
    op.create_table(
        "merchant_notice",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("merchant_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("subject_id", UUIDType(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_merchant_notice"),
        sa.ForeignKeyConstraint(["merchant_id"], ["merchant.id"], name="fk_merchant_notice_merchant_id"),
        sa.UniqueConstraint("subject_id", "kind", name="uq_merchant_notice_subject_id_kind"),
    )
    op.create_index("ix_merchant_notice_merchant_id", "merchant_notice", ["merchant_id", "id"])
