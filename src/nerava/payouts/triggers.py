"""The rule that the database repeats: what was told about a payout is never changed and never goes."""

from __future__ import annotations

from typing import Final

from nerava.payouts import model
from nerava.platform.db.triggers import attach

_TABLE: Final = model.PayoutEvidence.__tablename__
_KEEP: Final = (
    f"CREATE TRIGGER {_TABLE}_keep BEFORE UPDATE OR DELETE ON {_TABLE} "
    "FOR EACH ROW EXECUTE FUNCTION payout_refuse()"
)

STATEMENTS: Final = {
    "postgresql": [
        """CREATE FUNCTION payout_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION '% is history: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = '23001'; END $$""",
        _KEEP,
        f"CREATE TRIGGER {_TABLE}_truncate BEFORE TRUNCATE ON {_TABLE} EXECUTE FUNCTION payout_refuse()",
    ],
    "sqlite": [
        (
            f"CREATE TRIGGER {_TABLE}_no_{change.lower()} BEFORE {change} ON {_TABLE} "
            f"BEGIN SELECT RAISE(ABORT, '{_TABLE} is history: {change} refused'); END"
        )
        for change in ("UPDATE", "DELETE")
    ],
}
"""By dialect, in the order in which they are to be executed after the tables exist."""

attach(STATEMENTS)
