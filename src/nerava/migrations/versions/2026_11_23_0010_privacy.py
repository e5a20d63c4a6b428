"""Consents, exports and erasures, and what retention removed."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0010"
down_revision: Final = "0009"
branch_labels: Final = None
depends_on: Final = None

_NOT_ERASED: Final = "NOT EXISTS (SELECT 1 FROM erasure WHERE user_id = OLD.user_id AND state = 'running')"
_TRIGGERS: Final = {
    "postgresql": [
        f"""CREATE FUNCTION consent_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
IF TG_OP = 'DELETE' THEN
IF {_NOT_ERASED} THEN
RAISE EXCEPTION 'consents are history: DELETE refused' USING ERRCODE = '23001';
END IF;
RETURN OLD;
END IF;
RAISE EXCEPTION 'consents are history: % refused', TG_OP USING ERRCODE = '23001';
END $$""",
        (
            "CREATE TRIGGER consent_keep BEFORE UPDATE OR DELETE ON consent "
            "FOR EACH ROW EXECUTE FUNCTION consent_refuse()"
        ),
        "CREATE TRIGGER consent_truncate BEFORE TRUNCATE ON consent EXECUTE FUNCTION consent_refuse()",
    ],
    "sqlite": [
        (
            "CREATE TRIGGER consent_no_update BEFORE UPDATE ON consent "
            "BEGIN SELECT RAISE(ABORT, 'consents are history: UPDATE refused'); END"
        ),
        (
            f"CREATE TRIGGER consent_no_delete BEFORE DELETE ON consent WHEN {_NOT_ERASED} "
            "BEGIN SELECT RAISE(ABORT, 'consents are history: DELETE refused'); END"
        ),
    ],
}


def upgrade() -> None:
    """Create the tables, and keep consents from being rewritten."""
    _create_consents()
    _create_exports()
    _create_erasures()
    op.create_table(
        "retention_run",
        sa.Column("period", sa.String(10), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.Column("removed", JSONType, nullable=False),
        sa.PrimaryKeyConstraint("period", name="pk_retention_run"),
    )
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop them; what people agreed to is lost, and erasures that were asked for do not happen."""
    for table in ("retention_run", "export_job", "consent", "erasure"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION consent_refuse()")


def _create_consents() -> None:
    op.create_table(
        "consent",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("purpose", sa.String(32), nullable=False),
        sa.Column("text_id", sa.String(64), nullable=False),
        sa.Column("is_given", sa.Boolean(), nullable=False),
        sa.Column("at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_consent"),
    )
    op.create_index("ix_consent_user_id_purpose", "consent", ["user_id", "purpose", "id"])


def _create_exports() -> None:
    op.create_table(
        "export_job",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("asked_at", UtcDateTime(), nullable=False),
        sa.Column("made_at", UtcDateTime()),
        sa.Column("expires_at", UtcDateTime()),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sealed", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_export_job"),
        sa.CheckConstraint(
            "state IN ('waiting', 'ready', 'failed', 'gone')", name="ck_export_job_state_known"
        ),
        sa.CheckConstraint("(state = 'ready') = (sealed IS NOT NULL)", name="ck_export_job_ready_has_bytes"),
        sa.CheckConstraint("(state = 'waiting') = (made_at IS NULL)", name="ck_export_job_made_at_whole"),
    )
    op.create_index("ix_export_job_user_id", "export_job", ["user_id"])
    op.create_index("ix_export_job_state", "export_job", ["state", "expires_at"])


def _create_erasures() -> None:
    op.create_table(
        "erasure",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("user_id", UUIDType(), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("gives_up_points", sa.Boolean(), nullable=False),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("cooling_until", UtcDateTime(), nullable=False),
        sa.Column("forfeit_at", UtcDateTime(), nullable=False),
        sa.Column("held_because", sa.String(32)),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_erasure"),
        sa.CheckConstraint(
            "state IN ('cooling', 'held', 'running', 'done', 'undone')", name="ck_erasure_state_known"
        ),
        sa.CheckConstraint(
            "(state = 'held') = (held_because IS NOT NULL)", name="ck_erasure_held_for_a_reason"
        ),
        sa.CheckConstraint(
            "(state IN ('done', 'undone')) = (ended_at IS NOT NULL)", name="ck_erasure_ended_at_whole"
        ),
    )
    still_open = sa.text("state IN ('cooling', 'held', 'running')")
    op.create_index(
        "uq_erasure_open",
        "erasure",
        ["user_id"],
        unique=True,
        sqlite_where=still_open,
        postgresql_where=still_open,
    )
    op.create_index("ix_erasure_user_id", "erasure", ["user_id"])
    op.create_index("ix_erasure_state", "erasure", ["state", "cooling_until"])
