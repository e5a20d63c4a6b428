"""Invariants of charging sessions and what was earned with them; audited with the ledger's own."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check

CHECKS: Final = (
    Check(
        "sessions-are-one",
        "A session is known once by its source's name, and nobody charges at two places at once.",
        """
SELECT source || ' ' || reference, 'known ' || count(*) || ' times' FROM charging_session
GROUP BY source, reference HAVING count(*) > 1
UNION ALL
SELECT CAST(driver_id AS TEXT), 'charges at ' || count(*) || ' places at once' FROM charging_session
WHERE state = 'open' GROUP BY driver_id HAVING count(*) > 1""",
    ),
)
