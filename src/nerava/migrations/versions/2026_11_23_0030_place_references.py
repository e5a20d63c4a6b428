"""Places have the ids under which another directory knows them; what its calls cost in a day is counted."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0030"
down_revision: Final = "0029"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create both tables."""
    op.create_table(
        "place_reference",
        sa.Column("place_id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(40), nullable=False),
        sa.Column("reference", sa.String(400), nullable=True),
        sa.Column("latitude", sa.Double(), nullable=True),
        sa.Column("longitude", sa.Double(), nullable=True),
        sa.Column("position_at", UtcDateTime(), nullable=True),
        sa.Column("checked_at", UtcDateTime(), nullable=False),
        sa.Column("dead_until", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "(latitude IS NULL) = (position_at IS NULL)", name=op.f("ck_place_reference_position_has_instant")
        ),
        sa.CheckConstraint(
            "(latitude IS NULL) = (longitude IS NULL)", name=op.f("ck_place_reference_coordinates_whole")
        ),
        sa.CheckConstraint(
            "reference IS NOT NULL OR dead_until IS NOT NULL",
            name=op.f("ck_place_reference_nothing_is_dated"),
        ),
        sa.ForeignKeyConstraint(["place_id"], ["place.id"], name=op.f("fk_place_reference_place_id")),
        sa.PrimaryKeyConstraint("place_id", "source", name=op.f("pk_place_reference")),
    )
    op.create_table(
        "provider_cost_day",
        sa.Column("provider", sa.String(40), nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("cost_millicents", sa.BigInteger(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.CheckConstraint("cost_millicents >= 0", name=op.f("ck_provider_cost_day_cost_not_negative")),
        sa.PrimaryKeyConstraint("provider", "day", name=op.f("pk_provider_cost_day")),
    )


def downgrade() -> None:
    """Drop both; ids are found again."""
    op.drop_table("provider_cost_day")
    op.drop_table("place_reference")
