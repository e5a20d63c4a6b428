"""The audit log with its chain, and the kill switches with the two people who end a stop.

The statements are written out, not derived from the model, so that this step stays what it was.

Revision ID: 0005
Revises: 0004
"""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import text

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels: Final = None
depends_on: Final = None

POSTGRESQL: Final = [
    """\
CREATE TABLE switch_release (
    id UUID NOT NULL,
    name TEXT NOT NULL,
    maker TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_at TIMESTAMP WITH TIME ZONE NOT NULL,
    checker TEXT,
    approved_at TIMESTAMP WITH TIME ZONE,
    voided_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_switch_release PRIMARY KEY (id),
    CONSTRAINT uq_switch_release_id_name_checker UNIQUE (id, name, checker),
    CONSTRAINT ck_switch_release_two_people CHECK (checker <> maker),
    CONSTRAINT ck_switch_release_approval_whole CHECK ((checker IS NULL) = (approved_at IS NULL)),
    CONSTRAINT ck_switch_release_one_end CHECK (checker IS NULL OR voided_at IS NULL)
)
""",
    "CREATE UNIQUE INDEX uq_switch_release_open ON switch_release (name) WHERE checker IS NULL AND voided_at IS NULL",
    """\
CREATE TABLE kill_switch (
    name TEXT NOT NULL,
    is_on BOOLEAN NOT NULL,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    set_at TIMESTAMP WITH TIME ZONE NOT NULL,
    release_id UUID,
    released_by TEXT,
    CONSTRAINT pk_kill_switch PRIMARY KEY (name),
    CONSTRAINT fk_kill_switch_release_id_name_released_by FOREIGN KEY(release_id, name, released_by) REFERENCES switch_release (id, name, checker),
    CONSTRAINT ck_kill_switch_off_by_two CHECK ((is_on AND release_id IS NULL AND released_by IS NULL) OR (NOT is_on AND release_id IS NOT NULL AND released_by IS NOT NULL))
)
""",
    "CREATE INDEX ix_kill_switch_on ON kill_switch (name) WHERE is_on",
    """\
CREATE TABLE audit_entry (
    id UUID NOT NULL,
    at TIMESTAMP WITH TIME ZONE NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    role TEXT,
    session_id TEXT,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    tenant_id TEXT,
    reason TEXT,
    ticket TEXT,
    request_id TEXT,
    ip_prefix TEXT,
    client_kind TEXT,
    before_hash BYTEA,
    after_hash BYTEA,
    diff_ciphertext BYTEA,
    result TEXT NOT NULL,
    CONSTRAINT pk_audit_entry PRIMARY KEY (id),
    CONSTRAINT ck_audit_entry_actor_kind CHECK (actor_kind IN ('user', 'ops', 'partner', 'system')),
    CONSTRAINT ck_audit_entry_result CHECK (result IN ('ok', 'denied', 'failed')),
    CONSTRAINT ck_audit_entry_reason CHECK (length(reason) <= 500),
    CONSTRAINT ck_audit_entry_hashes CHECK (length(before_hash) = 32 AND length(after_hash) = 32)
)
""",
    "CREATE INDEX ix_audit_entry_actor_id_id ON audit_entry (actor_id, id)",
    "CREATE INDEX ix_audit_entry_at ON audit_entry (at)",
    "CREATE INDEX ix_audit_entry_object_kind_object_id_id ON audit_entry (object_kind, object_id, id)",
    """\
CREATE TABLE audit_unsealed (
    entry_id UUID NOT NULL,
    CONSTRAINT pk_audit_unsealed PRIMARY KEY (entry_id),
    CONSTRAINT fk_audit_unsealed_entry_id FOREIGN KEY(entry_id) REFERENCES audit_entry (id)
)
""",
    """\
CREATE TABLE audit_block (
    height BIGINT NOT NULL,
    entry_id UUID NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_audit_block PRIMARY KEY (height),
    CONSTRAINT ck_audit_block_height CHECK (height > 0),
    CONSTRAINT ck_audit_block_hash CHECK (length(hash) = 32 AND length(previous_hash) = 32),
    CONSTRAINT uq_audit_block_entry_id UNIQUE (entry_id),
    CONSTRAINT fk_audit_block_entry_id FOREIGN KEY(entry_id) REFERENCES audit_entry (id)
)
""",
    """\
CREATE TABLE audit_anchor (
    hour TEXT NOT NULL,
    height BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    key_id TEXT NOT NULL,
    signature BYTEA NOT NULL,
    signed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_audit_anchor PRIMARY KEY (hour),
    CONSTRAINT ck_audit_anchor_height CHECK (height > 0),
    CONSTRAINT ck_audit_anchor_hash CHECK (length(hash) = 32),
    CONSTRAINT ck_audit_anchor_signature CHECK (length(signature) = 64)
)
""",
    """\
CREATE FUNCTION switch_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% keeps its rows: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$
""",
    "CREATE TRIGGER kill_switch_keep BEFORE DELETE ON kill_switch FOR EACH ROW EXECUTE FUNCTION switch_refuse()",
    "CREATE TRIGGER switch_release_keep BEFORE DELETE ON switch_release FOR EACH ROW EXECUTE FUNCTION switch_refuse()",
    "CREATE TRIGGER kill_switch_truncate BEFORE TRUNCATE ON kill_switch EXECUTE FUNCTION switch_refuse()",
    "CREATE TRIGGER switch_release_truncate BEFORE TRUNCATE ON switch_release EXECUTE FUNCTION switch_refuse()",
    """\
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is history: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$
""",
    "CREATE TRIGGER audit_entry_keep BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_block_keep BEFORE UPDATE OR DELETE ON audit_block FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_anchor_keep BEFORE UPDATE OR DELETE ON audit_anchor FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_unsealed_update BEFORE UPDATE ON audit_unsealed FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_entry_truncate BEFORE TRUNCATE ON audit_entry EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_block_truncate BEFORE TRUNCATE ON audit_block EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_anchor_truncate BEFORE TRUNCATE ON audit_anchor EXECUTE FUNCTION audit_refuse()",
    "CREATE TRIGGER audit_unsealed_truncate BEFORE TRUNCATE ON audit_unsealed EXECUTE FUNCTION audit_refuse()",
]

