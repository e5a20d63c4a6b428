"""The rules that the database repeats for the audit log: entries, blocks and anchors never change."""

from __future__ import annotations

from typing import Final

from nerava.audit import model
from nerava.platform.db.triggers import attach

HISTORY: Final = tuple(table.name for table in model.HISTORY)
WORK_LIST: Final = model.unsealed.name

_REFUSE: Final = "EXECUTE FUNCTION audit_refuse()"
_REPLACEABLE: Final = {
    "audit_anchor": "hour = NEW.hour",
    "audit_block": "height = NEW.height OR entry_id = NEW.entry_id",
    "audit_entry": "id = NEW.id",
}
"""How a row that INSERT OR REPLACE would silently remove is recognised (SQLite)."""


def _postgresql() -> list[str]:
    return [
        """CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is history: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$""",
        *(
            f"CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {_REFUSE}"
            for table in HISTORY
        ),
        f"CREATE TRIGGER {WORK_LIST}_update BEFORE UPDATE ON {WORK_LIST} FOR EACH ROW {_REFUSE}",
        *(
            f"CREATE TRIGGER {table}_truncate BEFORE TRUNCATE ON {table} {_REFUSE}"
            for table in (*HISTORY, WORK_LIST)
        ),
    ]


def _sqlite() -> list[str]:
    return [
        *(
            f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
            f"BEGIN SELECT RAISE(ABORT, '{table} is history: {change} refused'); END"
            for table in HISTORY
            for change in ("UPDATE", "DELETE")
        ),
        f"""CREATE TRIGGER {WORK_LIST}_no_update BEFORE UPDATE ON {WORK_LIST}
BEGIN SELECT RAISE(ABORT, '{WORK_LIST}: UPDATE refused'); END""",
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
