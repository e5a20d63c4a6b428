"""Stored answers under idempotency keys, roles, and the row that the readiness probe writes."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0003"
down_revision: Final = "0002"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables of the web process."""
    op.create_table(
        "idempotency_key",
        sa.Column("principal", sa.String(80), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32)),
        sa.Column("status", sa.SmallInteger()),
        sa.Column("content_type", sa.String(80)),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("stored_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name="pk_idempotency_key"),
        sa.CheckConstraint(
            "state IN ('claimed', 'answered', 'cancelled')", name="ck_idempotency_key_state_known"
        ),
        sa.CheckConstraint(
            "(state = 'answered') = (status IS NOT NULL AND body IS NOT NULL AND content_type IS NOT NULL)",
            name="ck_idempotency_key_answer_whole",
        ),
        sa.CheckConstraint(
            "(state = 'cancelled') = (fingerprint IS NULL)", name="ck_idempotency_key_fingerprint_present"
        ),
    )
    op.create_index("ix_idempotency_key_stored_at", "idempotency_key", ["stored_at"])
    op.create_table(
        "role_membership",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("subject", UUIDType(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("tenant_id", UUIDType()),
        sa.Column("granted_by", sa.String(80), nullable=False),
        sa.Column("granted_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_role_membership"),
        sa.CheckConstraint(
            "role IN ('driver', 'sponsor', 'partner', 'merchant:owner', 'merchant:manager', "
            "'merchant:register', 'ops:support', 'ops:finance', 'ops:admin')",
            name="ck_role_membership_role_known",
        ),
        sa.CheckConstraint(
            "(tenant_id IS NULL) = (role LIKE 'ops:%')", name="ck_role_membership_tenant_unless_ops"
        ),
    )
    op.create_index("ix_role_membership_subject", "role_membership", ["subject"])
    op.create_table(
        "readiness_probe",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_readiness_probe"),
        sa.CheckConstraint("id = 1", name="ck_readiness_probe_one_row"),
    )


def downgrade() -> None:
    """Drop the tables of the web process; stored answers and roles are lost."""
    op.drop_table("readiness_probe")
    op.drop_table("role_membership")
    op.drop_table("idempotency_key")
