"""Payments of sponsors, what goes back to them, and what ended campaigns had left."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0016"
down_revision: Final = "0018"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    _create_checkouts()
    _create_refunds()
    op.create_table(
        "campaign_closing",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("campaign_id", UUIDType(), nullable=False),
        sa.Column("rest", sa.BigInteger(), nullable=False),
        sa.Column("fee_refunded", sa.BigInteger(), nullable=False),
        sa.Column("fee_earned", sa.BigInteger(), nullable=False),
        sa.Column("transaction_key", UUIDType(), nullable=False),
        sa.Column("closed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_campaign_closing"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_campaign_closing_campaign_id"),
        sa.UniqueConstraint("transaction_key", name="uq_campaign_closing_transaction_key"),
        sa.CheckConstraint(
            "rest >= 0 AND fee_refunded >= 0 AND fee_earned >= 0",
            name="ck_campaign_closing_parts_not_negative",
        ),
        sa.CheckConstraint(
            "rest + fee_refunded + fee_earned > 0", name="ck_campaign_closing_something_was_left"
        ),
    )
    op.create_index("ix_campaign_closing_campaign_id", "campaign_closing", ["campaign_id"])


def downgrade() -> None:
    """Drop them; payments that are on their way are lost."""
    for table in ("campaign_closing", "sponsor_refund", "sponsor_checkout"):
        op.drop_table(table)


def _create_checkouts() -> None:
    op.create_table(
        "sponsor_checkout",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("sponsor_id", UUIDType(), nullable=False),
        sa.Column("campaign_id", UUIDType()),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("fee_bps", sa.Integer()),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("checkout", sa.String(255)),
        sa.Column("payment", sa.String(255)),
        sa.Column("url", sa.Text()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(120)),
        sa.Column("first_sent_at", UtcDateTime()),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("disputed_at", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_sponsor_checkout"),
        sa.ForeignKeyConstraint(["sponsor_id"], ["sponsor.id"], name="fk_sponsor_checkout_sponsor_id"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaign.id"], name="fk_sponsor_checkout_campaign_id"),
        sa.UniqueConstraint("provider", "checkout", name="uq_sponsor_checkout_provider_checkout"),
        sa.CheckConstraint(
            "state IN ('asked', 'open', 'processing', 'paid', 'failed', 'expired')",
            name="ck_sponsor_checkout_state_known",
        ),
        sa.CheckConstraint("gross > 0", name="ck_sponsor_checkout_gross_positive"),
        sa.CheckConstraint(
            "(state IN ('asked', 'open', 'processing')) = (due_at IS NOT NULL)",
            name="ck_sponsor_checkout_open_is_due",
        ),
        sa.CheckConstraint(
            "state <> 'paid' OR payment IS NOT NULL", name="ck_sponsor_checkout_paid_names_payment"
        ),
    )
    _index_due("sponsor_checkout")
    op.create_index("ix_sponsor_checkout_sponsor_id_id", "sponsor_checkout", ["sponsor_id", "id"])
    op.create_index("ix_sponsor_checkout_campaign_id", "sponsor_checkout", ["campaign_id"])
    op.create_index("ix_sponsor_checkout_payment", "sponsor_checkout", ["payment"])


def _create_refunds() -> None:
    op.create_table(
        "sponsor_refund",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("sponsor_id", UUIDType(), nullable=False),
        sa.Column("checkout_id", UUIDType(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("refund", sa.String(255)),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(120)),
        sa.Column("first_sent_at", UtcDateTime()),
        sa.Column("last_sent_at", UtcDateTime()),
        sa.Column("missed_at", UtcDateTime()),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_sponsor_refund"),
        sa.ForeignKeyConstraint(["sponsor_id"], ["sponsor.id"], name="fk_sponsor_refund_sponsor_id"),
        sa.ForeignKeyConstraint(
            ["checkout_id"], ["sponsor_checkout.id"], name="fk_sponsor_refund_checkout_id"
        ),
        sa.CheckConstraint(
            "state IN ('asked', 'pending', 'paid', 'failed', 'returned')",
            name="ck_sponsor_refund_state_known",
        ),
        sa.CheckConstraint("amount > 0", name="ck_sponsor_refund_amount_positive"),
        sa.CheckConstraint(
            "state NOT IN ('asked', 'pending') OR due_at IS NOT NULL", name="ck_sponsor_refund_open_is_due"
        ),
    )
    _index_due("sponsor_refund")
    op.create_index("ix_sponsor_refund_sponsor_id_id", "sponsor_refund", ["sponsor_id", "id"])
    op.create_index("ix_sponsor_refund_checkout_id", "sponsor_refund", ["checkout_id"])


def _index_due(table: str) -> None:
    due = sa.text("due_at IS NOT NULL")
    op.create_index(f"ix_{table}_due", table, ["due_at"], sqlite_where=due, postgresql_where=due)
