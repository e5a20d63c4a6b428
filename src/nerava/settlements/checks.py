"""Invariants of settlements and invoices; the audit runs them together with the ledger's own."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check

CHECKS: Final = (
    Check(
        "transits-cancel-out",
        "What left one lane has arrived in the other, unless a crossing is under way.",
        """
SELECT s.asset, 'transits come to ' || s.posted || ' and nothing is on its way' FROM (
  SELECT a.asset, sum(b.credits_posted - b.debits_posted) AS posted
  FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id WHERE a.kind = 'transit' GROUP BY a.asset
) s WHERE s.posted <> 0 AND NOT EXISTS (
  SELECT 1 FROM ledger_open_hold h JOIN ledger_transfer t ON t.id = h.hold_id WHERE t.template = 'transit'
)""",
        is_light=True,
    ),
    Check(
        "settlements-are-posted",
        "Every settlement with points has its transfer of as many, and every such transfer its settlement.",
        """
SELECT CAST(s.id AS TEXT), s.period || ': ' || s.points || ' points, the ledger says '
       || coalesce(CAST(t.amount AS TEXT), 'nothing')
FROM settlement s LEFT JOIN ledger_transfer t ON t.key = s.transaction_key
LEFT JOIN ledger_account a ON a.id = t.debit
WHERE s.points > 0 AND (t.key IS NULL OR t.amount <> s.points OR t.template <> 'merchant_settlement'
   OR a.owner <> CAST(s.merchant_id AS TEXT) OR a.kind <> 'merchant_nova')
UNION ALL
SELECT CAST(t.id AS TEXT), 'a settlement of ' || t.amount || ' that no row names'
FROM ledger_transfer t JOIN ledger_account a ON a.id = t.debit
WHERE t.template = 'merchant_settlement' AND a.kind = 'merchant_nova'
  AND NOT EXISTS (SELECT 1 FROM settlement s WHERE s.transaction_key = t.key)""",
    ),
    Check(
        "settlements-are-split-exactly",
        "The fee of a settlement is its share rounded down, and the rest is the merchant's.",
        """
SELECT CAST(id AS TEXT), net_minor || ' and ' || fee_minor || ' of ' || points || ' at ' || fee_bps || ' bps'
FROM settlement WHERE net_minor + fee_minor <> points OR fee_minor <> points * fee_bps / 10000""",
    ),
    Check(
        "settlement-lines-add-up",
        "The lines of a settlement come to what it says was redeemed, given back and claimed.",
        """
SELECT CAST(s.id AS TEXT), 'says ' || s.redeemed || ', ' || s.refunded || ', ' || s.claim_fees_minor
       || ', its lines ' || l.redeemed || ', ' || l.refunded || ', ' || l.claims
FROM settlement s JOIN (
  SELECT s.id, coalesce(sum(CASE WHEN l.kind = 'redemption' THEN l.amount ELSE 0 END), 0) AS redeemed,
         -coalesce(sum(CASE WHEN l.kind = 'refund' THEN l.amount ELSE 0 END), 0) AS refunded,
         coalesce(sum(CASE WHEN l.kind = 'claim' THEN l.amount ELSE 0 END), 0) AS claims
  FROM settlement s LEFT JOIN settlement_line l ON l.settlement_id = s.id GROUP BY s.id
) l ON l.id = s.id
WHERE l.redeemed <> s.redeemed OR l.refunded <> s.refunded OR l.claims <> s.claim_fees_minor""",
    ),
    Check(
        "settlements-follow-each-other",
        "A settlement begins where the one before it ended, and takes over what that one carried on.",
        """
SELECT CAST(p.id AS TEXT), p.period || ' does not follow the one before it' FROM (
  SELECT s.id, s.period, s.since_at, s.carried_in,
         lag(s.until_at) OVER w AS ended_at, lag(s.carried_out) OVER w AS carried
  FROM settlement s WINDOW w AS (PARTITION BY s.merchant_id ORDER BY s.since_at)
) p WHERE p.carried_in <> coalesce(p.carried, 0) OR p.since_at <> coalesce(p.ended_at, p.since_at)""",
    ),
    Check(
        "what-is-over-is-settled",
        "Every capture, refund and claim of a period that is closed is a line of a settlement, as it was.",
        """
SELECT CAST(r.id AS TEXT), r.kind || ' of ' || r.amount || ', settled '
       || coalesce(CAST(l.amount AS TEXT), 'never')