SQLITE: Final = [
    """\
CREATE TABLE switch_release (
    id TEXT NOT NULL,
    name TEXT NOT NULL,
    maker TEXT NOT NULL,
    reason TEXT NOT NULL,
    asked_at TEXT NOT NULL,
    checker TEXT,
    approved_at TEXT,
    voided_at TEXT,
    CONSTRAINT pk_switch_release PRIMARY KEY (id),
    CONSTRAINT uq_switch_release_id_name_checker UNIQUE (id, name, checker),
    CONSTRAINT ck_switch_release_two_people CHECK (checker <> maker),
    CONSTRAINT ck_switch_release_approval_whole CHECK ((checker IS NULL) = (approved_at IS NULL)),
    CONSTRAINT ck_switch_release_one_end CHECK (checker IS NULL OR voided_at IS NULL)
)
 STRICT
""",
    "CREATE UNIQUE INDEX uq_switch_release_open ON switch_release (name) WHERE checker IS NULL AND voided_at IS NULL",
    """\
CREATE TABLE kill_switch (
    name TEXT NOT NULL,
    is_on INTEGER NOT NULL,
    set_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    set_at TEXT NOT NULL,
    release_id TEXT,
    released_by TEXT,
    CONSTRAINT pk_kill_switch PRIMARY KEY (name),
    CONSTRAINT fk_kill_switch_release_id_name_released_by FOREIGN KEY(release_id, name, released_by) REFERENCES switch_release (id, name, checker),
    CONSTRAINT ck_kill_switch_off_by_two CHECK ((is_on AND release_id IS NULL AND released_by IS NULL) OR (NOT is_on AND release_id IS NOT NULL AND released_by IS NOT NULL))
)
 STRICT
""",
    "CREATE INDEX ix_kill_switch_on ON kill_switch (name) WHERE is_on",
    """\
CREATE TABLE audit_entry (
    id TEXT NOT NULL,
    at TEXT NOT NULL,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    role TEXT,
    session_id TEXT,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_id TEXT NOT NULL,
    tenant_id TEXT,
    reason TEXT,
    ticket TEXT,
    request_id TEXT,
    ip_prefix TEXT,
    client_kind TEXT,
    before_hash BLOB,
    after_hash BLOB,
    diff_ciphertext BLOB,
    result TEXT NOT NULL,
    CONSTRAINT pk_audit_entry PRIMARY KEY (id),
    CONSTRAINT ck_audit_entry_actor_kind CHECK (actor_kind IN ('user', 'ops', 'partner', 'system')),
    CONSTRAINT ck_audit_entry_result CHECK (result IN ('ok', 'denied', 'failed')),
    CONSTRAINT ck_audit_entry_reason CHECK (length(reason) <= 500),
    CONSTRAINT ck_audit_entry_hashes CHECK (length(before_hash) = 32 AND length(after_hash) = 32)
)
 STRICT
""",
    "CREATE INDEX ix_audit_entry_actor_id_id ON audit_entry (actor_id, id)",
    "CREATE INDEX ix_audit_entry_at ON audit_entry (at)",
    "CREATE INDEX ix_audit_entry_object_kind_object_id_id ON audit_entry (object_kind, object_id, id)",
    """\
CREATE TABLE audit_unsealed (
    entry_id TEXT NOT NULL,
    CONSTRAINT pk_audit_unsealed PRIMARY KEY (entry_id),
    CONSTRAINT fk_audit_unsealed_entry_id FOREIGN KEY(entry_id) REFERENCES audit_entry (id)
)
 STRICT
""",
    """\
CREATE TABLE audit_block (
    height INTEGER NOT NULL,
    entry_id TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    CONSTRAINT pk_audit_block PRIMARY KEY (height),
    CONSTRAINT ck_audit_block_height CHECK (height > 0),
    CONSTRAINT ck_audit_block_hash CHECK (length(hash) = 32 AND length(previous_hash) = 32),
    CONSTRAINT uq_audit_block_entry_id UNIQUE (entry_id),
    CONSTRAINT fk_audit_block_entry_id FOREIGN KEY(entry_id) REFERENCES audit_entry (id)
)
 STRICT
""",
    """\
CREATE TABLE audit_anchor (
    hour TEXT NOT NULL,
    height INTEGER NOT NULL,
    hash BLOB NOT NULL,
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL,
    signed_at TEXT NOT NULL,
    CONSTRAINT pk_audit_anchor PRIMARY KEY (hour),
    CONSTRAINT ck_audit_anchor_height CHECK (height > 0),
    CONSTRAINT ck_audit_anchor_hash CHECK (length(hash) = 32),
    CONSTRAINT ck_audit_anchor_signature CHECK (length(signature) = 64)
)
 STRICT
""",
    "CREATE TRIGGER kill_switch_no_delete BEFORE DELETE ON kill_switch BEGIN SELECT RAISE(ABORT, 'kill_switch keeps its rows: DELETE refused'); END",
    "CREATE TRIGGER switch_release_no_delete BEFORE DELETE ON switch_release BEGIN SELECT RAISE(ABORT, 'switch_release keeps its rows: DELETE refused'); END",
    "CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, 'audit_entry is history: UPDATE refused'); END",
    "CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry BEGIN SELECT RAISE(ABORT, 'audit_entry is history: DELETE refused'); END",
    "CREATE TRIGGER audit_block_no_update BEFORE UPDATE ON audit_block BEGIN SELECT RAISE(ABORT, 'audit_block is history: UPDATE refused'); END",
    "CREATE TRIGGER audit_block_no_delete BEFORE DELETE ON audit_block BEGIN SELECT RAISE(ABORT, 'audit_block is history: DELETE refused'); END",
    "CREATE TRIGGER audit_anchor_no_update BEFORE UPDATE ON audit_anchor BEGIN SELECT RAISE(ABORT, 'audit_anchor is history: UPDATE refused'); END",
    "CREATE TRIGGER audit_anchor_no_delete BEFORE DELETE ON audit_anchor BEGIN SELECT RAISE(ABORT, 'audit_anchor is history: DELETE refused'); END",
    """\
CREATE TRIGGER audit_unsealed_no_update BEFORE UPDATE ON audit_unsealed
BEGIN SELECT RAISE(ABORT, 'audit_unsealed: UPDATE refused'); END
""",
    "CREATE TRIGGER audit_anchor_replace BEFORE INSERT ON audit_anchor WHEN EXISTS (SELECT 1 FROM audit_anchor WHERE rowid = NEW.rowid OR hour = NEW.hour) BEGIN SELECT RAISE(ABORT, 'UNIQUE: audit_anchor is history: REPLACE refused'); END",
    "CREATE TRIGGER audit_block_replace BEFORE INSERT ON audit_block WHEN EXISTS (SELECT 1 FROM audit_block WHERE rowid = NEW.rowid OR height = NEW.height OR entry_id = NEW.entry_id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: audit_block is history: REPLACE refused'); END",
    "CREATE TRIGGER audit_entry_replace BEFORE INSERT ON audit_entry WHEN EXISTS (SELECT 1 FROM audit_entry WHERE rowid = NEW.rowid OR id = NEW.id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: audit_entry is history: REPLACE refused'); END",
]

TABLES: Final = (
    "audit_anchor",
    "audit_block",
    "audit_unsealed",
    "audit_entry",
    "kill_switch",
    "switch_release",
)
FUNCTIONS: Final = ("audit_refuse", "switch_refuse")


def upgrade() -> None:
    """Create the tables and their guards."""
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(
            statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
        )


def downgrade() -> None:
    """Remove the audit log and the switches. Only ever right for a database that was never in use."""
    connection = op.get_bind()
    for table in TABLES:
        connection.execute(text(f"DROP TABLE {table}"))
    if connection.dialect.name == "postgresql":
        for function in FUNCTIONS:
            connection.execute(text(f"DROP FUNCTION {function}()"))
