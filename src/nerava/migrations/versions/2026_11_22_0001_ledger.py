"""The ledger: accounts, balances, transfers, holds, lots, the hash chain, and what guards them.

The statements are written out, not derived from the model, so that this step stays what it was.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

from typing import Final

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

POSTGRESQL: Final = [
    """\
CREATE TABLE ledger_asset (
    code TEXT NOT NULL,
    scale INTEGER NOT NULL,
    kind TEXT NOT NULL,
    CONSTRAINT pk_ledger_asset PRIMARY KEY (code),
    CONSTRAINT ck_ledger_asset_scale CHECK (scale BETWEEN 0 AND 6),
    CONSTRAINT ck_ledger_asset_kind CHECK (kind IN ('cash', 'points'))
)
""",
    """\
CREATE TABLE ledger_account (
    id UUID NOT NULL,
    code TEXT NOT NULL,
    asset TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT,
    lane TEXT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    metadata JSONB DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_ledger_account PRIMARY KEY (id),
    CONSTRAINT uq_ledger_account_id_asset UNIQUE (id, asset),
    CONSTRAINT uq_ledger_account_code UNIQUE (code),
    CONSTRAINT fk_ledger_account_asset FOREIGN KEY(asset) REFERENCES ledger_asset (code)
)
""",
    "CREATE INDEX ix_ledger_account_kind ON ledger_account (kind)",
    "CREATE INDEX ix_ledger_account_owner ON ledger_account (owner)",
    """\
CREATE TABLE ledger_balance (
    account_id UUID NOT NULL,
    asset TEXT NOT NULL,
    lane TEXT NOT NULL,
    floor BIGINT,
    ceiling BIGINT,
    closed BOOLEAN NOT NULL,
    keeps_lots BOOLEAN NOT NULL,
    debits_posted BIGINT NOT NULL,
    credits_posted BIGINT NOT NULL,
    debits_pending BIGINT NOT NULL,
    credits_pending BIGINT NOT NULL,
    sequence BIGINT NOT NULL,
    last_posted_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_ledger_balance PRIMARY KEY (account_id, asset),
    CONSTRAINT fk_ledger_balance_account_id_asset FOREIGN KEY(account_id, asset) REFERENCES ledger_account (id, asset),
    CONSTRAINT ck_ledger_balance_counters CHECK (debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0),
    CONSTRAINT ck_ledger_balance_floor CHECK (floor IS NULL OR credits_posted - debits_posted - debits_pending >= floor),
    CONSTRAINT ck_ledger_balance_ceiling CHECK (ceiling IS NULL OR credits_posted - debits_posted + credits_pending <= ceiling),
    CONSTRAINT ck_ledger_balance_sequence CHECK (sequence >= 0)
)
 WITH (fillfactor = 50)
""",
    """\
CREATE TABLE ledger_batch (
    id UUID NOT NULL,
    lane TEXT NOT NULL,
    transfers BIGINT NOT NULL,
    content_hash BYTEA NOT NULL,
    posted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_ledger_batch PRIMARY KEY (id),
    CONSTRAINT ck_ledger_batch_transfers CHECK (transfers > 0),
    CONSTRAINT ck_ledger_batch_content_hash CHECK (length(content_hash) = 32)
)
""",
    """\
