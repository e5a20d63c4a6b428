"""Disputed payments of sponsors: how far each is, whom it stops, and what of it was booked."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import UtcDateTime, UUIDType

revision: Final = "0043"
down_revision: Final = "0042"
branch_labels: Final = None
depends_on: Final = None

_DISPUTE: Final = "sponsor_dispute"
_MOVEMENT: Final = "sponsor_dispute_movement"
_DUE: Final = sa.text("due_at IS NOT NULL")
_UNSEEN: Final = sa.text("lifted_at IS NULL AND (state IN ('told', 'open', 'lost') OR trouble IS NOT NULL)")


def upgrade() -> None:
    """Create the tables. What was disputed before is entered when its provider tells of it again."""
    op.create_table(
        _DISPUTE,
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("dispute", sa.String(255), nullable=False),
        sa.Column("payment", sa.String(255)),
        sa.Column("checkout_id", UUIDType()),
        sa.Column("sponsor_id", UUIDType()),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("amount", sa.BigInteger()),
        sa.Column("currency", sa.String(3)),
        sa.Column("reason", sa.String(60)),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("trouble", sa.String(120)),
        sa.Column("first_sent_at", UtcDateTime()),
        sa.Column("due_at", UtcDateTime()),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("answer_by", UtcDateTime()),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime()),
        sa.Column("lifted_at", UtcDateTime()),
        sa.Column("traceparent", sa.String(55)),
        sa.CheckConstraint(
            "state IN ('told', 'open', 'won', 'lost', 'dropped')", name="ck_sponsor_dispute_state_known"
        ),
        sa.CheckConstraint("amount > 0", name="ck_sponsor_dispute_amount_positive"),
        sa.CheckConstraint(
            "state NOT IN ('told', 'open') OR due_at IS NOT NULL", name="ck_sponsor_dispute_open_is_due"
        ),
        sa.CheckConstraint(
            "(checkout_id IS NULL) = (sponsor_id IS NULL)", name="ck_sponsor_dispute_sponsor_by_payment"
        ),
        sa.ForeignKeyConstraint(
            ["checkout_id"], ["sponsor_checkout.id"], name="fk_sponsor_dispute_checkout_id"
        ),
        sa.ForeignKeyConstraint(["sponsor_id"], ["sponsor.id"], name="fk_sponsor_dispute_sponsor_id"),
        sa.PrimaryKeyConstraint("id", name="pk_sponsor_dispute"),
        sa.UniqueConstraint("provider", "dispute", name="uq_sponsor_dispute_provider_dispute"),
    )
    for name, column, where in (
        ("ix_sponsor_dispute_due", "due_at", _DUE),
        ("ix_sponsor_dispute_unseen", "id", _UNSEEN),
    ):
        op.create_index(name, _DISPUTE, [column], sqlite_where=where, postgresql_where=where)
    for column in ("payment", "sponsor_id", "checkout_id"):
        op.create_index(f"ix_sponsor_dispute_{column}", _DISPUTE, [column])
    _create_movements()


def downgrade() -> None:
    """Drop the tables; the ledger keeps what was booked."""
    op.drop_table(_MOVEMENT)
    op.drop_table(_DISPUTE)


def _create_movements() -> None:
    op.create_table(
        _MOVEMENT,
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("dispute_id", UUIDType(), nullable=False),
        sa.Column("movement", sa.String(255), nullable=False),
        sa.Column("kind", sa.String(9), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("to_deposits", sa.BigInteger(), nullable=False),
        sa.Column("to_house", sa.BigInteger(), nullable=False),
        sa.Column("transaction_key", UUIDType(), nullable=False),
        sa.Column("booked_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('taken', 'returned', 'collected')", name="ck_sponsor_dispute_movement_kind_known"
        ),
        sa.CheckConstraint(
            "amount >= 0 AND (amount > 0 OR cost <> 0)", name="ck_sponsor_dispute_movement_something_moved"
        ),
        sa.CheckConstraint(
            "to_deposits >= 0 AND to_house >= 0 AND to_deposits + to_house <= amount",
            name="ck_sponsor_dispute_movement_parts_within",
        ),
        sa.CheckConstraint(
            "kind = 'returned' OR to_deposits + to_house = 0",
            name="ck_sponsor_dispute_movement_parts_of_returned",
        ),
        sa.ForeignKeyConstraint(
            ["dispute_id"], [f"{_DISPUTE}.id"], name="fk_sponsor_dispute_movement_dispute_id"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_sponsor_dispute_movement"),
        sa.UniqueConstraint("dispute_id", "movement", name="uq_sponsor_dispute_movement_dispute_id_movement"),
        sa.UniqueConstraint("transaction_key", name="uq_sponsor_dispute_movement_transaction_key"),
    )
