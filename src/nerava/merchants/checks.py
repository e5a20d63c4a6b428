"""Invariants between merchants and the ledger; the audit runs them together with the ledger's own."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check

CHECKS: Final = (
    Check(
        "redemptions-are-posted",
        "Every code has its hold, and its state is what became of that: open, taken, withdrawn or expired.",
        """
SELECT CAST(d.id AS TEXT), d.state || ' of ' || d.price_nova || ', the ledger says '
       || coalesce(r.kind, t.kind, 'nothing')
FROM redemption d
LEFT JOIN ledger_transfer t ON t.key = d.hold_key
LEFT JOIN ledger_transfer r ON r.hold_id = t.id
WHERE t.key IS NULL OR t.kind <> 'hold' OR t.amount <> d.price_nova
   OR (d.state = 'held') <> (r.id IS NULL)
   OR (d.state = 'released') <> (coalesce(r.kind, '') = 'release')
   OR (d.state = 'expired') <> (coalesce(r.kind, '') = 'expire')
   OR (d.captured_at IS NOT NULL) <> (coalesce(r.kind, '') = 'capture')
   OR (d.captured_at IS NOT NULL AND r.amount <> d.points)""",
    ),
    Check(
        "holds-have-redemptions",
        "Every code's hold in the ledger has its row.",
        """
SELECT CAST(t.id AS TEXT), 'a code of ' || t.amount || ' that no redemption names'
FROM ledger_transfer t
WHERE t.template = 'redemption' AND t.kind = 'hold'
  AND NOT EXISTS (SELECT 1 FROM redemption d WHERE d.hold_key = t.key)""",
    ),
    Check(
        "refunds-are-posted",
        "Every refund has its transfer, and every refund in the ledger has its row.",
        """
SELECT CAST(f.id AS TEXT), 'gave back ' || f.points || ', the ledger says '
       || coalesce(CAST(t.amount AS TEXT), 'nothing')
FROM redemption_refund f LEFT JOIN ledger_transfer t ON t.key = f.transaction_key
WHERE t.key IS NULL OR t.amount <> f.points
UNION ALL
SELECT CAST(t.id AS TEXT), 'a refund of ' || t.amount || ' that no row names' FROM ledger_transfer t
WHERE t.template = 'redemption_refund'
  AND NOT EXISTS (SELECT 1 FROM redemption_refund f WHERE f.transaction_key = t.key)""",
    ),
    Check(
        "refunds-fit-their-redemptions",
        "What was given back is at most what was captured, and the state says how much of it.",
        """
SELECT CAST(d.id AS TEXT), d.state || ', gave back ' || coalesce(sum(f.points), 0) || ' of '
       || coalesce(d.points, 0)
FROM redemption d LEFT JOIN redemption_refund f ON f.redemption_id = d.id
GROUP BY d.id, d.state, d.points
HAVING coalesce(sum(f.points), 0) > coalesce(d.points, 0)
   OR (d.state IN ('voided', 'refunded')) <> (d.points IS NOT NULL AND coalesce(sum(f.points), 0) = d.points)
   OR (d.state = 'partly_refunded')
      <> (coalesce(sum(f.points), 0) > 0 AND coalesce(sum(f.points), 0) < coalesce(d.points, 0))""",
    ),
    Check(
        "claims-are-posted",
        "Every claimed perk with a fee has its transfer, and every claim fee in the ledger has its claim.",
        """
SELECT CAST(c.id AS TEXT), 'a fee of ' || c.fee_minor || ', the ledger says '
       || coalesce(CAST(t.amount AS TEXT), 'nothing')
FROM perk_claim c LEFT JOIN ledger_transfer t ON t.key = c.transaction_key
WHERE c.fee_minor > 0 AND (t.key IS NULL OR t.amount <> c.fee_minor)
UNION ALL
SELECT CAST(t.id AS TEXT), 'a claim fee of ' || t.amount || ' that no claim names' FROM ledger_transfer t
WHERE t.template = 'claim_fee' AND NOT EXISTS (SELECT 1 FROM perk_claim c WHERE c.transaction_key = t.key)""",
    ),
)
