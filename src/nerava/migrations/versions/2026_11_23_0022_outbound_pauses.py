"""Providers that ask to be left alone are left alone by every process."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime

revision: Final = "0022"
down_revision: Final = "0021"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the table of pauses."""
    op.create_table(
        "outbound_pause",
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("partition_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("not_before", UtcDateTime(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("provider", "partition_digest", name="pk_outbound_pause"),
    )
    op.create_index("ix_outbound_pause_not_before", "outbound_pause", ["not_before"])


def downgrade() -> None:
    """Drop it; providers say again what they want."""
    op.drop_table("outbound_pause")