CREATE TABLE ledger_transfer (
    id UUID NOT NULL,
    key UUID NOT NULL,
    fingerprint BYTEA NOT NULL,
    transaction_id UUID NOT NULL,
    position INTEGER NOT NULL,
    template TEXT NOT NULL,
    kind TEXT NOT NULL,
    debit UUID NOT NULL,
    credit UUID NOT NULL,
    asset TEXT NOT NULL,
    amount BIGINT NOT NULL,
    hold_id UUID,
    expires_at TIMESTAMP WITH TIME ZONE,
    debit_sequence BIGINT NOT NULL,
    credit_sequence BIGINT NOT NULL,
    debit_posted BIGINT NOT NULL,
    debit_available BIGINT NOT NULL,
    credit_posted BIGINT NOT NULL,
    credit_available BIGINT NOT NULL,
    effective_at TIMESTAMP WITH TIME ZONE NOT NULL,
    posted_at TIMESTAMP WITH TIME ZONE NOT NULL,
    lane TEXT NOT NULL,
    batch_id UUID NOT NULL,
    actor TEXT NOT NULL,
    metadata JSONB NOT NULL,
    digest BYTEA NOT NULL,
    CONSTRAINT pk_ledger_transfer PRIMARY KEY (id),
    CONSTRAINT fk_ledger_transfer_debit_asset FOREIGN KEY(debit, asset) REFERENCES ledger_balance (account_id, asset),
    CONSTRAINT fk_ledger_transfer_credit_asset FOREIGN KEY(credit, asset) REFERENCES ledger_balance (account_id, asset),
    CONSTRAINT fk_ledger_transfer_hold_id FOREIGN KEY(hold_id) REFERENCES ledger_transfer (id),
    CONSTRAINT uq_ledger_transfer_debit_debit_sequence UNIQUE (debit, debit_sequence),
    CONSTRAINT uq_ledger_transfer_credit_credit_sequence UNIQUE (credit, credit_sequence),
    CONSTRAINT ck_ledger_transfer_amount CHECK (amount BETWEEN 1 AND 1000000000000000),
    CONSTRAINT ck_ledger_transfer_two_accounts CHECK (debit <> credit),
    CONSTRAINT ck_ledger_transfer_sequences CHECK (debit_sequence > 0 AND credit_sequence > 0),
    CONSTRAINT ck_ledger_transfer_kind CHECK (kind IN ('direct', 'hold', 'capture', 'release', 'expire')),
    CONSTRAINT ck_ledger_transfer_hold_id CHECK ((hold_id IS NULL) = (kind IN ('direct', 'hold'))),
    CONSTRAINT ck_ledger_transfer_expires_at CHECK (expires_at IS NULL OR kind = 'hold'),
    CONSTRAINT uq_ledger_transfer_key UNIQUE (key)
)
""",
    "CREATE UNIQUE INDEX uq_ledger_transfer_hold_id ON ledger_transfer (hold_id) WHERE hold_id IS NOT NULL",
    """\
CREATE TABLE ledger_open_hold (
    hold_id UUID NOT NULL,
    key UUID NOT NULL,
    debit UUID NOT NULL,
    credit UUID NOT NULL,
    asset TEXT NOT NULL,
    amount BIGINT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    lane TEXT NOT NULL,
    CONSTRAINT pk_ledger_open_hold PRIMARY KEY (hold_id),
    CONSTRAINT ck_ledger_open_hold_amount CHECK (amount > 0),
    CONSTRAINT fk_ledger_open_hold_hold_id FOREIGN KEY(hold_id) REFERENCES ledger_transfer (id),
    CONSTRAINT uq_ledger_open_hold_key UNIQUE (key)
)
""",
    "CREATE INDEX ix_ledger_open_hold_expires_at ON ledger_open_hold (expires_at)",
    """\
CREATE TABLE ledger_lot (
    id UUID NOT NULL,
    account_id UUID NOT NULL,
    key UUID NOT NULL,
    granted BIGINT NOT NULL,
    remaining BIGINT NOT NULL,
    source TEXT NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE,
    restores UUID,
    CONSTRAINT pk_ledger_lot PRIMARY KEY (id),
    CONSTRAINT ck_ledger_lot_remaining CHECK (granted > 0 AND remaining BETWEEN 0 AND granted),
    CONSTRAINT fk_ledger_lot_account_id FOREIGN KEY(account_id) REFERENCES ledger_account (id),
    CONSTRAINT fk_ledger_lot_key FOREIGN KEY(key) REFERENCES ledger_transfer (key)
)
""",
    "CREATE INDEX ix_ledger_lot_key ON ledger_lot (key)",
    "CREATE INDEX ix_ledger_lot_open ON ledger_lot (account_id, expires_at, id) WHERE remaining > 0",
    "CREATE INDEX ix_ledger_lot_restores ON ledger_lot (restores)",
    """\
CREATE TABLE ledger_lot_use (
    id UUID NOT NULL,
    lot_id UUID NOT NULL,
    key UUID NOT NULL,
    amount BIGINT NOT NULL,
    CONSTRAINT pk_ledger_lot_use PRIMARY KEY (id),
    CONSTRAINT ck_ledger_lot_use_amount CHECK (amount > 0),
    CONSTRAINT fk_ledger_lot_use_lot_id FOREIGN KEY(lot_id) REFERENCES ledger_lot (id),
    CONSTRAINT fk_ledger_lot_use_key FOREIGN KEY(key) REFERENCES ledger_transfer (key)
)
""",
    "CREATE INDEX ix_ledger_lot_use_key ON ledger_lot_use (key)",
    "CREATE INDEX ix_ledger_lot_use_lot_id ON ledger_lot_use (lot_id)",
    """\
