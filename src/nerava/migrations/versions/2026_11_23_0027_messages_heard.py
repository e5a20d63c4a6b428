"""What became of messages, and the contacts that get no notices any more."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0027"
down_revision: Final = "0026"
branch_labels: Final = None
depends_on: Final = None

_NEW: Final = {"provider_id": 120, "trouble": 60, "receipt": 20}


def upgrade() -> None:
    """Add the columns and create the list."""
    op.add_column(
        "message_job", sa.Column("kind", sa.String(6), nullable=False, server_default=sa.text("'code'"))
    )
    for name, width in _NEW.items():
        op.add_column("message_job", sa.Column(name, sa.String(width)))
    known = sa.text("provider_id IS NOT NULL")
    op.create_index(
        "ix_message_job_provider_id",
        "message_job",
        ["provider_id"],
        sqlite_where=known,
        postgresql_where=known,
    )
    op.create_table(
        "suppressed_contact",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("contact_ix", sa.LargeBinary(32), nullable=False),
        sa.Column("reason", sa.String(60), nullable=False),
        sa.Column("code_tried", sa.Boolean(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_suppressed_contact"),
    )
    op.create_index("uq_suppressed_contact_contact_ix", "suppressed_contact", ["contact_ix"], unique=True)


def downgrade() -> None:
    """Drop them; who bounced is written to again."""
    op.drop_table("suppressed_contact")
    op.drop_index("ix_message_job_provider_id", "message_job")
    for column in (*_NEW, "kind"):
        op.drop_column("message_job", column)
