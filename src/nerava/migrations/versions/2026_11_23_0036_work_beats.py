"""Signs of life of the background work, one row for each share of it."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime

revision: Final = "0036"
down_revision: Final = "0035"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the table; the first sign comes with the first round of work."""
    op.create_table(
        "work_beat",
        sa.Column("share", sa.String(20), nullable=False),
        sa.Column("beat_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("share", name="pk_work_beat"),
    )


def downgrade() -> None:
    """Drop it; the work goes on as before."""
    op.drop_table("work_beat")