CREATE TABLE ledger_unsealed (
    batch_id UUID NOT NULL,
    lane TEXT NOT NULL,
    CONSTRAINT pk_ledger_unsealed PRIMARY KEY (batch_id),
    CONSTRAINT fk_ledger_unsealed_batch_id FOREIGN KEY(batch_id) REFERENCES ledger_batch (id)
)
""",
    """\
CREATE TABLE ledger_block (
    lane TEXT NOT NULL,
    height BIGINT NOT NULL,
    batch_id UUID NOT NULL,
    previous_hash BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    CONSTRAINT pk_ledger_block PRIMARY KEY (lane, height),
    CONSTRAINT ck_ledger_block_height CHECK (height > 0),
    CONSTRAINT ck_ledger_block_hash CHECK (length(hash) = 32 AND length(previous_hash) = 32),
    CONSTRAINT uq_ledger_block_batch_id UNIQUE (batch_id),
    CONSTRAINT fk_ledger_block_batch_id FOREIGN KEY(batch_id) REFERENCES ledger_batch (id)
)
""",
    """\
CREATE TABLE ledger_seal (
    lane TEXT NOT NULL,
    day TEXT NOT NULL,
    height BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    transfers BIGINT NOT NULL,
    sealed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_ledger_seal PRIMARY KEY (lane, day)
)
""",
    """\
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is history: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$
""",
    """\
CREATE FUNCTION ledger_balance_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.account_id IS DISTINCT FROM OLD.account_id OR NEW.asset IS DISTINCT FROM OLD.asset OR NEW.lane IS DISTINCT FROM OLD.lane OR NEW.keeps_lots IS DISTINCT FROM OLD.keeps_lots THEN
    RAISE EXCEPTION 'what an account is cannot change' USING ERRCODE = '23001';
  END IF;
  IF NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted
     OR NEW.sequence < OLD.sequence THEN
    RAISE EXCEPTION 'a balance cannot go backward' USING ERRCODE = '23001';
  END IF;
  IF NEW.sequence = OLD.sequence AND (NEW.debits_posted <> OLD.debits_posted OR NEW.credits_posted <> OLD.credits_posted OR NEW.debits_pending <> OLD.debits_pending OR NEW.credits_pending <> OLD.credits_pending) THEN
    RAISE EXCEPTION 'a balance cannot change without its sequence' USING ERRCODE = '23001';
  END IF;
  RETURN NEW;
END $$
""",
    """\
CREATE FUNCTION ledger_balance_birth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.debits_posted + NEW.credits_posted + NEW.debits_pending + NEW.credits_pending + NEW.sequence <> 0 THEN
    RAISE EXCEPTION 'a balance begins at nothing' USING ERRCODE = '23001';
  END IF;
  RETURN NEW;
END $$
""",
    """\
CREATE FUNCTION ledger_lot_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id IS DISTINCT FROM OLD.id OR NEW.account_id IS DISTINCT FROM OLD.account_id OR NEW.key IS DISTINCT FROM OLD.key OR NEW.granted IS DISTINCT FROM OLD.granted OR NEW.source IS DISTINCT FROM OLD.source OR NEW.expires_at IS DISTINCT FROM OLD.expires_at OR NEW.restores IS DISTINCT FROM OLD.restores OR NEW.remaining > OLD.remaining THEN
    RAISE EXCEPTION 'a lot can only be consumed' USING ERRCODE = '23001';
  END IF;
  RETURN NEW;
END $$
""",
    """\
CREATE TRIGGER ledger_balance_guard BEFORE UPDATE ON ledger_balance
FOR EACH ROW EXECUTE FUNCTION ledger_balance_guard()
""",
    """\
CREATE TRIGGER ledger_balance_birth BEFORE INSERT ON ledger_balance
FOR EACH ROW EXECUTE FUNCTION ledger_balance_birth()
""",
    """\
CREATE TRIGGER ledger_lot_guard BEFORE UPDATE ON ledger_lot
FOR EACH ROW EXECUTE FUNCTION ledger_lot_guard()
""",
    """\
