"""Invariants between disputed payments and the ledger."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check

CHECKS: Final = (
    Check(
        "disputes-are-posted",
        "Everything that a dispute moved has its transfers, and every such posting its dispute.",
        """
SELECT CAST(m.id AS TEXT), m.kind || ' ' || m.amount || ' and ' || m.cost || ', booked '
       || coalesce(sum(t.amount), 0)
FROM sponsor_dispute_movement m
LEFT JOIN ledger_transfer h ON h.key = m.transaction_key AND h.template = 'sponsor_dispute' AND h.position = 0
LEFT JOIN ledger_transfer t ON t.transaction_id = h.transaction_id
GROUP BY m.id, m.kind, m.amount, m.cost
HAVING count(h.key) = 0 OR sum(t.amount) <> m.amount + abs(m.cost)
UNION ALL
SELECT CAST(t.id AS TEXT), 'a dispute moved ' || t.amount || ' that no row names'
FROM ledger_transfer t
WHERE t.template = 'sponsor_dispute' AND t.position = 0
  AND NOT EXISTS (SELECT 1 FROM sponsor_dispute_movement m WHERE m.transaction_key = t.key)""",
    ),
    Check(
        "disputes-collect-no-more",
        "No dispute collected, or gave back, more than there was of it.",
        """
SELECT CAST(s.dispute_id AS TEXT), 'taken ' || s.taken || ', returned ' || s.returned || ', collected '
       || s.collected || ', given back ' || s.deposits
FROM (SELECT dispute_id, sum(CASE kind WHEN 'taken' THEN amount ELSE 0 END) AS taken,
             sum(CASE kind WHEN 'returned' THEN amount ELSE 0 END) AS returned,
             sum(CASE kind WHEN 'collected' THEN amount ELSE 0 END) AS collected,
             sum(to_deposits) AS deposits, sum(to_house) AS house
      FROM sponsor_dispute_movement GROUP BY dispute_id) s
WHERE s.collected > s.taken OR s.deposits > s.collected
   OR s.returned - s.deposits - s.house > s.taken - s.collected""",
    ),
    Check(
        "disputes-stop-campaigns",
        "No campaign runs whose sponsor a dispute stops.",
        """
SELECT CAST(c.id AS TEXT), 'active, stopped by the dispute ' || d.dispute
FROM sponsor_dispute d JOIN campaign c ON c.sponsor_id = d.sponsor_id
WHERE d.state IN ('open', 'lost') AND d.lifted_at IS NULL AND c.state = 'active'""",
    ),
)
