"""Users, contacts, codes and messages."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0006"
down_revision: Final = "0005"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Create the tables of people and of how they sign in."""
    _create_people()
    _create_challenges()
    _create_counts()
    _create_messages()


def downgrade() -> None:
    """Drop them; accounts and contacts are lost."""
    for table in (
        "message_job",
        "sign_in_failures",
        "sign_in_challenge",
        "external_identity",
        "user_contact",
        "app_user",
    ):
        op.drop_table(table)


def _create_people() -> None:
    op.create_table(
        "app_user",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_app_user"),
        sa.CheckConstraint("state IN ('active', 'suspended', 'erased')", name="ck_app_user_state_known"),
    )
    op.create_table(
        "user_contact",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("contact_ix", sa.LargeBinary(32), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("verified_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_user_contact"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_user_contact_user_id"),
        sa.UniqueConstraint("contact_ix", name="uq_user_contact_contact_ix"),
        sa.CheckConstraint("kind IN ('phone', 'email')", name="ck_user_contact_kind_known"),
        sa.CheckConstraint("length(contact_ix) = 32", name="ck_user_contact_contact_ix_whole"),
    )
    op.create_index("ix_user_contact_user_id", "user_contact", ["user_id"])
    op.create_table(
        "external_identity",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("issuer", sa.String(200), nullable=False),
        sa.Column("subject", sa.String(255), nullable=False),
        sa.Column("linked_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_external_identity"),
        sa.ForeignKeyConstraint(["user_id"], ["app_user.id"], name="fk_external_identity_user_id"),
        sa.UniqueConstraint("issuer", "subject", name="uq_external_identity_issuer_subject"),
    )
    op.create_index("ix_external_identity_user_id", "external_identity", ["user_id"])


def _create_challenges() -> None:
    op.create_table(
        "sign_in_challenge",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("contact_ix", sa.LargeBinary(32), nullable=False),
        sa.Column("identity_ix", sa.LargeBinary(32), nullable=False),
        sa.Column("contact_sealed", sa.LargeBinary()),
        sa.Column("client_hash", sa.LargeBinary(32), nullable=False),
        sa.Column("pepper_id", sa.String(16), nullable=False),
        sa.Column("code_mac", sa.LargeBinary(32), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(32)),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("used_at", UtcDateTime()),
        sa.Column("voided_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_sign_in_challenge"),
        sa.UniqueConstraint("token_hash", name="uq_sign_in_challenge_token_hash"),
        sa.CheckConstraint("kind IN ('code', 'link')", name="ck_sign_in_challenge_kind_known"),
        sa.CheckConstraint("channel IN ('sms', 'email')", name="ck_sign_in_challenge_channel_known"),
        sa.CheckConstraint(
            "(kind = 'link') = (token_hash IS NOT NULL)", name="ck_sign_in_challenge_token_of_link"
        ),
        sa.CheckConstraint("attempts BETWEEN 0 AND 5", name="ck_sign_in_challenge_attempts_bounded"),
        sa.CheckConstraint(
            "used_at IS NULL OR contact_sealed IS NULL", name="ck_sign_in_challenge_used_forgets_contact"
        ),
        sa.CheckConstraint("expires_at > created_at", name="ck_sign_in_challenge_expires_later"),
    )
    is_open = sa.text("used_at IS NULL AND voided_at IS NULL")
    op.create_index(
        "uq_sign_in_challenge_open",
        "sign_in_challenge",
        ["contact_ix", "kind", "purpose"],
        unique=True,
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_sign_in_challenge_contact_ix", "sign_in_challenge", ["contact_ix"])
    op.create_index("ix_sign_in_challenge_created_at", "sign_in_challenge", ["created_at"])


def _create_counts() -> None:
    op.create_table(
        "sign_in_failures",
        sa.Column("identity_ix", sa.LargeBinary(32), nullable=False),
        sa.Column("in_a_row", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("identity_ix", name="pk_sign_in_failures"),
        sa.CheckConstraint("in_a_row > 0", name="ck_sign_in_failures_some"),
    )
    op.create_index("ix_sign_in_failures_last_at", "sign_in_failures", ["last_at"])


def _create_messages() -> None:
    op.create_table(
        "message_job",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("channel", sa.String(16), nullable=False),
        sa.Column("contact_ix", sa.LargeBinary(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("is_muted", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("due_at", UtcDateTime(), nullable=False),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("expires_at", UtcDateTime(), nullable=False),
        sa.Column("done_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_message_job"),
        sa.CheckConstraint("channel IN ('sms', 'email')", name="ck_message_job_channel_known"),
        sa.CheckConstraint(
            "state IN ('waiting', 'sent', 'muted', 'late', 'failed')", name="ck_message_job_state_known"
        ),
        sa.CheckConstraint("(state = 'waiting') = (sealed IS NOT NULL)", name="ck_message_job_over_is_wiped"),
        sa.CheckConstraint("(state = 'waiting') = (done_at IS NULL)", name="ck_message_job_over_since"),
        sa.CheckConstraint("attempts BETWEEN 0 AND 3", name="ck_message_job_attempts_bounded"),
    )
    waiting = sa.text("state = 'waiting'")
    op.create_index(
        "ix_message_job_waiting",
        "message_job",
        ["due_at"],
        sqlite_where=waiting,
        postgresql_where=waiting,
    )
    op.create_index("ix_message_job_contact_ix", "message_job", ["contact_ix"])
    op.create_index("ix_message_job_created_at", "message_job", ["created_at"])