CREATE TRIGGER ledger_open_hold_update BEFORE UPDATE ON ledger_open_hold
FOR EACH ROW EXECUTE FUNCTION ledger_refuse()
""",
    "CREATE TRIGGER ledger_account_keep BEFORE UPDATE OR DELETE ON ledger_account FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_asset_keep BEFORE UPDATE OR DELETE ON ledger_asset FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_batch_keep BEFORE UPDATE OR DELETE ON ledger_batch FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_transfer_keep BEFORE UPDATE OR DELETE ON ledger_transfer FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_lot_use_keep BEFORE UPDATE OR DELETE ON ledger_lot_use FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_block_keep BEFORE UPDATE OR DELETE ON ledger_block FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_seal_keep BEFORE UPDATE OR DELETE ON ledger_seal FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_balance_keep BEFORE DELETE ON ledger_balance FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_lot_keep BEFORE DELETE ON ledger_lot FOR EACH ROW EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_account_truncate BEFORE TRUNCATE ON ledger_account EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_asset_truncate BEFORE TRUNCATE ON ledger_asset EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_batch_truncate BEFORE TRUNCATE ON ledger_batch EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_transfer_truncate BEFORE TRUNCATE ON ledger_transfer EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_lot_use_truncate BEFORE TRUNCATE ON ledger_lot_use EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_block_truncate BEFORE TRUNCATE ON ledger_block EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_seal_truncate BEFORE TRUNCATE ON ledger_seal EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_balance_truncate BEFORE TRUNCATE ON ledger_balance EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_lot_truncate BEFORE TRUNCATE ON ledger_lot EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_open_hold_truncate BEFORE TRUNCATE ON ledger_open_hold EXECUTE FUNCTION ledger_refuse()",
    "CREATE TRIGGER ledger_unsealed_truncate BEFORE TRUNCATE ON ledger_unsealed EXECUTE FUNCTION ledger_refuse()",
]

SQLITE: Final = [
    """\
CREATE TABLE ledger_asset (
    code TEXT NOT NULL,
    scale INTEGER NOT NULL,
    kind TEXT NOT NULL,
    CONSTRAINT pk_ledger_asset PRIMARY KEY (code),
    CONSTRAINT ck_ledger_asset_scale CHECK (scale BETWEEN 0 AND 6),
    CONSTRAINT ck_ledger_asset_kind CHECK (kind IN ('cash', 'points'))
)
 STRICT
""",
    """\
CREATE TABLE ledger_account (
    id TEXT NOT NULL,
    code TEXT NOT NULL,
    asset TEXT NOT NULL,
    kind TEXT NOT NULL,
    owner TEXT,
    lane TEXT NOT NULL,
    created_at TEXT NOT NULL,
    metadata TEXT DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_ledger_account PRIMARY KEY (id),
    CONSTRAINT uq_ledger_account_id_asset UNIQUE (id, asset),
    CONSTRAINT uq_ledger_account_code UNIQUE (code),
    CONSTRAINT fk_ledger_account_asset FOREIGN KEY(asset) REFERENCES ledger_asset (code)
)
 STRICT
""",
    "CREATE INDEX ix_ledger_account_kind ON ledger_account (kind)",
    "CREATE INDEX ix_ledger_account_owner ON ledger_account (owner)",
    """\
CREATE TABLE ledger_balance (
    account_id TEXT NOT NULL,
    asset TEXT NOT NULL,
    lane TEXT NOT NULL,
    floor INTEGER,
    ceiling INTEGER,
    closed INTEGER NOT NULL,
    keeps_lots INTEGER NOT NULL,
    debits_posted INTEGER NOT NULL,
    credits_posted INTEGER NOT NULL,
    debits_pending INTEGER NOT NULL,
    credits_pending INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    last_posted_at TEXT,
    CONSTRAINT pk_ledger_balance PRIMARY KEY (account_id, asset),
    CONSTRAINT fk_ledger_balance_account_id_asset FOREIGN KEY(account_id, asset) REFERENCES ledger_account (id, asset),
    CONSTRAINT ck_ledger_balance_counters CHECK (debits_posted >= 0 AND credits_posted >= 0 AND debits_pending >= 0 AND credits_pending >= 0),
    CONSTRAINT ck_ledger_balance_floor CHECK (floor IS NULL OR credits_posted - debits_posted - debits_pending >= floor),
    CONSTRAINT ck_ledger_balance_ceiling CHECK (ceiling IS NULL OR credits_posted - debits_posted + credits_pending <= ceiling),
    CONSTRAINT ck_ledger_balance_sequence CHECK (sequence >= 0)
)
 STRICT
""",
    """\
CREATE TABLE ledger_batch (
    id TEXT NOT NULL,
    lane TEXT NOT NULL,
    transfers INTEGER NOT NULL,
    content_hash BLOB NOT NULL,
    posted_at TEXT NOT NULL,
    CONSTRAINT pk_ledger_batch PRIMARY KEY (id),
    CONSTRAINT ck_ledger_batch_transfers CHECK (transfers > 0),
    CONSTRAINT ck_ledger_batch_content_hash CHECK (length(content_hash) = 32)
)
 STRICT