FROM (
  SELECT id, merchant_id, 'redemption' AS kind, points AS amount, captured_at AS at FROM redemption
  WHERE captured_at IS NOT NULL
  UNION ALL SELECT id, merchant_id, 'refund', -points, refunded_at FROM redemption_refund
  UNION ALL SELECT id, merchant_id, 'claim', fee_minor, claimed_at FROM perk_claim
) r
JOIN settlement_plan p ON p.merchant_id = r.merchant_id
LEFT JOIN settlement_line l ON l.kind = r.kind AND l.source_id = r.id
WHERE (r.at < p.since_at AND l.source_id IS NULL) OR l.amount <> r.amount""",
    ),
    Check(
        "settlement-payouts-exist",
        "Every payout that a settlement asked for is there, of its amount and for its merchant.",
        """
SELECT CAST(s.id AS TEXT), 'asked for ' || s.payout_minor || ', there is '
       || coalesce(CAST(p.amount_minor AS TEXT), 'nothing')
FROM settlement s LEFT JOIN payout p ON p.id = s.payout_id
WHERE s.payout_id IS NOT NULL
  AND (p.id IS NULL OR p.amount_minor <> s.payout_minor OR p.owner_id <> s.merchant_id)""",
    ),
    Check(
        "invoices-are-of-settlements",
        "The claims of a settlement are on one invoice, of what they come to.",
        """
SELECT CAST(s.id AS TEXT), 'claims of ' || s.claim_fees_minor || ', an invoice of '
       || coalesce(CAST(i.amount_minor AS TEXT), 'nothing')
FROM settlement s LEFT JOIN invoice i ON i.settlement_id = s.id
WHERE coalesce(i.amount_minor, 0) <> s.claim_fees_minor""",
    ),
    Check(
        "invoice-numbers-are-dense",
        "The invoices of a year have the numbers from 1 to their count.",
        """
SELECT CAST(c.year AS TEXT), c.invoices || ' invoices, the last number is ' || c.last
       || ', ' || c.issued || ' issued'
FROM (
  SELECT s.year, s.issued, count(i.id) AS invoices, coalesce(max(i.number), 0) AS last
  FROM invoice_series s LEFT JOIN invoice i ON i.year = s.year GROUP BY s.year, s.issued
) c WHERE c.invoices <> c.last OR c.issued <> c.last""",
    ),
    Check(
        "invoices-are-paid-as-they-say",
        "What was paid of an invoice is at most its amount, and all of it where it is over.",
        """
SELECT CAST(c.id AS TEXT), c.state || ', paid ' || c.paid || ' of ' || c.amount_minor FROM (
  SELECT i.id, i.state, i.amount_minor, coalesce(sum(p.amount_minor), 0) AS paid
  FROM invoice i LEFT JOIN invoice_payment p ON p.invoice_id = i.id GROUP BY i.id, i.state, i.amount_minor
) c WHERE c.paid > c.amount_minor OR (c.state IN ('paid', 'written_off')) <> (c.paid = c.amount_minor)""",
    ),
    Check(
        "invoice-payments-are-posted",
        "Every payment of an invoice has its transfer, and the reverse.",
        """
SELECT CAST(p.id AS TEXT), p.kind || ' of ' || p.amount_minor || ', the ledger says '
       || coalesce(CAST(t.amount AS TEXT), 'nothing')
FROM invoice_payment p LEFT JOIN ledger_transfer t ON t.key = p.transaction_key
WHERE t.key IS NULL OR t.amount <> p.amount_minor
UNION ALL
SELECT CAST(t.id AS TEXT), 'a ' || t.template || ' of ' || t.amount || ' that no row names'
FROM ledger_transfer t
WHERE t.template IN ('invoice_payment', 'receivable_netting')
  AND NOT EXISTS (SELECT 1 FROM invoice_payment p WHERE p.transaction_key = t.key)""",
    ),
    Check(
        "receivables-are-claims-not-paid",
        "What a merchant owes is what its claims cost less what was paid of its invoices.",
        """
SELECT a.code, 'owes ' || (b.debits_posted - b.credits_posted) || ', the rows say ' || (c.fees - c.paid)
FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id JOIN (
  SELECT CAST(m.id AS TEXT) AS owner,
         (SELECT coalesce(sum(k.fee_minor), 0) FROM perk_claim k WHERE k.merchant_id = m.id) AS fees,
         (SELECT coalesce(sum(p.amount_minor), 0) FROM invoice_payment p JOIN invoice i ON i.id = p.invoice_id
          WHERE i.merchant_id = m.id) AS paid
  FROM merchant m
) c ON c.owner = a.owner
WHERE a.kind = 'merchant_receivable' AND b.debits_posted - b.credits_posted <> c.fees - c.paid""",
    ),
)
