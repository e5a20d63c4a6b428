"""Codes and nonces that are asked for by who is signed in, and invitations that are for one contact."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0012"
down_revision: Final = "0013"
branch_labels: Final = None
depends_on: Final = None

_INVITE: Final = sa.table("invite", sa.column("made_at"), sa.column("used_at"), sa.column("withdrawn_at"))

# A CHECK stands at its column, because SQLite adds no other.
_ADDED: Final = {
    "postgresql": (
        """ALTER TABLE sign_in_challenge ADD COLUMN user_id uuid
        CONSTRAINT ck_sign_in_challenge_user_unless_sign_in CHECK ((purpose = 'sign-in') = (user_id IS NULL))""",
        """ALTER TABLE sign_in_challenge ADD COLUMN session_id uuid
        CONSTRAINT ck_sign_in_challenge_session_of_user CHECK ((user_id IS NULL) = (session_id IS NULL))""",
        "ALTER TABLE id_token_state ADD COLUMN user_id uuid",
        """ALTER TABLE id_token_state ADD COLUMN session_id uuid
        CONSTRAINT ck_id_token_state_session_of_user CHECK ((user_id IS NULL) = (session_id IS NULL))""",
        """ALTER TABLE invite ADD COLUMN contact_kind varchar(16)
        CONSTRAINT ck_invite_contact_kind_known CHECK (contact_kind IN ('phone', 'email'))""",
        """ALTER TABLE invite ADD COLUMN contact_ix bytea
        CONSTRAINT ck_invite_open_is_for_a_contact CHECK
        ((contact_ix IS NOT NULL) = (used_at IS NULL AND withdrawn_at IS NULL))""",
        """ALTER TABLE invite ADD COLUMN contact_sealed bytea
        CONSTRAINT ck_invite_over_is_wiped CHECK ((contact_ix IS NULL) = (contact_sealed IS NULL))""",
    ),
    "sqlite": (
        """ALTER TABLE sign_in_challenge ADD COLUMN user_id CHAR(36)
        CONSTRAINT ck_sign_in_challenge_user_unless_sign_in CHECK ((purpose = 'sign-in') = (user_id IS NULL))""",
        """ALTER TABLE sign_in_challenge ADD COLUMN session_id CHAR(36)
        CONSTRAINT ck_sign_in_challenge_session_of_user CHECK ((user_id IS NULL) = (session_id IS NULL))""",
        "ALTER TABLE id_token_state ADD COLUMN user_id CHAR(36)",
        """ALTER TABLE id_token_state ADD COLUMN session_id CHAR(36)
        CONSTRAINT ck_id_token_state_session_of_user CHECK ((user_id IS NULL) = (session_id IS NULL))""",
        """ALTER TABLE invite ADD COLUMN contact_kind VARCHAR(16)
        CONSTRAINT ck_invite_contact_kind_known CHECK (contact_kind IN ('phone', 'email'))""",
        """ALTER TABLE invite ADD COLUMN contact_ix BLOB
        CONSTRAINT ck_invite_open_is_for_a_contact CHECK
        ((contact_ix IS NOT NULL) = (used_at IS NULL AND withdrawn_at IS NULL))""",
        """ALTER TABLE invite ADD COLUMN contact_sealed BLOB
        CONSTRAINT ck_invite_over_is_wiped CHECK ((contact_ix IS NULL) = (contact_sealed IS NULL))""",
    ),
}

_COLUMNS: Final = (
    ("sign_in_challenge", "user_id"),
    ("sign_in_challenge", "session_id"),
    ("id_token_state", "user_id"),
    ("id_token_state", "session_id"),
    ("invite", "contact_kind"),
    ("invite", "contact_ix"),
    ("invite", "contact_sealed"),
)


def upgrade() -> None:
    """Add the columns; invitations that were for whoever brought them first are void."""
    is_open = _INVITE.c.used_at.is_(None) & _INVITE.c.withdrawn_at.is_(None)
    op.execute(sa.update(_INVITE).where(is_open).values(withdrawn_at=_INVITE.c.made_at))
    for statement in _ADDED[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement)
    op.create_index("ix_invite_contact_ix", "invite", ["contact_ix"])
    op.create_index("ix_sign_in_challenge_user_id", "sign_in_challenge", ["user_id"])
    op.create_index("ix_id_token_state_user_id", "id_token_state", ["user_id"])
    op.create_index(
        "uq_external_identity_user_id_issuer", "external_identity", ["user_id", "issuer"], unique=True
    )


def downgrade() -> None:
    """Take them away; what is on its way is void: codes to new contacts, and open invitations."""
    op.execute(
        sa.delete(sa.table("sign_in_challenge", sa.column("purpose"))).where(
            sa.column("purpose") != "sign-in"
        )
    )
    op.execute(sa.delete(_INVITE).where(_INVITE.c.used_at.is_(None), _INVITE.c.withdrawn_at.is_(None)))
    op.drop_index("uq_external_identity_user_id_issuer", "external_identity")
    op.drop_index("ix_id_token_state_user_id", "id_token_state")
    op.drop_index("ix_sign_in_challenge_user_id", "sign_in_challenge")
    op.drop_index("ix_invite_contact_ix", "invite")
    for table, column in reversed(_COLUMNS):
        op.drop_column(table, column)
