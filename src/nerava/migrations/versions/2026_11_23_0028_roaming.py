"""Roaming by OCPI: peers and their tokens, what they told, our own tokens, and what is still to be done."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0028"
down_revision: Final = "0027"
branch_labels: Final = None
depends_on: Final = None

_TABLES: Final = (
    "roaming_peer",
    "roaming_credential",
    "roaming_party",
    "roaming_object",
    "roaming_token",
    "roaming_token_push",
    "roaming_pull",
)


def upgrade() -> None:
    """Create the tables."""
    _create_peer()
    _create_credential()
    _create_party()
    _create_object()
    _create_token()
    _create_token_push()
    _create_pull()


def downgrade() -> None:
    """Drop them; every connection has to be made anew."""
    for table in reversed(_TABLES):
        op.drop_table(table)


def _create_peer() -> None:
    op.create_table(
        "roaming_peer",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("allowed_parties", JSONType, nullable=False),
        sa.Column("versions_url", sa.String(length=500), nullable=True),
        sa.Column("version", sa.String(length=8), nullable=True),
        sa.Column("endpoints", JSONType, nullable=False),
        sa.Column("sealed_token", sa.LargeBinary(), nullable=True),
        sa.Column("takes_plain", sa.Boolean(), nullable=False),
        sa.Column("sends_plain", sa.Boolean(), nullable=False),
        sa.Column("invited_at", UtcDateTime(), nullable=False),
        sa.Column("registered_at", UtcDateTime(), nullable=True),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ck_roaming_peer_ended_since"),
        sa.CheckConstraint(
            "state <> 'registered' OR sealed_token IS NOT NULL", name="ck_roaming_peer_registered_has_token"
        ),
        sa.CheckConstraint("state IN ('invited', 'registered', 'ended')", name="ck_roaming_peer_state_known"),
        sa.PrimaryKeyConstraint("id", name="pk_roaming_peer"),
    )


def _create_credential() -> None:
    op.create_table(
        "roaming_credential",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("peer_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=True),
        sa.Column("revoked_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("kind IN ('invitation', 'exchange')", name="ck_roaming_credential_kind_known"),
        sa.ForeignKeyConstraint(["peer_id"], ["roaming_peer.id"], name="fk_roaming_credential_peer_id"),
        sa.PrimaryKeyConstraint("id", name="pk_roaming_credential"),
        sa.UniqueConstraint("token_hash", name="uq_roaming_credential_token_hash"),
    )
    op.create_index("ix_roaming_credential_peer_id", "roaming_credential", ["peer_id"], unique=False)


def _create_party() -> None:
    op.create_table(
        "roaming_party",
        sa.Column("country_code", sa.String(length=2), nullable=False),
        sa.Column("party_id", sa.String(length=3), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("peer_id", UUIDType(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["roaming_peer.id"], name="fk_roaming_party_peer_id"),
        sa.PrimaryKeyConstraint("country_code", "party_id", "role", name="pk_roaming_party"),
    )
    op.create_index("ix_roaming_party_peer_id", "roaming_party", ["peer_id"], unique=False)


def _create_object() -> None:
    op.create_table(
        "roaming_object",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("peer_id", UUIDType(), nullable=False),
        sa.Column("module", sa.String(length=10), nullable=False),
        sa.Column("country_code", sa.String(length=2), nullable=False),
        sa.Column("party_id", sa.String(length=3), nullable=False),
        sa.Column("object_key", sa.String(length=100), nullable=False),
        sa.Column("version", sa.String(length=8), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("patch_hash", sa.LargeBinary(length=32), nullable=True),
        sa.Column("last_updated", UtcDateTime(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("outcome", sa.String(length=40), nullable=True),
        sa.Column("waits_for", sa.String(length=160), nullable=True),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=True),
        sa.Column("driver_id", UUIDType(), nullable=True),
        sa.Column("session_id", UUIDType(), nullable=True),
        sa.CheckConstraint(
            "module IN ('locations', 'sessions', 'cdrs', 'tariffs')", name="ck_roaming_object_module_known"
        ),
        sa.CheckConstraint(
            "state <> 'waiting' OR due_at IS NOT NULL", name="ck_roaming_object_waiting_is_due"
        ),
        sa.CheckConstraint(
            "state IN ('kept', 'waiting', 'done', 'given_up')", name="ck_roaming_object_state_known"
        ),
        sa.ForeignKeyConstraint(["peer_id"], ["roaming_peer.id"], name="fk_roaming_object_peer_id"),
        sa.ForeignKeyConstraint(["session_id"], ["charging_session.id"], name="fk_roaming_object_session_id"),
        sa.PrimaryKeyConstraint("id", name="pk_roaming_object"),
        sa.UniqueConstraint(
            "peer_id", "module", "country_code", "party_id", "object_key", name="uq_roaming_object_key"
        ),
    )
    op.create_index("ix_roaming_object_driver_id", "roaming_object", ["driver_id"], unique=False)
    op.create_index(
        "ix_roaming_object_due",
        "roaming_object",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index("ix_roaming_object_session_id", "roaming_object", ["session_id"], unique=False)
    op.create_index("ix_roaming_object_waits_for", "roaming_object", ["peer_id", "waits_for"], unique=False)


def _create_token() -> None:
    op.create_table(
        "roaming_token",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("driver_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("uid", sa.String(length=36), nullable=False),
        sa.Column("uid_key", sa.String(length=36), nullable=False),
        sa.Column("contract_id", sa.String(length=36), nullable=False),
        sa.Column("is_valid", sa.Boolean(), nullable=False),
        sa.Column("whitelist", sa.String(length=15), nullable=False),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("last_updated", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('APP_USER', 'RFID')", name="ck_roaming_token_kind_known"),
        sa.CheckConstraint(
            "whitelist IN ('ALWAYS', 'ALLOWED', 'ALLOWED_OFFLINE', 'NEVER')",
            name="ck_roaming_token_whitelist_known",
        ),
        sa.ForeignKeyConstraint(["driver_id"], ["driver.id"], name="fk_roaming_token_driver_id"),
        sa.PrimaryKeyConstraint("id", name="pk_roaming_token"),
        sa.UniqueConstraint("kind", "uid_key", name="uq_roaming_token_kind_uid_key"),
    )
    op.create_index("ix_roaming_token_driver_id", "roaming_token", ["driver_id"], unique=False)
    op.create_index("ix_roaming_token_last_updated", "roaming_token", ["last_updated", "id"], unique=False)


def _create_token_push() -> None:
    op.create_table(
        "roaming_token_push",
        sa.Column("peer_id", UUIDType(), nullable=False),
        sa.Column("token_id", UUIDType(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["roaming_peer.id"], name="fk_roaming_token_push_peer_id"),
        sa.PrimaryKeyConstraint("peer_id", "token_id", name="pk_roaming_token_push"),
    )
    op.create_index("ix_roaming_token_push_due", "roaming_token_push", ["due_at"], unique=False)


def _create_pull() -> None:
    op.create_table(
        "roaming_pull",
        sa.Column("peer_id", UUIDType(), nullable=False),
        sa.Column("module", sa.String(length=10), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("read_until", UtcDateTime(), nullable=True),
        sa.Column("began_at", UtcDateTime(), nullable=True),
        sa.Column("next_url", sa.String(length=1000), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("failure", sa.String(length=60), nullable=True),
        sa.ForeignKeyConstraint(["peer_id"], ["roaming_peer.id"], name="fk_roaming_pull_peer_id"),
        sa.PrimaryKeyConstraint("peer_id", "module", name="pk_roaming_pull"),
    )
    op.create_index("ix_roaming_pull_due", "roaming_pull", ["due_at"], unique=False)
