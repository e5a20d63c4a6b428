"""When all of the books were read from end to end, and what that found."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0042"
down_revision: Final = "0041"
branch_labels: Final = None
depends_on: Final = None

_TABLE: Final = "book_proof"
_OPEN: Final = sa.text("next_at IS NOT NULL")
_WAITING: Final = sa.text("began_at IS NULL")


def upgrade() -> None:
    """Create the table; the first proof comes with the first day."""
    op.create_table(
        _TABLE,
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("began_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("transfers", sa.BigInteger()),
        sa.Column("broken", sa.BigInteger()),
        sa.CheckConstraint("(ended_at IS NULL) = (next_at IS NOT NULL)", name="ck_book_proof_open_is_due"),
        sa.CheckConstraint(
            "(ended_at IS NULL) = (transfers IS NULL) AND (ended_at IS NULL) = (broken IS NULL)",
            name="ck_book_proof_ended_has_result",
        ),
        sa.CheckConstraint(
            "ended_at IS NULL OR began_at IS NOT NULL", name="ck_book_proof_begins_before_it_ends"
        ),
        sa.CheckConstraint("transfers >= 0 AND broken >= 0", name="ck_book_proof_counted"),
        sa.PrimaryKeyConstraint("id", name="pk_book_proof"),
    )
    for name, column, where in (
        ("ix_book_proof_due", "next_at", _OPEN),
        ("ix_book_proof_waiting", "id", _WAITING),
    ):
        op.create_index(name, _TABLE, [column], sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    """Drop it; what is still broken is found again."""
    op.drop_table(_TABLE)