""",
    """\
CREATE TABLE ledger_transfer (
    id TEXT NOT NULL,
    "key" TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    transaction_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    template TEXT NOT NULL,
    kind TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    asset TEXT NOT NULL,
    amount INTEGER NOT NULL,
    hold_id TEXT,
    expires_at TEXT,
    debit_sequence INTEGER NOT NULL,
    credit_sequence INTEGER NOT NULL,
    debit_posted INTEGER NOT NULL,
    debit_available INTEGER NOT NULL,
    credit_posted INTEGER NOT NULL,
    credit_available INTEGER NOT NULL,
    effective_at TEXT NOT NULL,
    posted_at TEXT NOT NULL,
    lane TEXT NOT NULL,
    batch_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    metadata TEXT NOT NULL,
    digest BLOB NOT NULL,
    CONSTRAINT pk_ledger_transfer PRIMARY KEY (id),
    CONSTRAINT fk_ledger_transfer_debit_asset FOREIGN KEY(debit, asset) REFERENCES ledger_balance (account_id, asset),
    CONSTRAINT fk_ledger_transfer_credit_asset FOREIGN KEY(credit, asset) REFERENCES ledger_balance (account_id, asset),
    CONSTRAINT fk_ledger_transfer_hold_id FOREIGN KEY(hold_id) REFERENCES ledger_transfer (id),
    CONSTRAINT uq_ledger_transfer_debit_debit_sequence UNIQUE (debit, debit_sequence),
    CONSTRAINT uq_ledger_transfer_credit_credit_sequence UNIQUE (credit, credit_sequence),
    CONSTRAINT ck_ledger_transfer_amount CHECK (amount BETWEEN 1 AND 1000000000000000),
    CONSTRAINT ck_ledger_transfer_two_accounts CHECK (debit <> credit),
    CONSTRAINT ck_ledger_transfer_sequences CHECK (debit_sequence > 0 AND credit_sequence > 0),
    CONSTRAINT ck_ledger_transfer_kind CHECK (kind IN ('direct', 'hold', 'capture', 'release', 'expire')),
    CONSTRAINT ck_ledger_transfer_hold_id CHECK ((hold_id IS NULL) = (kind IN ('direct', 'hold'))),
    CONSTRAINT ck_ledger_transfer_expires_at CHECK (expires_at IS NULL OR kind = 'hold'),
    CONSTRAINT uq_ledger_transfer_key UNIQUE ("key")
)
 STRICT
""",
    "CREATE UNIQUE INDEX uq_ledger_transfer_hold_id ON ledger_transfer (hold_id) WHERE hold_id IS NOT NULL",
    """\
CREATE TABLE ledger_open_hold (
    hold_id TEXT NOT NULL,
    "key" TEXT NOT NULL,
    debit TEXT NOT NULL,
    credit TEXT NOT NULL,
    asset TEXT NOT NULL,
    amount INTEGER NOT NULL,
    expires_at TEXT,
    lane TEXT NOT NULL,
    CONSTRAINT pk_ledger_open_hold PRIMARY KEY (hold_id),
    CONSTRAINT ck_ledger_open_hold_amount CHECK (amount > 0),
    CONSTRAINT fk_ledger_open_hold_hold_id FOREIGN KEY(hold_id) REFERENCES ledger_transfer (id),
    CONSTRAINT uq_ledger_open_hold_key UNIQUE ("key")
)
 STRICT
""",
    "CREATE INDEX ix_ledger_open_hold_expires_at ON ledger_open_hold (expires_at)",
    """\
CREATE TABLE ledger_lot (
    id TEXT NOT NULL,
    account_id TEXT NOT NULL,
    "key" TEXT NOT NULL,
    granted INTEGER NOT NULL,
    remaining INTEGER NOT NULL,
    source TEXT NOT NULL,
    expires_at TEXT,
    restores TEXT,
    CONSTRAINT pk_ledger_lot PRIMARY KEY (id),
    CONSTRAINT ck_ledger_lot_remaining CHECK (granted > 0 AND remaining BETWEEN 0 AND granted),
    CONSTRAINT fk_ledger_lot_account_id FOREIGN KEY(account_id) REFERENCES ledger_account (id),
    CONSTRAINT fk_ledger_lot_key FOREIGN KEY("key") REFERENCES ledger_transfer ("key")
)
 STRICT
""",
    'CREATE INDEX ix_ledger_lot_key ON ledger_lot ("key")',
    "CREATE INDEX ix_ledger_lot_open ON ledger_lot (account_id, expires_at, id) WHERE remaining > 0",
    "CREATE INDEX ix_ledger_lot_restores ON ledger_lot (restores)",
    """\
