"""The rules that the database itself repeats: history never changes, balances never go backward.

A mistake in Python, or SQL typed by hand, meets these on both engines. They refuse; they never
decide: no posting depends on what a trigger computes.
"""

from __future__ import annotations

from typing import Final

from nerava.ledger import model
from nerava.platform.db.triggers import attach

HISTORY: Final = tuple(table.name for table in model.HISTORY)
KEPT: Final = (*HISTORY, "ledger_balance", "ledger_lot")
"""Tables that lose no row. `ledger_open_hold` and `ledger_unsealed` are work lists and do."""

_BALANCE_FIXED: Final = ("account_id", "asset", "lane", "keeps_lots")
_LOT_FIXED: Final = ("id", "account_id", "key", "granted", "source", "expires_at", "restores")
_ROW: Final = "rowid"
"""SQLite's hidden number of a row: REPLACE and UPDATE OR REPLACE can aim at it too. A new row that does not
state one has -1 in a BEFORE trigger."""

_COUNTERS: Final = ("debits_posted", "credits_posted", "debits_pending", "credits_pending")

_REPLACEABLE: Final = {
    "ledger_account": "id = NEW.id OR code = NEW.code",
    "ledger_asset": "code = NEW.code",
    "ledger_balance": "account_id = NEW.account_id",
    "ledger_batch": "id = NEW.id",
    "ledger_block": "(lane = NEW.lane AND height = NEW.height) OR batch_id = NEW.batch_id",
    "ledger_lot": "id = NEW.id",
    "ledger_lot_use": "id = NEW.id",
    "ledger_seal": "lane = NEW.lane AND day = NEW.day",
}
"""How a row that INSERT OR REPLACE would silently remove is recognised (SQLite)."""

_REFERENCES: Final = {
    "ledger_account": ("ledger_asset WHERE code = NEW.asset",),
    "ledger_balance": ("ledger_account WHERE id = NEW.account_id AND asset = NEW.asset",),
    "ledger_block": ("ledger_batch WHERE id = NEW.batch_id",),
    "ledger_lot": ("ledger_account WHERE id = NEW.account_id", "ledger_transfer WHERE key = NEW.key"),
    "ledger_lot_use": ("ledger_lot WHERE id = NEW.lot_id", "ledger_transfer WHERE key = NEW.key"),
    "ledger_open_hold": ("ledger_transfer WHERE id = NEW.hold_id",),
    "ledger_unsealed": ("ledger_batch WHERE id = NEW.batch_id",),
}
"""What a new row refers to, for connections without `foreign_keys` (SQLite)."""


def _distinct(columns: tuple[str, ...], operator: str) -> str:
    return " OR ".join(f"NEW.{name} {operator} OLD.{name}" for name in columns)


_BACKWARD: Final = "NEW.debits_posted < OLD.debits_posted OR NEW.credits_posted < OLD.credits_posted OR NEW.sequence < OLD.sequence"


def _refused_updates(distinct: str, *fixed: str) -> list[tuple[str, str, str, str]]:
    """Return name, table, condition and reason of the triggers that refuse a change of a row."""
    balance, lot = "ledger_balance", "ledger_lot"
    silent = f"NEW.sequence = OLD.sequence AND ({_distinct(_COUNTERS, '<>')})"
    grown = f"{_distinct((*_LOT_FIXED, *fixed), distinct)} OR NEW.remaining > OLD.remaining"
    return [
        (
            f"{balance}_fixed",
            balance,
            _distinct((*_BALANCE_FIXED, *fixed), distinct),
            "what an account is cannot change",
        ),
        (f"{balance}_backward", balance, _BACKWARD, "a balance cannot go backward"),
        (f"{balance}_sequence", balance, silent, "a balance cannot change without its sequence"),
        (f"{lot}_guard", lot, grown, "a lot can only be consumed"),
    ]


