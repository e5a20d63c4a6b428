"""Purchases near charging sessions."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0026"
down_revision: Final = "0025"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the table; orders that were paid before are not looked at."""
    op.create_table(
        "session_purchase",
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("reference", sa.String(200), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("bought_at", UtcDateTime(), nullable=False),
        sa.Column("seconds_apart", sa.Integer(), nullable=False),
        sa.Column("metres_apart", sa.Integer(), nullable=False),
        sa.Column("bill_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("source", "reference", name="pk_session_purchase"),
        sa.CheckConstraint(
            "seconds_apart >= 0 AND metres_apart >= 0", name="ck_session_purchase_apart_not_negative"
        ),
        sa.CheckConstraint("bill_minor > 0", name="ck_session_purchase_bill_positive"),
        sa.ForeignKeyConstraint(
            ["session_id"], ["charging_session.id"], name="fk_session_purchase_session_id"
        ),
    )
    op.create_index("ix_session_purchase_session_id", "session_purchase", ["session_id"])
    op.add_column("pos_order", sa.Column("next_at", UtcDateTime()))
    op.create_index(
        "ix_pos_order_due",
        "pos_order",
        ["next_at", "redemption_id"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Forget which purchase belongs to which session."""
    op.drop_index("ix_pos_order_due", "pos_order")
    op.drop_column("pos_order", "next_at")
    op.drop_table("session_purchase")
