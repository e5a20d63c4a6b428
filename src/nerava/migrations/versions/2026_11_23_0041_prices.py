"""What sessions cost, where a source told it; of those before nothing is known."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UUIDType

revision: Final = "0041"
down_revision: Final = "0040"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the table; a table of its own locks none that is full."""
    op.create_table(
        "session_price",
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.CheckConstraint("price_minor >= 0", name="ck_session_price_price_not_negative"),
        sa.CheckConstraint("length(currency) = 3", name="ck_session_price_currency_is_a_code"),
        sa.ForeignKeyConstraint(["session_id"], ["charging_session.id"], name="fk_session_price_session_id"),
        sa.PrimaryKeyConstraint("session_id", name="pk_session_price"),
    )


def downgrade() -> None:
    """Forget what sessions cost."""
    op.drop_table("session_price")
