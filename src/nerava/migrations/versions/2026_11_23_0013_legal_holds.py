"""Legal holds, the checksum that outlives raw evidence, and caps that go on counting what names nobody."""

from __future__ import annotations

import hashlib
from typing import Final

import orjson
import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0013"
down_revision: Final = "0015"
branch_labels: Final = None
depends_on: Final = None

_BATCH: Final = 1_000


def upgrade() -> None:
    """Create the table and the columns; evidence that still has its body gets its checksum."""
    _create_holds()
    op.add_column(
        "retention_run", sa.Column("held", JSONType, nullable=False, server_default=sa.text("'{}'"))
    )
    op.add_column(
        "reward_cap",
        sa.Column("points_unlinked", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    op.add_column("session_evidence", sa.Column("body_sha256", sa.String(64)))
    _add_checksums()


def downgrade() -> None:
    """Drop them; nothing is held any more, and nobody can say what emptied evidence was."""
    op.drop_column("session_evidence", "body_sha256")
    op.drop_column("reward_cap", "points_unlinked")
    op.drop_column("retention_run", "held")
    op.drop_table("legal_hold")


def _create_holds() -> None:
    op.create_table(
        "legal_hold",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("object_id", UUIDType(), nullable=False),
        sa.Column("reason", sa.String(200), nullable=False),
        sa.Column("placed_by", UUIDType(), nullable=False),
        sa.Column("placed_at", UtcDateTime(), nullable=False),
        sa.Column("lifted_by", UUIDType()),
        sa.Column("lifted_at", UtcDateTime()),
        sa.Column("lifted_because", sa.String(200)),
        sa.PrimaryKeyConstraint("id", name="pk_legal_hold"),
        sa.CheckConstraint("kind IN ('user', 'driver', 'session')", name="ck_legal_hold_kind_known"),
        sa.CheckConstraint("lifted_by <> placed_by", name="ck_legal_hold_two_people"),
        sa.CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lifted_because IS NULL)",
            name="ck_legal_hold_lifted_whole",
        ),
    )
    in_force = sa.text("lifted_at IS NULL")
    op.create_index(
        "ix_legal_hold_in_force",
        "legal_hold",
        ["kind", "object_id"],
        sqlite_where=in_force,
        postgresql_where=in_force,
    )


def _add_checksums() -> None:
    connection = op.get_bind()
    evidence = sa.table(
        "session_evidence",
        sa.column("id", UUIDType()),
        sa.column("body", JSONType),
        sa.column("body_sha256", sa.String(64)),
    )
    page = sa.select(evidence.c.id, evidence.c.body).order_by(evidence.c.id).limit(_BATCH)
    write = (
        sa.update(evidence)
        .where(evidence.c.id == sa.bindparam("one"))
        .values(body_sha256=sa.bindparam("digest"))
    )
    rows = connection.execute(page).all()
    while rows:
        found = [
            {
                "one": row.id,
                "digest": hashlib.sha256(orjson.dumps(row.body, option=orjson.OPT_SORT_KEYS)).hexdigest(),
            }
            for row in rows
            if row.body  # Of what was emptied before, nobody knows any more what it was.
        ]
        if found:
            connection.execute(write, found)
        rows = connection.execute(page.where(evidence.c.id > rows[-1].id)).all()