CREATE TABLE ledger_lot_use (
    id TEXT NOT NULL,
    lot_id TEXT NOT NULL,
    "key" TEXT NOT NULL,
    amount INTEGER NOT NULL,
    CONSTRAINT pk_ledger_lot_use PRIMARY KEY (id),
    CONSTRAINT ck_ledger_lot_use_amount CHECK (amount > 0),
    CONSTRAINT fk_ledger_lot_use_lot_id FOREIGN KEY(lot_id) REFERENCES ledger_lot (id),
    CONSTRAINT fk_ledger_lot_use_key FOREIGN KEY("key") REFERENCES ledger_transfer ("key")
)
 STRICT
""",
    'CREATE INDEX ix_ledger_lot_use_key ON ledger_lot_use ("key")',
    "CREATE INDEX ix_ledger_lot_use_lot_id ON ledger_lot_use (lot_id)",
    """\
CREATE TABLE ledger_unsealed (
    batch_id TEXT NOT NULL,
    lane TEXT NOT NULL,
    CONSTRAINT pk_ledger_unsealed PRIMARY KEY (batch_id),
    CONSTRAINT fk_ledger_unsealed_batch_id FOREIGN KEY(batch_id) REFERENCES ledger_batch (id)
)
 STRICT
""",
    """\
CREATE TABLE ledger_block (
    lane TEXT NOT NULL,
    height INTEGER NOT NULL,
    batch_id TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash BLOB NOT NULL,
    CONSTRAINT pk_ledger_block PRIMARY KEY (lane, height),
    CONSTRAINT ck_ledger_block_height CHECK (height > 0),
    CONSTRAINT ck_ledger_block_hash CHECK (length(hash) = 32 AND length(previous_hash) = 32),
    CONSTRAINT uq_ledger_block_batch_id UNIQUE (batch_id),
    CONSTRAINT fk_ledger_block_batch_id FOREIGN KEY(batch_id) REFERENCES ledger_batch (id)
)
 STRICT
""",
    """\
CREATE TABLE ledger_seal (
    lane TEXT NOT NULL,
    day TEXT NOT NULL,
    height INTEGER NOT NULL,
    hash BLOB NOT NULL,
    transfers INTEGER NOT NULL,
    sealed_at TEXT NOT NULL,
    CONSTRAINT pk_ledger_seal PRIMARY KEY (lane, day)
)
 STRICT
""",
    "CREATE TRIGGER ledger_account_no_update BEFORE UPDATE ON ledger_account BEGIN SELECT RAISE(ABORT, 'ledger_account is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_account_no_delete BEFORE DELETE ON ledger_account BEGIN SELECT RAISE(ABORT, 'ledger_account is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_asset_no_update BEFORE UPDATE ON ledger_asset BEGIN SELECT RAISE(ABORT, 'ledger_asset is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_asset_no_delete BEFORE DELETE ON ledger_asset BEGIN SELECT RAISE(ABORT, 'ledger_asset is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_batch_no_update BEFORE UPDATE ON ledger_batch BEGIN SELECT RAISE(ABORT, 'ledger_batch is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_batch_no_delete BEFORE DELETE ON ledger_batch BEGIN SELECT RAISE(ABORT, 'ledger_batch is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_transfer_no_update BEFORE UPDATE ON ledger_transfer BEGIN SELECT RAISE(ABORT, 'ledger_transfer is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_transfer_no_delete BEFORE DELETE ON ledger_transfer BEGIN SELECT RAISE(ABORT, 'ledger_transfer is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_lot_use_no_update BEFORE UPDATE ON ledger_lot_use BEGIN SELECT RAISE(ABORT, 'ledger_lot_use is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_lot_use_no_delete BEFORE DELETE ON ledger_lot_use BEGIN SELECT RAISE(ABORT, 'ledger_lot_use is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_block_no_update BEFORE UPDATE ON ledger_block BEGIN SELECT RAISE(ABORT, 'ledger_block is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_block_no_delete BEFORE DELETE ON ledger_block BEGIN SELECT RAISE(ABORT, 'ledger_block is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_seal_no_update BEFORE UPDATE ON ledger_seal BEGIN SELECT RAISE(ABORT, 'ledger_seal is history: UPDATE refused'); END",
    "CREATE TRIGGER ledger_seal_no_delete BEFORE DELETE ON ledger_seal BEGIN SELECT RAISE(ABORT, 'ledger_seal is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_balance_no_delete BEFORE DELETE ON ledger_balance BEGIN SELECT RAISE(ABORT, 'ledger_balance is history: DELETE refused'); END",
    "CREATE TRIGGER ledger_lot_no_delete BEFORE DELETE ON ledger_lot BEGIN SELECT RAISE(ABORT, 'ledger_lot is history: DELETE refused'); END",
    """\
