"""Payout methods, payouts with their evidence and batches, reconciliations and cases."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from alembic import op

from nerava.platform.db import JSONType, UtcDateTime, UUIDType

revision: Final = "0018"
down_revision: Final = "0017"
branch_labels: Final = None
depends_on: Final = None

_TRIGGERS: Final = {
    "postgresql": [
        """CREATE FUNCTION payout_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is history: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$""",
        (
            "CREATE TRIGGER payout_evidence_keep BEFORE UPDATE OR DELETE ON payout_evidence "
            "FOR EACH ROW EXECUTE FUNCTION payout_refuse()"
        ),
        (
            "CREATE TRIGGER payout_evidence_truncate BEFORE TRUNCATE ON payout_evidence "
            "EXECUTE FUNCTION payout_refuse()"
        ),
    ],
    "sqlite": [
        (
            "CREATE TRIGGER payout_evidence_no_update BEFORE UPDATE ON payout_evidence "
            "BEGIN SELECT RAISE(ABORT, 'payout_evidence is history: UPDATE refused'); END"
        ),
        (
            "CREATE TRIGGER payout_evidence_no_delete BEFORE DELETE ON payout_evidence "
            "BEGIN SELECT RAISE(ABORT, 'payout_evidence is history: DELETE refused'); END"
        ),
    ],
}


def upgrade() -> None:
    """Create the tables, and keep evidence from being rewritten."""
    _create_payout_method()
    _create_payout_batch()
    _create_payout()
    _create_payout_evidence()
    _create_reconciliation_run()
    _create_payout_case()
    for statement in _TRIGGERS[op.get_bind().dialect.name]:
        op.get_bind().exec_driver_sql(statement.replace("%", "%%"))


def downgrade() -> None:
    """Drop them; what is on its way to a bank is known to the ledger and the provider alone."""
    for table in (
        "payout_case",
        "reconciliation_run",
        "payout_evidence",
        "payout",
        "payout_batch",
        "payout_method",
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION payout_refuse()")


def _create_payout_method() -> None:
    op.create_table(
        "payout_method",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("owner_kind", sa.String(8), nullable=False),
        sa.Column("owner_id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80)),
        sa.Column("last4", sa.String(4)),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("links", sa.Integer(), nullable=False),
        sa.Column("created_at", UtcDateTime(), nullable=False),
        sa.Column("ready_at", UtcDateTime()),
        sa.Column("changed_at", UtcDateTime()),
        sa.Column("removed_at", UtcDateTime()),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("next_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payout_method"),
        sa.UniqueConstraint("provider", "account", name="uq_payout_method_provider_account"),
        sa.CheckConstraint("last4 IS NULL OR length(last4) = 4", name="ck_payout_method_last4_whole"),
        sa.CheckConstraint("owner_kind IN ('driver', 'merchant')", name="ck_payout_method_owner_kind_known"),
        sa.CheckConstraint(
            "state <> 'ready' OR (account IS NOT NULL AND ready_at IS NOT NULL)",
            name="ck_payout_method_ready_whole",
        ),
        sa.CheckConstraint(
            "(state = 'removed') = (removed_at IS NOT NULL)", name="ck_payout_method_removed_has_instant"
        ),
        sa.CheckConstraint(
            "state IN ('onboarding', 'ready', 'blocked', 'removed')", name="ck_payout_method_state_known"
        ),
    )
    op.create_index(
        "ix_payout_method_due",
        "payout_method",
        ["next_at"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_payout_method_owner", "payout_method", ["owner_kind", "owner_id"])
    op.create_index(
        "uq_payout_method_onboarding",
        "payout_method",
        ["owner_kind", "owner_id"],
        unique=True,
        sqlite_where=sa.text("state = 'onboarding'"),
        postgresql_where=sa.text("state = 'onboarding'"),
    )


def _create_payout_batch() -> None:
    op.create_table(
        "payout_batch",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("payouts", sa.Integer(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("maker", UUIDType(), nullable=False),
        sa.Column("checker", UUIDType()),
        sa.Column("made_at", UtcDateTime(), nullable=False),
        sa.Column("decided_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payout_batch"),
        sa.CheckConstraint(
            "(state = 'waiting') = (checker IS NULL)", name="ck_payout_batch_decided_by_somebody"
        ),
        sa.CheckConstraint(
            "(state = 'waiting') = (decided_at IS NULL)", name="ck_payout_batch_decided_has_instant"
        ),
        sa.CheckConstraint("checker IS NULL OR checker <> maker", name="ck_payout_batch_four_eyes"),
        sa.CheckConstraint("payouts > 0 AND total_minor > 0", name="ck_payout_batch_holds_something"),
        sa.CheckConstraint("state IN ('waiting', 'approved', 'refused')", name="ck_payout_batch_state_known"),
    )


def _create_payout() -> None:
    op.create_table(
        "payout",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("owner_kind", sa.String(8), nullable=False),
        sa.Column("owner_id", UUIDType(), nullable=False),
        sa.Column("method_id", UUIDType(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(12), nullable=False),
        sa.Column("step", sa.String(12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_flagged", sa.Boolean(), nullable=False),
        sa.Column("flags", JSONType, nullable=False),
        sa.Column("reason", sa.String(60)),
        sa.Column("hold_until", UtcDateTime()),
        sa.Column("batch_id", UUIDType()),
        sa.Column("request_key", UUIDType(), nullable=False),
        sa.Column("outcome_key", UUIDType(), nullable=False),
        sa.Column("return_key", UUIDType(), nullable=False),
        sa.Column("requested_by", sa.String(80), nullable=False),
        sa.Column("reviewed_by", UUIDType()),
        sa.Column("approved_by", UUIDType()),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("account", sa.String(80), nullable=False),
        sa.Column("try_number", sa.SmallInteger(), nullable=False),
        sa.Column("sends", sa.Integer(), nullable=False),
        sa.Column("provider_key", sa.String(120)),
        sa.Column("body_hash", sa.LargeBinary(32)),
        sa.Column("first_sent_at", UtcDateTime()),
        sa.Column("last_sent_at", UtcDateTime()),
        sa.Column("last_answer", sa.String(80)),
        sa.Column("same_answers", sa.SmallInteger(), nullable=False),
        sa.Column("none_since", UtcDateTime()),
        sa.Column("gone_at", UtcDateTime()),
        sa.Column("transfer_id", sa.String(80)),
        sa.Column("bank_payout_id", sa.String(80)),
        sa.Column("bank_rank", sa.SmallInteger(), nullable=False),
        sa.Column("stalled_because", sa.String(40)),
        sa.Column("leased_until", UtcDateTime()),
        sa.Column("next_at", UtcDateTime()),
        sa.Column("overdue_at", UtcDateTime()),
        sa.Column("requested_at", UtcDateTime(), nullable=False),
        sa.Column("reviewed_at", UtcDateTime()),
        sa.Column("approved_at", UtcDateTime()),
        sa.Column("submitted_at", UtcDateTime()),
        sa.Column("paid_at", UtcDateTime()),
        sa.Column("ended_at", UtcDateTime()),
        sa.PrimaryKeyConstraint("id", name="pk_payout"),
        sa.ForeignKeyConstraint(["batch_id"], ["payout_batch.id"], name="fk_payout_batch_id"),
        sa.ForeignKeyConstraint(["method_id"], ["payout_method.id"], name="fk_payout_method_id"),
        sa.UniqueConstraint("outcome_key", name="uq_payout_outcome_key"),
        sa.UniqueConstraint(
            "provider", "account", "bank_payout_id", name="uq_payout_provider_account_bank_payout_id"
        ),
        sa.UniqueConstraint("provider", "transfer_id", name="uq_payout_provider_transfer_id"),
        sa.UniqueConstraint("request_key", name="uq_payout_request_key"),
        sa.UniqueConstraint("return_key", name="uq_payout_return_key"),
        sa.CheckConstraint("amount_minor > 0 AND fee_minor >= 0", name="ck_payout_amounts_positive"),
        sa.CheckConstraint("try_number > 0 AND sends >= 0 AND version > 0", name="ck_payout_counters_whole"),
        sa.CheckConstraint(
            "(state IN ('failed', 'returned', 'canceled')) = (ended_at IS NOT NULL)",
            name="ck_payout_ended_has_instant",
        ),
        sa.CheckConstraint("kind = 'driver_cashout' OR fee_minor = 0", name="ck_payout_fee_of_drivers"),
        sa.CheckConstraint("kind IN ('driver_cashout', 'merchant_payout')", name="ck_payout_kind_known"),
        sa.CheckConstraint(
            "(state IN ('paid', 'returned')) = (paid_at IS NOT NULL)", name="ck_payout_paid_has_instant"
        ),
        sa.CheckConstraint("(sends = 0) = (first_sent_at IS NULL)", name="ck_payout_sent_has_instant"),
        sa.CheckConstraint(
            "sends = 0 OR (provider_key IS NOT NULL AND body_hash IS NOT NULL)", name="ck_payout_sent_has_key"
        ),
        sa.CheckConstraint(
            "state IN ('requested', 'approved', 'submitted', 'unknown', 'paid', 'failed', 'returned', 'canceled')",
            name="ck_payout_state_known",
        ),
        sa.CheckConstraint(
            "step IN ('send', 'pay_out', 'await', 'take_back', 'watch', 'over')", name="ck_payout_step_known"
        ),
        sa.CheckConstraint(
            "(state IN ('requested', 'approved', 'canceled')) = (submitted_at IS NULL)",
            name="ck_payout_submitted_has_instant",
        ),
        sa.CheckConstraint("state <> 'requested' OR next_at IS NULL", name="ck_payout_waits_for_people"),
    )
    op.create_index("ix_payout_batch_id", "payout", ["batch_id"])
    op.create_index(
        "ix_payout_due",
        "payout",
        ["next_at", "id"],
        sqlite_where=sa.text("next_at IS NOT NULL"),
        postgresql_where=sa.text("next_at IS NOT NULL"),
    )
    op.create_index("ix_payout_method_id", "payout", ["method_id"])
    op.create_index("ix_payout_owner", "payout", ["owner_kind", "owner_id", "requested_at"])
    op.create_index("ix_payout_state", "payout", ["state", "id"])


def _create_payout_evidence() -> None:
    op.create_table(
        "payout_evidence",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("payout_id", UUIDType(), nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("fact", sa.String(20), nullable=False),
        sa.Column("rank", sa.SmallInteger(), nullable=False),
        sa.Column("told", JSONType, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("read_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_payout_evidence"),
        sa.ForeignKeyConstraint(["payout_id"], ["payout.id"], name="fk_payout_evidence_payout_id"),
        sa.UniqueConstraint("payout_id", "digest", name="uq_payout_evidence_payout_id_digest"),
        sa.CheckConstraint(
            "source IN ('reply', 'webhook', 'read', 'reconcile', 'person')",
            name="ck_payout_evidence_source_known",
        ),
    )


def _create_reconciliation_run() -> None:
    op.create_table(
        "reconciliation_run",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("provider", sa.String(20), nullable=False),
        sa.Column("period", sa.String(40), nullable=False),
        sa.Column("since_at", UtcDateTime(), nullable=False),
        sa.Column("until_at", UtcDateTime(), nullable=False),
        sa.Column("finished_at", UtcDateTime(), nullable=False),
        sa.Column("counts", JSONType, nullable=False),
        sa.Column("lines", JSONType, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reconciliation_run"),
        sa.UniqueConstraint("provider", "period", name="uq_reconciliation_run_provider_period"),
        sa.CheckConstraint("until_at > since_at", name="ck_reconciliation_run_until_after_since"),
    )


def _create_payout_case() -> None:
    op.create_table(
        "payout_case",
        sa.Column("id", UUIDType(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("subject", sa.String(160), nullable=False),
        sa.Column("payout_id", UUIDType()),
        sa.Column("told", JSONType, nullable=False),
        sa.Column("opened_at", UtcDateTime(), nullable=False),
        sa.Column("closed_at", UtcDateTime()),
        sa.Column("closed_by", UUIDType()),
        sa.Column("closing_reason", sa.String(120)),
        sa.PrimaryKeyConstraint("id", name="pk_payout_case"),
        sa.ForeignKeyConstraint(["payout_id"], ["payout.id"], name="fk_payout_case_payout_id"),
        sa.UniqueConstraint("kind", "subject", name="uq_payout_case_kind_subject"),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closed_by IS NULL)", name="ck_payout_case_closed_by_somebody"
        ),
        sa.CheckConstraint(
            "(closed_at IS NULL) = (closing_reason IS NULL)", name="ck_payout_case_closed_for_a_reason"
        ),
        sa.CheckConstraint(
            "kind IN ('missing', 'extra', 'amount', 'currency', 'duplicate', 'late_reversal', 'wrong_account', 'stuck', 'stalled', 'low_balance')",
            name="ck_payout_case_kind_known",
        ),
    )
    op.create_index("ix_payout_case_closed_at", "payout_case", ["closed_at", "id"])
    op.create_index("ix_payout_case_payout_id", "payout_case", ["payout_id"])
