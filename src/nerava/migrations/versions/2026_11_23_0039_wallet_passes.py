"""Passes in the wallets of phones, which phones have them, and a number that only grows."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0039"
down_revision: Final = "0038"
branch_labels: Final = None
depends_on: Final = None

_ACTIVE: Final = sa.text("state = 'active'")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "wallet_pass",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(6), nullable=False),
        sa.Column("state", sa.String(6), nullable=False),
        sa.Column("serial", sa.String(32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32)),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("shown", sa.LargeBinary(32)),
        sa.Column("tag", sa.BigInteger(), nullable=False),
        sa.Column("told_tag", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", UtcDateTime(), nullable=False),
        sa.Column("pushed_at", UtcDateTime()),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("trouble", sa.String(60)),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('apple', 'google')", name="ck_wallet_pass_kind_known"),
        sa.CheckConstraint("state IN ('active', 'voided')", name="ck_wallet_pass_state_known"),
        sa.CheckConstraint("(kind = 'apple') = (token_hash IS NOT NULL)", name="ck_wallet_pass_apple_proves"),
        sa.CheckConstraint("told_tag <= tag", name="ck_wallet_pass_told_what_was"),
        sa.CheckConstraint("attempts >= 0", name="ck_wallet_pass_attempts_counted"),
        sa.PrimaryKeyConstraint("id", name="pk_wallet_pass"),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_wallet_pass_driver_id"),
        sa.UniqueConstraint("serial", name="uq_wallet_pass_serial"),
    )
    op.create_index(
        "uq_wallet_pass_one_of_a_kind",
        "wallet_pass",
        ["driver_id", "kind"],
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    )
    op.create_index("ix_wallet_pass_next_at", "wallet_pass", ["next_at"])
    op.create_table(
        "wallet_pass_device",
        sa.Column("pass_id", UUIDType(), nullable=False),
        sa.Column("device", sa.String(100), nullable=False),
        sa.Column("push_token", sa.String(200), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("pass_id", "device", name="pk_wallet_pass_device"),
        sa.ForeignKeyConstraint(
            ["pass_id"],
            ["wallet_pass.id"],
            name="fk_wallet_pass_device_pass_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_wallet_pass_device_device", "wallet_pass_device", ["device"])
    op.create_table(
        "wallet_pass_tag",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("tag", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name="ck_wallet_pass_tag_one_row"),
        sa.PrimaryKeyConstraint("id", name="pk_wallet_pass_tag"),
    )


def downgrade() -> None:
    """Drop them; passes in phones stay as they are, and nobody brings them up to date."""
    op.drop_table("wallet_pass_tag")
    op.drop_table("wallet_pass_device")
    op.drop_table("wallet_pass")
