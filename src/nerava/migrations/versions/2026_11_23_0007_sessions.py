"""Sessions, refresh tokens, cookie values and revocations."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0007"
down_revision: Final = "0006"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables of sessions."""
    op.create_table(
        "auth_session",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("client", sa.String(16), nullable=False),
        sa.Column("methods", sa.String(80), nullable=False),
        sa.Column("device_key", sa.String(43)),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("authenticated_at", UtcDateTime(), nullable=False),
        sa.Column("strong_at", UtcDateTime()),
        sa.Column("passkey_at", UtcDateTime()),
        sa.Column("used_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("ended_because", sa.String(24)),
        sa.PrimaryKeyConstraint("id", name="pk_auth_session"),
        sa.CheckConstraint(
            "kind IN ('app', 'command', 'web:driver', 'web:merchant', 'web:register', 'web:sponsor', 'web:ops')",
            name="ck_auth_session_kind_known",
        ),
        sa.CheckConstraint(
            "ended_because IN ('signed-out', 'signed-out-everywhere', 'refresh-reused', 'too-many', "
            "'factors-changed', 'by-ops')",
            name="ck_auth_session_ending_known",
        ),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (ended_because IS NULL)", name="ck_auth_session_ended_for_a_reason"
        ),
    )
    op.create_index("ix_auth_session_user_id_ended_at", "auth_session", ["user_id", "ended_at"])
    op.create_index("ix_auth_session_expires_at", "auth_session", ["expires_at"])
    op.create_table(
        "refresh_token",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("family_id", UUIDType(), nullable=False),
        sa.Column("parent_id", UUIDType()),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_refresh_token"),
        sa.ForeignKeyConstraint(["family_id"], ["auth_session.id"], name="fk_refresh_token_family_id"),
        sa.ForeignKeyConstraint(["parent_id"], ["refresh_token.id"], name="fk_refresh_token_parent_id"),
        sa.UniqueConstraint("parent_id", name="uq_refresh_token_parent_id"),
        sa.UniqueConstraint("hash", name="uq_refresh_token_hash"),
    )
    op.create_index("ix_refresh_token_family_id", "refresh_token", ["family_id"])
    op.create_table(
        "web_session",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("hash", sa.LargeBinary(32), nullable=False),
        sa.Column("issued_at", UtcDateTime(), nullable=False),
        sa.Column("replaced_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_web_session"),
        sa.ForeignKeyConstraint(["session_id"], ["auth_session.id"], name="fk_web_session_session_id"),
        sa.UniqueConstraint("hash", name="uq_web_session_hash"),
    )
    op.create_index("ix_web_session_session_id", "web_session", ["session_id"])
    op.create_table(
        "revocation",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("revoked_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_revocation"),
    )
    op.create_index("ix_revocation_revoked_at", "revocation", ["revoked_at"])


def downgrade() -> None:
    """Drop the tables of sessions; everybody has to sign in again."""
    for table in ("revocation", "web_session", "refresh_token", "auth_session"):
        op.drop_table(table)
