"""Work that is done later keeps which trace it was left by."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0034"
down_revision: Final = "0033"
branch_labels: Final = None
depends_on: Final = None

TABLES: Final = (
    "inbound_event",
    "message_job",
    "outbox_event",
    "payout",
    "sponsor_checkout",
    "sponsor_refund",
    "webhook_delivery",
)


def upgrade() -> None:
    """Add the column, which is empty wherever nothing was recorded."""
    for table in TABLES:
        op.add_column(table, sa.Column("traceparent", sa.String(55)))


def downgrade() -> None:
    """Drop it."""
    for table in TABLES:
        op.drop_column(table, "traceparent")
