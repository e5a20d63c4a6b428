"""Data keys and limits."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables of the vault and of the limits."""
    op.create_table(
        "data_key",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("owner", sa.String(80), nullable=False),
        sa.Column("kek_id", sa.String(16), nullable=False),
        sa.Column("wrapped", sa.LargeBinary()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("retired_at", UtcDateTime()),
        sa.Column("destroyed_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_data_key"),
        sa.CheckConstraint(
            "(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name="ck_data_key_destroyed_without_bytes"
        ),
    )
    op.create_index(
        "ix_data_key_in_use",
        "data_key",
        ["owner"],
        unique=True,
        postgresql_where=sa.text("retired_at IS NULL"),
        sqlite_where=sa.text("retired_at IS NULL"),
    )
    op.create_index("ix_data_key_owner", "data_key", ["owner"])
    op.create_index("ix_data_key_kek_id", "data_key", ["kek_id"])
    op.create_table(
        "limit_state",
        sa.Column("limit_id", sa.String(40), nullable=False),
        sa.Column("key_hmac", sa.LargeBinary(32), nullable=False),
        sa.Column("ring", sa.LargeBinary(), nullable=False),
        sa.Column("tat", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("limit_id", "key_hmac", name="pk_limit_state"),
        sa.CheckConstraint("length(ring) % 8 = 0", name="ck_limit_state_ring_of_instants"),
    )
    op.create_index("ix_limit_state_expires_at", "limit_state", ["expires_at"])


def downgrade() -> None:
    """Drop them; what was sealed can never be read again."""
    op.drop_table("limit_state")
    op.drop_table("data_key")