def _postgresql() -> list[str]:
    distinct = "IS DISTINCT FROM"
    statements = [
        """CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is history: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$""",
        """CREATE FUNCTION ledger_refuse_because() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = '23001'; END $$""",
        """CREATE FUNCTION ledger_balance_birth() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.debits_posted + NEW.credits_posted + NEW.debits_pending + NEW.credits_pending + NEW.sequence <> 0 THEN
    RAISE EXCEPTION 'a balance begins at nothing' USING ERRCODE = '23001';
  END IF;
  RETURN NEW;
END $$""",
        # In place of two foreign keys, which look at each row alone and cost a fifth of a posting. No account ever
        # goes or changes its asset, so to look once is enough. Scalar subqueries, because any join would be planned
        # for the size of the first batch; names in full, because a temporary table would come first.
        """CREATE FUNCTION ledger_transfer_accounts() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
  IF EXISTS (
    SELECT FROM added t
    WHERE (SELECT TRUE FROM public.ledger_balance b WHERE b.account_id = t.debit AND b.asset = t.asset) IS NULL
      OR (SELECT TRUE FROM public.ledger_balance b WHERE b.account_id = t.credit AND b.asset = t.asset) IS NULL
  ) THEN
    RAISE EXCEPTION 'both accounts of a transfer hold its asset' USING ERRCODE = '23503';
  END IF;
  RETURN NULL;
END $$""",
        """CREATE TRIGGER ledger_transfer_accounts AFTER INSERT ON ledger_transfer
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger_transfer_accounts()""",
        # The conditions stand in the triggers, so that a change that is allowed calls no function.
        *(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table} FOR EACH ROW WHEN ({when}) "
            f"EXECUTE FUNCTION ledger_refuse_because('{because}')"
            for name, table, when, because in _refused_updates(distinct)
        ),
        """CREATE TRIGGER ledger_balance_birth BEFORE INSERT ON ledger_balance
FOR EACH ROW EXECUTE FUNCTION ledger_balance_birth()""",
        """CREATE TRIGGER ledger_open_hold_update BEFORE UPDATE ON ledger_open_hold
FOR EACH ROW EXECUTE FUNCTION ledger_refuse()""",
    ]
    for table in KEPT:
        changes = "UPDATE OR DELETE" if table in HISTORY else "DELETE"
        statements.append(
            f"CREATE TRIGGER {table}_keep BEFORE {changes} ON {table} FOR EACH ROW EXECUTE FUNCTION ledger_refuse()"
        )
    statements += [
        f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} EXECUTE FUNCTION ledger_refuse()"
        for table in (*KEPT, "ledger_open_hold", "ledger_unsealed")
    ]
    return statements


def _sqlite() -> list[str]:
    return [
        *(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is history: {change} refused'); END"
            for table in KEPT
            for change in (("UPDATE", "DELETE") if table in HISTORY else ("DELETE",))
        ),
        *(
            f"CREATE TRIGGER {name} BEFORE UPDATE ON {table}\nWHEN {when}\nBEGIN SELECT RAISE(ABORT, '{because}'); END"
            for name, table, when, because in _refused_updates("IS NOT", _ROW)
        ),
        """CREATE TRIGGER ledger_balance_birth BEFORE INSERT ON ledger_balance
WHEN NEW.debits_posted + NEW.credits_posted + NEW.debits_pending + NEW.credits_pending + NEW.sequence <> 0
BEGIN SELECT RAISE(ABORT, 'a balance begins at nothing'); END""",
        """CREATE TRIGGER ledger_open_hold_update BEFORE UPDATE ON ledger_open_hold
BEGIN SELECT RAISE(ABORT, 'ledger_open_hold: UPDATE refused'); END""",
        # A connection that forgot `foreign_keys` or `recursive_triggers` is held to them all the same.
        """CREATE TRIGGER ledger_transfer_accounts BEFORE INSERT ON ledger_transfer
WHEN NOT EXISTS (SELECT 1 FROM ledger_balance WHERE account_id = NEW.debit AND asset = NEW.asset)
  OR NOT EXISTS (SELECT 1 FROM ledger_balance WHERE account_id = NEW.credit AND asset = NEW.asset)
BEGIN SELECT RAISE(ABORT, 'both accounts of a transfer hold its asset'); END""",
        """CREATE TRIGGER ledger_transfer_hold BEFORE INSERT ON ledger_transfer
WHEN NEW.hold_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM ledger_transfer WHERE id = NEW.hold_id)
BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: ledger_transfer refers to what is not there'); END""",
        *(
            f"CREATE TRIGGER {table}_refers BEFORE INSERT ON {table} "
            f"WHEN {' OR '.join(f'NOT EXISTS (SELECT 1 FROM {one})' for one in wanted)} "
            f"BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY: {table} refers to what is not there'); END"
            for table, wanted in _REFERENCES.items()
        ),
        """CREATE TRIGGER ledger_transfer_replace BEFORE INSERT ON ledger_transfer
WHEN EXISTS (SELECT 1 FROM ledger_transfer WHERE rowid = NEW.rowid)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE id = NEW.id)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE key = NEW.key)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE debit = NEW.debit AND debit_sequence = NEW.debit_sequence)
  OR EXISTS (SELECT 1 FROM ledger_transfer WHERE credit = NEW.credit AND credit_sequence = NEW.credit_sequence)
  OR (NEW.hold_id IS NOT NULL AND EXISTS (SELECT 1 FROM ledger_transfer WHERE hold_id = NEW.hold_id))
BEGIN SELECT RAISE(ABORT, 'UNIQUE: ledger_transfer is history: REPLACE refused'); END""",
        *(
            f"CREATE TRIGGER {table}_replace BEFORE INSERT ON {table} "
            f"WHEN EXISTS (SELECT 1 FROM {table} WHERE rowid = NEW.rowid OR {condition}) "
            f"BEGIN SELECT RAISE(ABORT, 'UNIQUE: {table} is history: REPLACE refused'); END"
            for table, condition in _REPLACEABLE.items()
        ),
    ]


STATEMENTS: Final = {"postgresql": _postgresql(), "sqlite": _sqlite()}
"""By dialect, in the order in which they are to be executed after the tables exist."""

attach(STATEMENTS)
