"""Who is known in customer records elsewhere, and what they are to be told."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0033"
down_revision: Final = "0032"
branch_labels: Final = None
depends_on: Final = None

_DUE: Final = sa.text("next_at IS NOT NULL")


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "crm_contact",
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("remote_id", sa.String(40)),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("for_good", sa.Boolean(), nullable=False),
        *_work(),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "state IN ('wanted', 'kept', 'leaving', 'parked')", name="ck_crm_contact_state_known"
        ),
        sa.CheckConstraint(
            "(state IN ('wanted', 'leaving')) = (next_at IS NOT NULL)", name="ck_crm_contact_due_while_work"
        ),
        sa.CheckConstraint("attempts >= 0", name="ck_crm_contact_attempts_counted"),
        sa.PrimaryKeyConstraint("user_id", name="pk_crm_contact"),
    )
    op.create_index(
        "ix_crm_contact_due", "crm_contact", ["next_at"], sqlite_where=_DUE, postgresql_where=_DUE
    )
    op.create_table(
        "crm_event",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("name", sa.String(60), nullable=False),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        *_work(),
        sa.CheckConstraint("state IN ('waiting', 'unknown', 'parked')", name="ck_crm_event_state_known"),
        sa.CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="ck_crm_event_waiting_is_due"),
        sa.CheckConstraint("attempts >= 0", name="ck_crm_event_attempts_counted"),
        sa.PrimaryKeyConstraint("id", name="pk_crm_event"),
    )
    op.create_index("ix_crm_event_due", "crm_event", ["next_at"], sqlite_where=_DUE, postgresql_where=_DUE)
    op.create_index("ix_crm_event_user_id", "crm_event", ["user_id"])
    op.create_index("ix_crm_event_happened_at", "crm_event", ["happened_at"])


def downgrade() -> None:
    """Drop them; who is known elsewhere is written there again, as somebody new where the address changed."""
    op.drop_table("crm_event")
    op.drop_table("crm_contact")


def _work() -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("trouble", sa.String(60)),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("fence", sa.BigInteger(), nullable=False),
    )
