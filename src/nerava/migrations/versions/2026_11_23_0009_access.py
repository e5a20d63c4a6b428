"""Invitations, API keys and approvals."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0009"
down_revision: Final = "0008"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables."""
    _create_invites()
    _create_keys()
    _create_approvals()


def downgrade() -> None:
    """Drop them; every API key is lost, and whoever waits for a second person has to ask again."""
    for table in ("approval", "api_key", "invite"):
        op.drop_table(table)


def _create_invites() -> None:
    op.create_table(
        "invite",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("role", sa.String(32), nullable=False),
        sa.Column("tenant_id", UUIDType(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("made_by", UUIDType(), nullable=False),
        sa.Column("made_as", sa.String(32), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.Column("used_by", UUIDType()),
        sa.Column("withdrawn_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_invite"),
        sa.UniqueConstraint("token_hash", name="uq_invite_token_hash"),
        sa.CheckConstraint(
            "role IN ('merchant:manager', 'merchant:register', 'sponsor')", name="ck_invite_role_invitable"
        ),
        sa.CheckConstraint("length(token_hash) = 32", name="ck_invite_token_hash_whole"),
        sa.CheckConstraint("used_by <> made_by", name="ck_invite_two_people"),
        sa.CheckConstraint("(used_at IS NULL) = (used_by IS NULL)", name="ck_invite_use_whole"),
        sa.CheckConstraint("used_at IS NULL OR withdrawn_at IS NULL", name="ck_invite_one_end"),
        sa.CheckConstraint("expires_at > made_at", name="ck_invite_expires_later"),
    )
    op.create_index("ix_invite_tenant_id", "invite", ["tenant_id", "id"])


def _create_keys() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("key_id", sa.String(16), nullable=False),
        sa.Column("partner_id", UUIDType(), nullable=False),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("slot", sa.SmallInteger(), nullable=False),
        sa.Column("mode", sa.String(8), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("scopes", sa.String(400), nullable=False),
        sa.Column("networks", sa.String(1000), nullable=False),
        sa.Column("signing", sa.String(16), nullable=False),
        sa.Column("signing_key", sa.LargeBinary(), nullable=False),
        sa.Column("made_by", UUIDType(), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("revoked_at", UtcDateTime()),
        sa.Column("revoked_by", sa.String(80)),
        sa.Column("last_used_on", sa.Date()),
        sa.PrimaryKeyConstraint("id", name="pk_api_key"),
        sa.UniqueConstraint("key_id", name="uq_api_key_key_id"),
        sa.CheckConstraint("length(secret_hash) = 32", name="ck_api_key_secret_hash_whole"),
        sa.CheckConstraint("slot IN (1, 2)", name="ck_api_key_two_at_most"),
        sa.CheckConstraint("mode IN ('live', 'test')", name="ck_api_key_mode_known"),
        sa.CheckConstraint("signing IN ('hmac-sha256', 'ed25519')", name="ck_api_key_signing_known"),
        sa.CheckConstraint("length(scopes) > 0", name="ck_api_key_scopes_named"),
        sa.CheckConstraint("expires_at > made_at", name="ck_api_key_expires_later"),
        sa.CheckConstraint("(revoked_at IS NULL) = (revoked_by IS NULL)", name="ck_api_key_revocation_whole"),
    )
    in_use = sa.text("revoked_at IS NULL")
    op.create_index(
        "uq_api_key_slot",
        "api_key",
        ["partner_id", "purpose", "slot"],
        unique=True,
        sqlite_where=in_use,
        postgresql_where=in_use,
    )


def _create_approvals() -> None:
    op.create_table(
        "approval",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("asked", JSONType, nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.Column("maker", UUIDType(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("checker", UUIDType()),
        sa.Column("decided_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_approval"),
        sa.CheckConstraint("checker <> maker", name="ck_approval_two_people"),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="ck_approval_state_known"),
        sa.CheckConstraint(
            "(state = 'waiting') = (checker IS NULL) AND (checker IS NULL) = (decided_at IS NULL)",
            name="ck_approval_decision_whole",
        ),
        sa.CheckConstraint("weight > 0", name="ck_approval_weight_positive"),
        sa.CheckConstraint("expires_at > asked_at", name="ck_approval_expires_later"),
    )
    op.create_index("ix_approval_state", "approval", ["state", "id"])
    op.create_index("ix_approval_kind_decided_at", "approval", ["kind", "decided_at"])
