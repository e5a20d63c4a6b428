"""Invariants of what came back of grants, and of referrals; the audit runs them with the others."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check

CHECKS: Final = (
    Check(
        "expiries-are-posted",
        "Every expired part of a grant has its transfers, and what campaigns got back by expiry has its row.",
        """
SELECT CAST(e.id AS TEXT), e.points || ' expired, the ledger burnt ' || coalesce(t.amount, 0)
       || ' and returned ' || coalesce(c.amount, 0)
FROM reward_expiry e
LEFT JOIN ledger_transfer t ON t.key = e.transaction_key AND t.template = 'expiry' AND t.position = 0
LEFT JOIN ledger_transfer v ON v.transaction_id = t.transaction_id AND v.position = 1
LEFT JOIN ledger_account a ON a.id = v.credit
LEFT JOIN ledger_transfer c ON c.id = v.id AND a.kind = 'campaign_budget'
WHERE t.key IS NULL OR t.amount <> e.points OR coalesce(c.amount, 0) <> e.returned
UNION ALL
SELECT CAST(t.id AS TEXT), t.amount || ' went back to a campaign by an expiry that no row names'
FROM ledger_transfer t JOIN ledger_account a ON a.id = t.credit AND a.kind = 'campaign_budget'
JOIN ledger_transfer h ON h.id = t.transaction_id
WHERE t.template = 'expiry'
  AND NOT EXISTS (SELECT 1 FROM reward_expiry e WHERE e.transaction_key = h.key)""",
    ),
    Check(
        "clawbacks-are-posted",
        "What was taken back of grants is what the ledger took, and the reverse.",
        """
SELECT CAST(b.id AS TEXT), 'took ' || b.taken || ' of ' || b.points || ', the ledger '
       || coalesce(t.amount, 0)
FROM reward_clawback b
LEFT JOIN ledger_transfer t ON t.key = b.transaction_key AND t.template = 'clawback' AND t.position = 0
WHERE coalesce(t.amount, 0) <> b.taken
UNION ALL
SELECT CAST(t.id AS TEXT), 'a clawback of ' || t.amount || ' that no row names'
FROM ledger_transfer t
WHERE t.template = 'clawback' AND t.position = 0
  AND NOT EXISTS (SELECT 1 FROM reward_clawback b WHERE b.transaction_key = t.key)""",
    ),
    Check(
        "debts-add-up",
        "What a clawback could not take is owed, and a debt is recovered when all of it was taken.",
        """
SELECT CAST(b.id AS TEXT), 'lacks ' || (b.points - b.taken) || ', owed ' || coalesce(o.points, 0)
FROM reward_clawback b LEFT JOIN reward_receivable o ON o.clawback_id = b.id AND o.grant_id = b.grant_id
WHERE b.receivable_id IS NULL AND b.points - b.taken <> coalesce(o.points, 0)
UNION ALL
SELECT CAST(o.id AS TEXT), o.state || ', recovered ' || coalesce(sum(r.taken), 0) || ' of ' || o.points
FROM reward_receivable o LEFT JOIN reward_clawback r ON r.receivable_id = o.id
GROUP BY o.id, o.state, o.points
HAVING coalesce(sum(r.taken), 0) > o.points
    OR (o.state = 'recovered') <> (coalesce(sum(r.taken), 0) = o.points)
UNION ALL
SELECT CAST(o.id AS TEXT), 'a debt that no clawback left'
FROM reward_receivable o WHERE NOT EXISTS (SELECT 1 FROM reward_clawback b WHERE b.id = o.clawback_id)""",
    ),
    Check(
        "referrals-are-posted",
        "A rewarded referral gave its points to two drivers, and nothing else was given for referrals.",
        """
SELECT CAST(p.id AS TEXT), 'rewarded, the ledger knows nothing of it'
FROM (SELECT id, referrer_key AS key FROM referral WHERE state = 'rewarded'
      UNION ALL SELECT id, referee_key FROM referral WHERE state = 'rewarded') p
WHERE NOT EXISTS (SELECT 1 FROM ledger_transfer t WHERE t.key = p.key AND t.template = 'promo_grant')
UNION ALL
SELECT CAST(l.id AS TEXT), 'a present of ' || l.granted || ' for a referral that no row names'
FROM ledger_lot l JOIN ledger_transfer t ON t.key = l.key AND t.template = 'promo_grant'
JOIN ledger_transfer h ON h.id = t.transaction_id
WHERE l.source = 'promo:referral'
  AND NOT EXISTS (SELECT 1 FROM referral r
                  WHERE r.state = 'rewarded' AND h.key IN (r.referrer_key, r.referee_key))""",
    ),
)
