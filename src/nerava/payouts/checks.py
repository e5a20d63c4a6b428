"""Invariants between payouts and the ledger; the audit runs them together with the ledger's own."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check

CHECKS: Final = (
    Check(
        "clearing-is-payouts-under-way",
        "`payout:clearing` holds a cent for every cent of a payout that is on its way, and no other.",
        """
SELECT 'payout:clearing', 'holds ' || c.posted || ', under way are ' || c.under_way FROM (
  SELECT (SELECT coalesce(sum(b.credits_posted - b.debits_posted), 0) FROM ledger_account a
          JOIN ledger_balance b ON b.account_id = a.id WHERE a.code = 'payout:clearing') AS posted,
         (SELECT coalesce(sum(p.amount_minor), 0) FROM payout p WHERE p.state IN ('submitted', 'unknown')) AS under_way
) c WHERE c.posted <> c.under_way""",
        is_light=True,
    ),
    Check(
        "clearing-is-young",
        "No payout has been on its way for longer than 14 days, by the time of the newest posting.",
        """
SELECT CAST(p.id AS TEXT), 'submitted ' || CAST(p.submitted_at AS TEXT) || ' and not over' FROM payout p
WHERE p.state IN ('submitted', 'unknown') AND p.overdue_at < (SELECT max(t.posted_at) FROM ledger_transfer t)""",
    ),
    Check(
        "payouts-are-held",
        "Every payout has its hold, of its own amount and fee: open, captured or given back as its state says.",
        """
SELECT CAST(p.id AS TEXT), p.state || ' of ' || (p.amount_minor + p.fee_minor) || ', the ledger says '
       || coalesce(h.kind || ' of ' || h.amount || ', ' || coalesce(r.kind, 'open'), 'nothing')
FROM payout p
LEFT JOIN (
  SELECT h.*, a.owner AS payer FROM ledger_transfer h JOIN ledger_account a ON a.id = h.debit WHERE h.kind = 'hold'
) h ON h.key = p.request_key
LEFT JOIN ledger_transfer r ON r.hold_id = h.id
WHERE h.key IS NULL OR h.template <> p.kind OR h.amount <> p.amount_minor + p.fee_minor
   OR h.payer <> CAST(p.owner_id AS TEXT)
   OR (p.state IN ('requested', 'approved') AND r.id IS NOT NULL)
   OR (p.state = 'canceled' AND coalesce(r.kind, '') <> 'release')
   OR (p.state NOT IN ('requested', 'approved', 'canceled') AND coalesce(r.kind, '') <> 'capture')""",
    ),
    Check(
        "payouts-end-once",
        "Paid, failed and returned payouts have exactly the postings of their end, and others have none.",
        """
SELECT CAST(p.id AS TEXT), p.state || ', paid out ' || coalesce(o.away, 0) || ', came back ' || coalesce(o.back, 0)
FROM payout p
LEFT JOIN (
  SELECT p.id,
         sum(CASE WHEN d.code = 'payout:clearing' AND c.kind = 'external' THEN t.amount ELSE 0 END) AS away,
         sum(CASE WHEN d.code = 'payout:clearing' AND c.kind <> 'external' THEN t.amount ELSE 0 END) AS back
  FROM payout p
  JOIN ledger_transfer f ON f.key IN (p.outcome_key, p.return_key)
  JOIN ledger_transfer t ON t.transaction_id = f.transaction_id
  JOIN ledger_account d ON d.id = t.debit JOIN ledger_account c ON c.id = t.credit
  GROUP BY p.id
) o ON o.id = p.id
WHERE coalesce(o.away, 0) <> CASE WHEN p.state IN ('paid', 'returned') THEN p.amount_minor ELSE 0 END
   OR coalesce(o.back, 0) <> CASE WHEN p.state IN ('failed', 'returned') THEN p.amount_minor ELSE 0 END""",
    ),
    Check(
        "payout-postings-have-payouts",
        "Every hold for a payout in the ledger has its payout.",
        """
SELECT CAST(t.id AS TEXT), 'a ' || t.template || ' of ' || t.amount || ' that no payout names'
FROM ledger_transfer t
WHERE t.template IN ('driver_cashout', 'merchant_payout') AND t.kind = 'hold'
  AND NOT EXISTS (SELECT 1 FROM payout p WHERE p.request_key = t.key)""",
    ),
)