CREATE TRIGGER ledger_balance_fixed BEFORE UPDATE ON ledger_balance
WHEN NEW.account_id IS NOT OLD.account_id OR NEW.asset IS NOT OLD.asset OR NEW.lane IS NOT OLD.lane OR NEW.keeps_lots IS NOT OLD.keeps_lots OR NEW.rowid IS NOT OLD.rowid
BEGIN SELECT RAISE(ABORT, 'what an account is cannot change'); END
""",
    """\
CREATE TRIGGER ledger_balance_backward BEFORE UPDATE ON ledger_balance
WHEN NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted OR NEW.sequence < OLD.sequence
BEGIN SELECT RAISE(ABORT, 'a balance cannot go backward'); END
""",
    """\
CREATE TRIGGER ledger_balance_sequence BEFORE UPDATE ON ledger_balance
WHEN NEW.sequence = OLD.sequence AND (NEW.debits_posted <> OLD.debits_posted OR NEW.credits_posted <> OLD.credits_posted OR NEW.debits_pending <> OLD.debits_pending OR NEW.credits_pending <> OLD.credits_pending)
BEGIN SELECT RAISE(ABORT, 'a balance cannot change without its sequence'); END
""",
    """\
CREATE TRIGGER ledger_balance_birth BEFORE INSERT ON ledger_balance
WHEN NEW.debits_posted + NEW.credits_posted + NEW.debits_pending + NEW.credits_pending + NEW.sequence <> 0
BEGIN SELECT RAISE(ABORT, 'a balance begins at nothing'); END
""",
    """\
CREATE TRIGGER ledger_lot_guard BEFORE UPDATE ON ledger_lot
WHEN NEW.id IS NOT OLD.id OR NEW.account_id IS NOT OLD.account_id OR NEW.key IS NOT OLD.key OR NEW.granted IS NOT OLD.granted OR NEW.source IS NOT OLD.source OR NEW.expires_at IS NOT OLD.expires_at OR NEW.restores IS NOT OLD.restores OR NEW.rowid IS NOT OLD.rowid OR NEW.remaining > OLD.remaining
BEGIN SELECT RAISE(ABORT, 'a lot can only be consumed'); END
""",
    """\
CREATE TRIGGER ledger_open_hold_update BEFORE UPDATE ON ledger_open_hold
BEGIN SELECT RAISE(ABORT, 'ledger_open_hold: UPDATE refused'); END
""",
    """\
CREATE TRIGGER ledger_transfer_accounts BEFORE INSERT ON ledger_transfer
WHEN NOT EXISTS (SELECT 1 FROM ledger_balance WHERE account_id = NEW.debit AND asset = NEW.asset)
  OR NOT EXISTS (SELECT 1 FROM ledger_balance WHERE account_id = NEW.credit AND asset = NEW.asset)
BEGIN SELECT RAISE(ABORT, 'both accounts of a transfer hold its asset'); END
""",
    """\
CREATE TRIGGER ledger_transfer_hold BEFORE INSERT ON ledger_transfer
WHEN NEW.hold_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ledger_transfer WHERE id = NEW.hold_id)
BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_transfer refers to what is not there'); END
""",
    "CREATE TRIGGER ledger_account_refers BEFORE INSERT ON ledger_account WHEN NOT EXISTS (SELECT 1 FROM ledger_asset WHERE code = NEW.asset) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_account refers to what is not there'); END",
    "CREATE TRIGGER ledger_balance_refers BEFORE INSERT ON ledger_balance WHEN NOT EXISTS (SELECT 1 FROM ledger_account WHERE id = NEW.account_id AND asset = NEW.asset) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_balance refers to what is not there'); END",
    "CREATE TRIGGER ledger_block_refers BEFORE INSERT ON ledger_block WHEN NOT EXISTS (SELECT 1 FROM ledger_batch WHERE id = NEW.batch_id) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_block refers to what is not there'); END",
    "CREATE TRIGGER ledger_lot_refers BEFORE INSERT ON ledger_lot WHEN NOT EXISTS (SELECT 1 FROM ledger_account WHERE id = NEW.account_id) OR NOT EXISTS (SELECT 1 FROM ledger_transfer WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_lot refers to what is not there'); END",
    "CREATE TRIGGER ledger_lot_use_refers BEFORE INSERT ON ledger_lot_use WHEN NOT EXISTS (SELECT 1 FROM ledger_lot WHERE id = NEW.lot_id) OR NOT EXISTS (SELECT 1 FROM ledger_transfer WHERE key = NEW.key) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_lot_use refers to what is not there'); END",
    "CREATE TRIGGER ledger_open_hold_refers BEFORE INSERT ON ledger_open_hold WHEN NOT EXISTS (SELECT 1 FROM ledger_transfer WHERE id = NEW.hold_id) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_open_hold refers to what is not there'); END",
    "CREATE TRIGGER ledger_unsealed_refers BEFORE INSERT ON ledger_unsealed WHEN NOT EXISTS (SELECT 1 FROM ledger_batch WHERE id = NEW.batch_id) BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_unsealed refers to what is not there'); END",
    """\
