"""Webhook endpoints of partners, merchants and sponsors, and what each of them is told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0025"
down_revision: Final = "0024"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    _create_endpoint()
    _create_delivery()
    op.create_table(
        "webhook_attempt",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("delivery_id", UUIDType(), nullable=False),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("trouble", sa.String(60)),
        sa.Column("took_ms", sa.Integer(), nullable=False),
        sa.Column("tried_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_attempt"),
        sa.ForeignKeyConstraint(
            ["delivery_id"],
            ["webhook_delivery.id"],
            name="fk_webhook_attempt_delivery_id",
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(
            "(status IS NULL) = (trouble IS NOT NULL)", name="ck_webhook_attempt_answer_or_trouble"
        ),
        sa.CheckConstraint("took_ms >= 0", name="ck_webhook_attempt_took_counted"),
    )
    op.create_index("ix_webhook_attempt_delivery_id", "webhook_attempt", ["delivery_id"])


def downgrade() -> None:
    """Drop them; owners have to make their endpoints anew."""
    for table in ("webhook_attempt", "webhook_delivery", "webhook_endpoint"):
        op.drop_table(table)


def _create_endpoint() -> None:
    op.create_table(
        "webhook_endpoint",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("owner_kind", sa.String(8), nullable=False),
        sa.Column("owner_id", UUIDType(), nullable=False),
        sa.Column("url", sa.String(2_000), nullable=False),
        sa.Column("types", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("disabled_because", sa.String(8)),
        sa.Column("secret", sa.LargeBinary()),
        sa.Column("old_secret", sa.LargeBinary()),
        sa.Column("old_until", UtcDateTime()),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("last_success_at", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_endpoint"),
        sa.CheckConstraint(
            "owner_kind IN ('partner', 'merchant', 'sponsor')", name="ck_webhook_endpoint_owner_known"
        ),
        sa.CheckConstraint(
            "state IN ('enabled', 'disabled', 'removed')", name="ck_webhook_endpoint_state_known"
        ),
        sa.CheckConstraint(
            "(state = 'disabled') = (disabled_because IS NOT NULL)",
            name="ck_webhook_endpoint_disabled_for_a_reason",
        ),
        sa.CheckConstraint(
            "(state = 'removed') = (secret IS NULL)", name="ck_webhook_endpoint_removed_has_no_secret"
        ),
        sa.CheckConstraint(
            "(old_secret IS NULL) = (old_until IS NULL)", name="ck_webhook_endpoint_old_secret_ends"
        ),
        sa.CheckConstraint("failures >= 0", name="ck_webhook_endpoint_failures_counted"),
    )
    enabled = sa.text("state = 'enabled'")
    op.create_index("ix_webhook_endpoint_owner", "webhook_endpoint", ["owner_kind", "owner_id"])
    op.create_index(
        "ix_webhook_endpoint_due",
        "webhook_endpoint",
        ["next_at"],
        sqlite_where=enabled,
        postgresql_where=enabled,
    )


def _create_delivery() -> None:
    op.create_table(
        "webhook_delivery",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("endpoint_id", UUIDType(), nullable=False),
        sa.Column("event_id", UUIDType(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("type", sa.String(60), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(9), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_delivery"),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoint.id"],
            name="fk_webhook_delivery_endpoint_id",
        ),
        sa.UniqueConstraint("endpoint_id", "event_id", name="uq_webhook_delivery_endpoint_id_event_id"),
        sa.CheckConstraint(
            "state IN ('waiting', 'delivered', 'failed', 'stopped')", name="ck_webhook_delivery_state_known"
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (next_at IS NOT NULL)", name="ck_webhook_delivery_waiting_is_due"
        ),
        sa.CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="ck_webhook_delivery_over_since"),
        sa.CheckConstraint("attempts >= 0", name="ck_webhook_delivery_attempts_counted"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_webhook_delivery_due",
        "webhook_delivery",
        ["endpoint_id", "position", "next_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_webhook_delivery_listed", "webhook_delivery", ["endpoint_id", "id"])
    op.create_index("ix_webhook_delivery_made_at", "webhook_delivery", ["made_at"])
