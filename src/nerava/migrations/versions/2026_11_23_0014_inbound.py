"""Events of providers."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0014"
down_revision: Final = "0010"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "inbound_event",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("event_id", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(120), nullable=False),
        sa.Column("object_id", sa.String(255), nullable=False),
        sa.Column("created_s", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("body_sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(120)),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("done_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_inbound_event"),
        sa.UniqueConstraint(
            "provider", "account", "event_id", name="uq_inbound_event_provider_account_event_id"
        ),
        sa.CheckConstraint(
            "state IN ('received', 'retry', 'done', 'ignored', 'dead')", name="ck_inbound_event_state_known"
        ),
        sa.CheckConstraint(
            "(state IN ('received', 'retry')) = (due_at IS NOT NULL)", name="ck_inbound_event_waiting_is_due"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_inbound_event_attempts_counted"),
    )
    waiting = sa.text("state IN ('received', 'retry')")
    op.create_index(
        "ix_inbound_event_due",
        "inbound_event",
        ["due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_inbound_event_received_at", "inbound_event", ["received_at"])


def downgrade() -> None:
    """Drop it; events that were not worked on are lost."""
    op.drop_table("inbound_event")
