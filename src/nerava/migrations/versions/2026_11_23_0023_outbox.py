"""Events of what happened, and how far each reader of them is."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0023"
down_revision: Final = "0022"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables and the row that counts positions."""
    _create_event()
    head = op.create_table(
        "outbox_head",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox_head"),
        sa.CheckConstraint("id = 1", name="ck_outbox_head_single"),
    )
    op.bulk_insert(head, [{"id": 1, "position": 0}])
    op.create_table(
        "outbox_consumer",
        sa.Column("name", sa.String(40), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("next_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("trouble", sa.String(60)),
        sa.PrimaryKeyConstraint("name", name="pk_outbox_consumer"),
        sa.CheckConstraint("position >= 0", name="ck_outbox_consumer_position_counted"),
    )


def downgrade() -> None:
    """Drop them; what was not read by then is told to nobody."""
    for table in ("outbox_consumer", "outbox_head", "outbox_event"):
        op.drop_table(table)


def _create_event() -> None:
    op.create_table(
        "outbox_event",
        sa.Column(
            "number",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            sa.Identity(always=True),
            nullable=False,
        ),
        sa.Column("position", sa.BigInteger()),
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("fact", UUIDType()),
        sa.Column("type", sa.String(60), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("subject_id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType()),
        sa.Column("merchant_id", UUIDType()),
        sa.Column("sponsor_id", UUIDType()),
        sa.Column("partner_id", UUIDType()),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_outbox_event"),
        sa.CheckConstraint("version > 0", name="ck_outbox_event_version_positive"),
    )
    nobody_else = "driver_id IS NULL AND merchant_id IS NULL AND sponsor_id IS NULL AND partner_id IS NULL"
    _index("ix_outbox_event_unordered", "number", "position IS NULL")
    _index("uq_outbox_event_position", "position", "position IS NOT NULL", unique=True)
    _index("uq_outbox_event_fact", "fact", "fact IS NOT NULL", unique=True)
    _index("ix_outbox_event_driver_id", "driver_id", "driver_id IS NOT NULL")
    _index("ix_outbox_event_user", "subject_id", nobody_else)


def _index(name: str, column: str, condition: str, *, unique: bool = False) -> None:
    where: dict[str, Any] = {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}
    op.create_index(name, "outbox_event", [column], unique=unique, **where)
