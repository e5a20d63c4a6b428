"""Campaigns that hold a share of the drivers out; the grants of a campaign day by day."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0019"
down_revision: Final = "0016"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Add the share, 0 for campaigns that are there, and the index."""
    op.add_column(
        "campaign",
        sa.Column("holdout_percent", sa.SmallInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.create_index(
        "ix_reward_grant_campaign_id_local_date",
        "reward_grant",
        ["campaign_id", "local_date", "transaction_key"],
    )


def downgrade() -> None:
    """Forget who was held out; campaigns that hold a share out would then pay them."""
    op.drop_index("ix_reward_grant_campaign_id_local_date", "reward_grant")
    op.drop_column("campaign", "holdout_percent")