CREATE TRIGGER ledger_transfer_replace BEFORE INSERT ON ledger_transfer
WHEN EXISTS (SELECT 1 FROM ledger_transfer WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE key = NEW.key)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE debit = NEW.debit AND debit_sequence = NEW.debit_sequence)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE credit = NEW.credit AND credit_sequence = NEW.credit_sequence)
  OR (NEW.hold_id IS NOT NULL AND EXISTS (SELECT 1 FROM ledger_transfer WHERE hold_id = NEW.hold_id))
BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_transfer is history: REPLACE refused'); END
""",
    "CREATE TRIGGER ledger_account_replace BEFORE INSERT ON ledger_account WHEN EXISTS (SELECT 1 FROM ledger_account WHERE rowid = NEW.rowid OR id = NEW.id OR code = NEW.code) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_account is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_asset_replace BEFORE INSERT ON ledger_asset WHEN EXISTS (SELECT 1 FROM ledger_asset WHERE rowid = NEW.rowid OR code = NEW.code) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_asset is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_balance_replace BEFORE INSERT ON ledger_balance WHEN EXISTS (SELECT 1 FROM ledger_balance WHERE rowid = NEW.rowid OR account_id = NEW.account_id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_balance is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_batch_replace BEFORE INSERT ON ledger_batch WHEN EXISTS (SELECT 1 FROM ledger_batch WHERE rowid = NEW.rowid OR id = NEW.id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_batch is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_block_replace BEFORE INSERT ON ledger_block WHEN EXISTS (SELECT 1 FROM ledger_block WHERE rowid = NEW.rowid OR (lane = NEW.lane AND height = NEW.height) OR batch_id = NEW.batch_id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_block is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_lot_replace BEFORE INSERT ON ledger_lot WHEN EXISTS (SELECT 1 FROM ledger_lot WHERE rowid = NEW.rowid OR id = NEW.id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_lot is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_lot_use_replace BEFORE INSERT ON ledger_lot_use WHEN EXISTS (SELECT 1 FROM ledger_lot_use WHERE rowid = NEW.rowid OR id = NEW.id) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_lot_use is history: REPLACE refused'); END",
    "CREATE TRIGGER ledger_seal_replace BEFORE INSERT ON ledger_seal WHEN EXISTS (SELECT 1 FROM ledger_seal WHERE rowid = NEW.rowid OR lane = NEW.lane AND day = NEW.day) BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_seal is history: REPLACE refused'); END",
]

TABLES: Final = (
    "ledger_seal",
    "ledger_block",
    "ledger_unsealed",
    "ledger_lot_use",
    "ledger_lot",
    "ledger_open_hold",
    "ledger_transfer",
    "ledger_batch",
    "ledger_balance",
    "ledger_account",
    "ledger_asset",
)
FUNCTIONS: Final = ("ledger_refuse", "ledger_balance_guard", "ledger_balance_birth", "ledger_lot_guard")


def upgrade() -> None:
    """Create the tables and their guards."""
    connection = op.get_bind()
    for statement in POSTGRESQL if connection.dialect.name == "postgresql" else SQLITE:
        connection.exec_driver_sql(
            statement.replace("%", "%%") if connection.dialect.name == "postgresql" else statement
        )


def downgrade() -> None:
    """Remove the ledger. Only ever right for a database that never held money."""
    connection = op.get_bind()
    for table in TABLES:
        connection.execute(text(f"DROP TABLE {table}"))
    if connection.dialect.name == "postgresql":
        for function in FUNCTIONS:
            connection.execute(text(f"DROP FUNCTION {function}()"))
