"""Second factors, passkeys, nonces for ID tokens, and the demo's links for ops."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0008"
down_revision: Final = "0007"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    _create_factors()
    _create_uses()


def downgrade() -> None:
    """Drop them; whoever had a second factor has none."""
    for table in ("ops_link", "id_token_state", "passkey_ceremony", "factor_passkey", "factor_totp"):
        op.drop_table(table)


def _create_factors() -> None:
    op.create_table(
        "factor_totp",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("session_id", UUIDType(), nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("confirmed_at", UtcDateTime()),
        sa.Column("last_step", sa.BigInteger()),
        sa.Column("last_used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_factor_totp"),
        sa.CheckConstraint(
            "confirmed_at IS NULL OR last_step IS NOT NULL", name="ck_factor_totp_confirmed_by_a_code"
        ),
    )
    confirmed = sa.text("confirmed_at IS NOT NULL")
    op.create_index(
        "uq_factor_totp_confirmed",
        "factor_totp",
        ["user_id"],
        unique=True,
        sqlite_where=confirmed,
        postgresql_where=confirmed,
    )
    op.create_index("ix_factor_totp_user_id", "factor_totp", ["user_id"])
    op.create_table(
        "factor_passkey",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("credential_id", sa.LargeBinary(1_023), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("label", sa.String(60), nullable=False),
        sa.Column("is_backed_up", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("last_used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_factor_passkey"),
        sa.UniqueConstraint("credential_id", name="uq_factor_passkey_credential_id"),
        sa.CheckConstraint("sign_count >= 0", name="ck_factor_passkey_sign_count_whole"),
    )
    op.create_index("ix_factor_passkey_user_id", "factor_passkey", ["user_id"])


def _create_uses() -> None:
    op.create_table(
        "passkey_ceremony",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("challenge", sa.LargeBinary(32), nullable=False),
        sa.Column("user_id", UUIDType()),
        sa.Column("session_id", UUIDType()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_passkey_ceremony"),
        sa.CheckConstraint("kind IN ('sign-in', 'step-up', 'add')", name="ck_passkey_ceremony_kind_known"),
        sa.CheckConstraint(
            "(kind = 'sign-in') = (user_id IS NULL)", name="ck_passkey_ceremony_user_unless_sign_in"
        ),
        sa.CheckConstraint(
            "(user_id IS NULL) = (session_id IS NULL)", name="ck_passkey_ceremony_session_of_user"
        ),
        sa.CheckConstraint("length(challenge) = 32", name="ck_passkey_ceremony_challenge_whole"),
        sa.CheckConstraint("expires_at > created_at", name="ck_passkey_ceremony_expires_later"),
    )
    op.create_table(
        "id_token_state",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("nonce_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("client_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_id_token_state"),
        sa.CheckConstraint("provider IN ('google', 'apple')", name="ck_id_token_state_provider_known"),
        sa.CheckConstraint("expires_at > created_at", name="ck_id_token_state_expires_later"),
    )
    op.create_table(
        "ops_link",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_ops_link"),
        sa.UniqueConstraint("token_hash", name="uq_ops_link_token_hash"),
        sa.CheckConstraint("length(token_hash) = 32", name="ck_ops_link_token_hash_whole"),
        sa.CheckConstraint("expires_at > created_at", name="ck_ops_link_expires_later"),
    )
    for table in ("passkey_ceremony", "id_token_state", "ops_link"):
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"])
