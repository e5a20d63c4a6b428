"""When the data keys were replaced last, so that a rotation that was interrupted is gone on with."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime

revision: Final = "0035"
down_revision: Final = "0034"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "key_rotation",
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("began_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("kind", name="pk_key_rotation"),
    )


def downgrade() -> None:
    """Drop it; a rotation that is not over begins anew."""
    op.drop_table("key_rotation")
