"""Invariants between rewards and the ledger; the audit runs them together with the ledger's own."""

from __future__ import annotations

from typing import Final

from nerava.ledger.audit import Check
from nerava.rewards.dispute_checks import CHECKS as DISPUTE_CHECKS
from nerava.rewards.return_checks import CHECKS as RETURN_CHECKS

CHECKS: Final = (
    Check(
        "campaigns-add-up",
        "Funded is what is left, held, granted, earned or kept as fee, and refunded, by the transfers alone.",
        """
SELECT a.owner, 'came in ' || coalesce(m.incoming, 0) || ', went out ' || coalesce(m.outgoing, 0) || ', holds '
       || (b.credits_posted - b.debits_posted)
FROM ledger_account a JOIN ledger_balance b ON b.account_id = a.id
LEFT JOIN (
  SELECT account, sum(incoming) AS incoming, sum(outgoing) AS outgoing FROM (
    SELECT credit AS account, amount AS incoming, 0 AS outgoing FROM ledger_transfer
    WHERE kind IN ('direct', 'capture')
    UNION ALL SELECT debit, 0, amount FROM ledger_transfer WHERE kind IN ('direct', 'capture')
  ) AS sides GROUP BY account
) m ON m.account = a.id
WHERE a.kind IN ('campaign_budget', 'campaign_fee')
  AND coalesce(m.incoming, 0) - coalesce(m.outgoing, 0) <> b.credits_posted - b.debits_posted""",
    ),
    Check(
        "campaigns-funded-as-recorded",
        "What was booked into a campaign is what its fundings say.",
        """
SELECT CAST(f.campaign_id AS TEXT), 'recorded ' || sum(f.gross) || ', booked ' || coalesce(max(t.booked), 0)
FROM campaign_funding f LEFT JOIN (
  SELECT a.owner, sum(t.amount) AS booked FROM ledger_transfer t JOIN ledger_account a ON a.id = t.credit
  WHERE t.template = 'campaign_funding' AND a.kind IN ('campaign_budget', 'campaign_fee') GROUP BY a.owner
) t ON t.owner = CAST(f.campaign_id AS TEXT)
GROUP BY f.campaign_id HAVING sum(f.gross) <> coalesce(max(t.booked), 0)""",
    ),
    Check(
        "grants-are-posted",
        "Every grant has its transfers: settled ones moved their points, provisional ones hold them.",
        """
SELECT CAST(g.id AS TEXT), g.state || ' of ' || g.points || ' points, the ledger says ' || coalesce(t.kind, 'nothing')
FROM reward_grant g
LEFT JOIN ledger_transfer t ON t.key = g.transaction_key
LEFT JOIN ledger_transfer r ON r.hold_id = t.id
LEFT JOIN (SELECT grant_id, sum(points) AS points FROM reward_clawback WHERE receivable_id IS NULL GROUP BY grant_id) b
       ON b.grant_id = g.id
WHERE t.key IS NULL OR t.amount <> g.points_granted
   OR (g.state = 'provisional' AND (t.kind <> 'hold' OR r.id IS NOT NULL))
   OR (g.state IN ('settled', 'clawed_back') AND t.kind = 'hold'
       AND (r.kind IS NULL OR r.kind <> 'capture' OR r.amount <> g.points + coalesce(b.points, 0)))
   OR (g.state IN ('settled', 'clawed_back') AND t.kind = 'direct' AND t.amount <> g.points + coalesce(b.points, 0))
   OR (g.state NOT IN ('settled', 'clawed_back') AND b.points IS NOT NULL)
   OR (g.state = 'released' AND (r.kind IS NULL OR r.kind NOT IN ('release', 'expire')))""",
    ),
    Check(
        "rewards-have-grants",
        "Every reward in the ledger has its grant.",
        """
SELECT CAST(t.id AS TEXT), 'a reward of ' || t.amount || ' that no grant names'
FROM ledger_transfer t
WHERE t.template = 'session_reward' AND t.position = 0 AND t.kind IN ('direct', 'hold')
  AND NOT EXISTS (SELECT 1 FROM reward_grant g WHERE g.transaction_key = t.key)""",
    ),
    Check(
        "caps-count-grants",
        "Every cap counts what its driver's grants say, those that no longer name anybody included.",
        """
SELECT CAST(c.campaign_id AS TEXT) || ' ' || CAST(c.driver_id AS TEXT) || ' ' || c.period,
       'counts ' || c.points_used || ', granted ' || (coalesce(sum(g.points), 0) + c.points_unlinked)
FROM reward_cap c
LEFT JOIN reward_grant g ON g.driver_id = c.driver_id AND g.campaign_id = c.campaign_id
                        AND (c.period = 'total' OR c.period = g.local_date)
GROUP BY c.campaign_id, c.driver_id, c.period, c.points_used, c.points_unlinked
HAVING c.points_used <> coalesce(sum(g.points), 0) + c.points_unlinked
UNION ALL
SELECT CAST(n.campaign_id AS TEXT) || ' ' || CAST(n.driver_id AS TEXT) || ' ' || n.period,
       'counts nothing, granted ' || n.points
FROM (
  SELECT g.campaign_id, g.driver_id, g.local_date AS period, sum(g.points) AS points
  FROM reward_grant g JOIN campaign m ON m.id = g.campaign_id WHERE m.driver_day_points_max IS NOT NULL
  GROUP BY g.campaign_id, g.driver_id, g.local_date
  UNION ALL
  SELECT g.campaign_id, g.driver_id, 'total', sum(g.points)
  FROM reward_grant g JOIN campaign m ON m.id = g.campaign_id WHERE m.driver_points_max IS NOT NULL
  GROUP BY g.campaign_id, g.driver_id
) n
WHERE n.points > 0
  AND NOT EXISTS (SELECT 1 FROM driver d WHERE d.id = n.driver_id AND d.reference = 'unlinked')
  AND NOT EXISTS (SELECT 1 FROM reward_cap c WHERE c.driver_id = n.driver_id AND c.campaign_id = n.campaign_id
                  AND c.period = n.period)""",
    ),
    Check(
        "caps-kept",
        "No cap is passed, and each is the one of its campaign.",
        """
SELECT CAST(c.campaign_id AS TEXT) || ' ' || CAST(c.driver_id AS TEXT) || ' ' || c.period,
       c.points_used || ' of ' || c.points_max || ', the campaign says '
       || coalesce(CAST(CASE c.period WHEN 'total' THEN m.driver_points_max ELSE m.driver_day_points_max END AS TEXT),
                   'nothing')
FROM reward_cap c JOIN campaign m ON m.id = c.campaign_id
WHERE c.points_used > c.points_max OR c.points_unlinked < 0 OR c.points_unlinked > c.points_used
   OR c.points_max <> coalesce(CASE c.period WHEN 'total' THEN m.driver_points_max ELSE m.driver_day_points_max END, 0)""",
    ),
    Check(
        "fundings-are-posted",
        "Every funding of a campaign has its transfers, and every such posting its funding.",
        """
SELECT CAST(f.id AS TEXT), 'recorded ' || f.net || ' and ' || f.fee || ', booked ' || coalesce(sum(t.amount), 0)
FROM campaign_funding f
LEFT JOIN ledger_transfer h ON h.key = f.transaction_key AND h.template = 'campaign_funding' AND h.position = 0
LEFT JOIN ledger_transfer t ON t.transaction_id = h.transaction_id
GROUP BY f.id, f.net, f.fee, h.amount
HAVING h.amount IS NULL OR h.amount <> f.net OR sum(t.amount) <> f.net + f.fee
UNION ALL
SELECT CAST(t.id AS TEXT), 'a funding of ' || t.amount || ' that no campaign records'
FROM ledger_transfer t WHERE t.template = 'campaign_funding' AND t.position = 0
  AND NOT EXISTS (SELECT 1 FROM campaign_funding f WHERE f.transaction_key = t.key)""",
    ),
    *RETURN_CHECKS,
    *DISPUTE_CHECKS,
)
