"""Squares of the map whose charging sites are read from a provider have a list."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime

revision: Final = "0029"
down_revision: Final = "0028"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the list."""
    op.create_table(
        "area_refresh",
        sa.Column("source", sa.String(80), nullable=False),
        sa.Column("zoom", sa.SmallInteger(), nullable=False),
        sa.Column("map_column", sa.Integer(), nullable=False),
        sa.Column("map_row", sa.Integer(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("read_at", UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(80), nullable=True),
        sa.Column("fingerprint", sa.String(200), nullable=True),
        sa.Column("sites", sa.Integer(), nullable=True),
        sa.CheckConstraint("zoom BETWEEN 0 AND 20", name=op.f("ck_area_refresh_zoom_range")),
        sa.CheckConstraint("attempts >= 0", name=op.f("ck_area_refresh_attempts_not_negative")),
        sa.PrimaryKeyConstraint("source", "zoom", "map_column", "map_row", name=op.f("pk_area_refresh")),
    )
    op.create_index(
        "ix_area_refresh_due_at",
        "area_refresh",
        ["due_at"],
        sqlite_where=sa.text("due_at IS NOT NULL"),
        postgresql_where=sa.text("due_at IS NOT NULL"),
    )


def downgrade() -> None:
    """Drop it; what is thin is noticed again."""
    op.drop_table("area_refresh")
