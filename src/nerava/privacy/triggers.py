"""The rule that the database repeats: consents are not rewritten, and go only with their person."""

from __future__ import annotations

from typing import Final

from nerava.platform.db.triggers import attach
from nerava.privacy import model

_TABLE: Final = model.Consent.__tablename__
_NOT_ERASED: Final = (
    f"NOT EXISTS (SELECT 1 FROM {model.Erasure.__tablename__} "
    "WHERE user_id = OLD.user_id AND state = 'running')"
)

STATEMENTS: Final = {
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
            f"CREATE TRIGGER consent_keep BEFORE UPDATE OR DELETE ON {_TABLE} "
            "FOR EACH ROW EXECUTE FUNCTION consent_refuse()"
        ),
        f"CREATE TRIGGER consent_truncate BEFORE TRUNCATE ON {_TABLE} EXECUTE FUNCTION consent_refuse()",
    ],
    "sqlite": [
        (
            f"CREATE TRIGGER consent_no_update BEFORE UPDATE ON {_TABLE} "
            "BEGIN SELECT RAISE(ABORT, 'consents are history: UPDATE refused'); END"
        ),
        (
            f"CREATE TRIGGER consent_no_delete BEFORE DELETE ON {_TABLE} WHEN {_NOT_ERASED} "
            "BEGIN SELECT RAISE(ABORT, 'consents are history: DELETE refused'); END"
        ),
    ],
}
"""By dialect, in the order in which they are to be executed after the tables exist."""

attach(STATEMENTS)
