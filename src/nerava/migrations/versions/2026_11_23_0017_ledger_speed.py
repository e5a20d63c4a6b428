"""What PostgreSQL checks of every posting costs a fraction of what it did; it refuses the same."""

from __future__ import annotations

from typing import Final

from alembic import op

revision: Final = "0017"
down_revision: Final = "0012"
branch_labels: Final = None
depends_on: Final = None

_NEW: Final = (
    """\
CREATE FUNCTION ledger_refuse_because() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = '23001'; END $$
""",
    """\
CREATE FUNCTION ledger_transfer_accounts() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF EXISTS (
    SELECT FROM added t
    WHERE (SELECT TRUE FROM public.ledger_balance b WHERE b.account_id = t.debit AND b.asset = t.asset) IS NULL
      OR (SELECT TRUE FROM public.ledger_balance b WHERE b.account_id = t.credit AND b.asset = t.asset) IS NULL
  ) THEN
    RAISE EXCEPTION 'both accounts of a transfer hold its asset' USING ERRCODE = '23503';
  END IF;
  RETURN NULL;
END $$
""",
    """\
CREATE TRIGGER ledger_transfer_accounts AFTER INSERT ON ledger_transfer
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_transfer_accounts()
""",
    """\
CREATE TRIGGER ledger_balance_fixed BEFORE UPDATE ON ledger_balance FOR EACH ROW WHEN (NEW.account_id IS DISTINCT FROM OLD.account_id OR NEW.asset IS DISTINCT FROM OLD.asset OR NEW.lane IS DISTINCT FROM OLD.lane OR NEW.keeps_lots IS DISTINCT FROM OLD.keeps_lots) EXECUTE FUNCTION ledger_refuse_because('what an account is cannot change')
""",
    """\
CREATE TRIGGER ledger_balance_backward BEFORE UPDATE ON ledger_balance FOR EACH ROW WHEN (NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted OR NEW.sequence < OLD.sequence) EXECUTE FUNCTION ledger_refuse_because('a balance cannot go backward')
""",
    """\
CREATE TRIGGER ledger_balance_sequence BEFORE UPDATE ON ledger_balance FOR EACH ROW WHEN (NEW.sequence = OLD.sequence AND (NEW.debits_posted <> OLD.debits_posted OR NEW.credits_posted <> OLD.credits_posted OR NEW.debits_pending <> OLD.debits_pending OR NEW.credits_pending <> OLD.credits_pending)) EXECUTE FUNCTION ledger_refuse_because('a balance cannot change without its sequence')
""",
    """\
CREATE TRIGGER ledger_lot_guard BEFORE UPDATE ON ledger_lot FOR EACH ROW WHEN (NEW.id IS DISTINCT FROM OLD.id OR NEW.account_id IS DISTINCT FROM OLD.account_id OR NEW.key IS DISTINCT FROM OLD.key OR NEW.granted IS DISTINCT FROM OLD.granted OR NEW.source IS DISTINCT FROM OLD.source OR NEW.expires_at IS DISTINCT FROM OLD.expires_at OR NEW.restores IS DISTINCT FROM OLD.restores OR NEW.remaining > OLD.remaining) EXECUTE FUNCTION ledger_refuse_because('a lot can only be consumed')
""",
)
_GONE: Final = (
    "DROP TRIGGER ledger_balance_guard ON ledger_balance",
    "DROP TRIGGER ledger_lot_guard ON ledger_lot",
    "DROP FUNCTION ledger_balance_guard()",
    "DROP FUNCTION ledger_lot_guard()",
    "ALTER TABLE ledger_transfer DROP CONSTRAINT fk_ledger_transfer_debit_asset",
    "ALTER TABLE ledger_transfer DROP CONSTRAINT fk_ledger_transfer_credit_asset",
)
_NEW_GONE: Final = (
    "DROP TRIGGER ledger_balance_fixed ON ledger_balance",
    "DROP TRIGGER ledger_balance_backward ON ledger_balance",
    "DROP TRIGGER ledger_balance_sequence ON ledger_balance",
    "DROP TRIGGER ledger_lot_guard ON ledger_lot",
    "DROP TRIGGER ledger_transfer_accounts ON ledger_transfer",
    "DROP FUNCTION ledger_transfer_accounts()",
    "DROP FUNCTION ledger_refuse_because()",
)
_OLD: Final = (
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
CREATE TRIGGER ledger_lot_guard BEFORE UPDATE ON ledger_lot
FOR EACH ROW EXECUTE FUNCTION ledger_lot_guard()
""",
    """ALTER TABLE ledger_transfer ADD CONSTRAINT fk_ledger_transfer_debit_asset
FOREIGN KEY (debit, asset) REFERENCES ledger_balance (account_id, asset)""",
    """ALTER TABLE ledger_transfer ADD CONSTRAINT fk_ledger_transfer_credit_asset
FOREIGN KEY (credit, asset) REFERENCES ledger_balance (account_id, asset)""",
)


def upgrade() -> None:
    """Look at the accounts of a statement's transfers at once, and call a guard only to refuse."""
    _execute(*_GONE, *_NEW)


def downgrade() -> None:
    """Look at each row by itself again."""
    _execute(*_NEW_GONE, *_OLD)


def _execute(*statements: str) -> None:
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))
