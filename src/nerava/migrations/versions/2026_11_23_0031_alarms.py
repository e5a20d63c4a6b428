"""What the watch over the books has found, and when it looked."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.sqlite import INTEGER, TEXT

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0031"
down_revision: Final = "0030"
branch_labels: Final = None
depends_on: Final = None

_TEXT: Final = sa.Text().with_variant(TEXT(), "sqlite")
_BIG: Final = sa.BigInteger().with_variant(INTEGER(), "sqlite")


def upgrade() -> None:
    """Create both tables; the first look comes a quarter of an hour after the start."""
    op.create_table(
        "alarm",
        sa.Column("id", UUIDType(strict=True), nullable=False),
        sa.Column("name", _TEXT, nullable=False),
        sa.Column("about", _TEXT, nullable=False),
        sa.Column("detail", _TEXT, nullable=False),
        sa.Column("first_seen_at", UtcDateTime(), nullable=False),
        sa.Column("last_seen_at", UtcDateTime(), nullable=False),
        sa.Column("over_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
        sqlite_strict=True,
    )
    op.create_index(
        "uq_alarm_open",
        "alarm",
        ["name", "about"],
        unique=True,
        sqlite_where=sa.text("over_at IS NULL"),
        postgresql_where=sa.text("over_at IS NULL"),
    )
    op.create_table(
        "alarm_look",
        sa.Column("scope", _TEXT, nullable=False),
        sa.Column("looked_at", UtcDateTime(), nullable=False),
        sa.Column("took_ms", _BIG, nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_alarm_look"),
        sqlite_strict=True,
    )


def downgrade() -> None:
    """Drop them; what is still broken is found again."""
    op.drop_table("alarm_look")
    op.drop_table("alarm")
