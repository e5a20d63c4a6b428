"""The audit: every invariant of the ledger as one query that must find nothing.

Numbers in brackets are those of `docs/RELIABILITY.md`. Other packages that keep rows beside the
ledger hand in checks of their own; the command and the tests run all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from nerava.ledger.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy.orm import Session

FINDINGS_MAX: Final = 100
"""How many findings of one check are reported; the first is enough to stop the house."""


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant.

    Attributes:
        name: Stable and short, kebab-case.
        promise: What holds, as a sentence.
        query: SQL that gives one row (subject, detail) per break, on both databases.
        is_light: It reads what is there now and none of the history.
    """

    name: str
    promise: str
    query: str
    is_light: bool = False


_ENTRIES: Final = """
entry AS (
  SELECT debit AS account, debit_sequence AS sequence, debit_posted AS posted, debit_available AS available,
         posted_at, kind, amount, hold_id, -1 AS sign FROM ledger_transfer
  UNION ALL
  SELECT credit, credit_sequence, credit_posted, credit_available, posted_at, kind, amount, hold_id, 1
  FROM ledger_transfer
)"""

_CODE: Final = "(SELECT code FROM ledger_account WHERE id = {account})"


def _named(account: str) -> str:
    return f"coalesce({_CODE.format(account=account)}, CAST({account} AS TEXT))"


CHECKS: Final = (
    Check(
        "accounts-are-whole",
        "Every account has one balance, of its own asset and lane, and its asset is defined.",
        """
SELECT coalesce(a.code, CAST(b.account_id AS TEXT)), 'account ' || coalesce(a.asset || ' in ' || a.lane, 'missing')
       || ', balance ' || coalesce(b.asset || ' in ' || b.lane, 'missing')
FROM ledger_account a FULL JOIN ledger_balance b ON b.account_id = a.id
LEFT JOIN ledger_asset s ON s.code = a.asset
WHERE a.id IS NULL OR b.account_id IS NULL OR s.code IS NULL OR a.asset <> b.asset OR a.lane <> b.lane""",
        is_light=True,
    ),
    Check(
        "debits-equal-credits",
        "Per asset, debits equal credits, posted and pending.",
        """
SELECT asset, 'posted ' || sum(debits_posted) || ' against ' || sum(credits_posted) || ', pending '
       || sum(debits_pending) || ' against ' || sum(credits_pending)
FROM ledger_balance GROUP BY asset
HAVING sum(debits_posted) <> sum(credits_posted) OR sum(debits_pending) <> sum(credits_pending)""",
        is_light=True,
    ),
    Check(
        "counters-match-history",
        "The posted counters of every account are what its transfers say.",
        f"""
WITH moved AS (
  SELECT account, sum(d) AS d, sum(c) AS c FROM (
    SELECT debit AS account, amount AS d, 0 AS c FROM ledger_transfer WHERE kind IN ('direct', 'capture')
    UNION ALL SELECT credit, 0, amount FROM ledger_transfer WHERE kind IN ('direct', 'capture')
  ) AS sides GROUP BY account
)
SELECT {_named("b.account_id")}, 'counters ' || b.debits_posted || '/' || b.credits_posted || ', history '
       || coalesce(m.d, 0) || '/' || coalesce(m.c, 0)
FROM ledger_balance b LEFT JOIN moved m ON m.account = b.account_id
WHERE b.debits_posted <> coalesce(m.d, 0) OR b.credits_posted <> coalesce(m.c, 0)""",
    ),
    Check(
        "pending-is-open-holds",
        "The pending counters of every account are the sum of its open holds.",
        f"""
WITH held AS (
  SELECT account, sum(d) AS d, sum(c) AS c FROM (
    SELECT debit AS account, amount AS d, 0 AS c FROM ledger_open_hold
    UNION ALL SELECT credit, 0, amount FROM ledger_open_hold
  ) AS sides GROUP BY account
)
SELECT {_named("b.account_id")}, 'pending ' || b.debits_pending || '/' || b.credits_pending || ', held '
       || coalesce(h.d, 0) || '/' || coalesce(h.c, 0)
FROM ledger_balance b LEFT JOIN held h ON h.account = b.account_id
WHERE b.debits_pending <> coalesce(h.d, 0) OR b.credits_pending <> coalesce(h.c, 0)""",
        is_light=True,
    ),
    Check(
        "open-holds-are-holds",
        "The work list of holds is exactly the holds that nothing has resolved.",
        """
SELECT CAST(t.id AS TEXT), 'unresolved, but not on the list' FROM ledger_transfer t
WHERE t.kind = 'hold' AND NOT EXISTS (SELECT 1 FROM ledger_transfer r WHERE r.hold_id = t.id)
  AND NOT EXISTS (SELECT 1 FROM ledger_open_hold o WHERE o.hold_id = t.id AND o.key = t.key AND o.amount = t.amount
                  AND o.debit = t.debit AND o.credit = t.credit AND o.asset = t.asset AND o.lane = t.lane
                  AND (o.expires_at = t.expires_at OR o.expires_at IS NULL AND t.expires_at IS NULL))
UNION ALL
SELECT CAST(o.hold_id AS TEXT), 'on the list, but resolved or no hold' FROM ledger_open_hold o
WHERE EXISTS (SELECT 1 FROM ledger_transfer r WHERE r.hold_id = o.hold_id)
   OR NOT EXISTS (SELECT 1 FROM ledger_transfer t WHERE t.id = o.hold_id AND t.kind = 'hold')""",
    ),
    Check(
        "captures-within-holds",
        "A resolution names the hold's own accounts and at most its amount.",
        """
SELECT CAST(r.id AS TEXT), r.kind || ' of ' || r.amount || ' for a hold of ' || h.amount
FROM ledger_transfer r JOIN ledger_transfer h ON h.id = r.hold_id
WHERE h.kind <> 'hold' OR r.debit <> h.debit OR r.credit <> h.credit OR r.amount > h.amount
   OR (r.kind IN ('release', 'expire') AND r.amount <> h.amount)""",
    ),
    Check(
        "limits-kept",
        "No account is below its floor or above its ceiling, holds included.",
        f"""
SELECT {_named("account_id")}, 'available ' || (credits_posted - debits_posted - debits_pending) || ', floor '
       || coalesce(CAST(floor AS TEXT), 'none') || ', ceiling ' || coalesce(CAST(ceiling AS TEXT), 'none')
FROM ledger_balance
WHERE credits_posted - debits_posted - debits_pending < floor
   OR credits_posted - debits_posted + credits_pending > ceiling""",
        is_light=True,
    ),
    Check(
        "sequences-dense",
        "Every account's transfers are numbered 1, 2, 3 … without a gap or a double.",
        f"""
WITH {_ENTRIES}
SELECT {_named("b.account_id")}, 'sequence ' || b.sequence || ', transfers ' || count(e.sequence) || ', numbered '
       || coalesce(CAST(min(e.sequence) AS TEXT), '-') || ' to ' || coalesce(CAST(max(e.sequence) AS TEXT), '-')
FROM ledger_balance b LEFT JOIN entry e ON e.account = b.account_id
GROUP BY b.account_id, b.sequence
HAVING count(e.sequence) <> b.sequence OR count(DISTINCT e.sequence) <> b.sequence
    OR coalesce(max(e.sequence), 0) <> b.sequence""",
    ),
    Check(
        "balances-follow-each-other",
        "Each balance after is the one before, plus or minus the amount, and time does not run back.",
        f"""
WITH {_ENTRIES},
step AS (
  SELECT account, sequence, posted, posted_at,
         CASE WHEN kind IN ('direct', 'capture') THEN sign * amount ELSE 0 END AS change,
         lag(posted, 1, 0) OVER w AS before, lag(posted_at) OVER w AS earlier
  FROM entry WINDOW w AS (PARTITION BY account ORDER BY sequence)
)
SELECT {_named("account")}, 'number ' || sequence || ': ' || before || ' and ' || change || ' is not ' || posted
FROM step WHERE posted <> before + change OR posted_at < earlier""",
    ),
    Check(
        "last-balance-is-current",
        "The balance after an account's last transfer, and its instant, are those of the account now.",
        f"""
WITH {_ENTRIES}
SELECT {_named("b.account_id")}, 'last transfer says ' || e.posted || ' and ' || e.available || ' available'
FROM ledger_balance b JOIN entry e ON e.account = b.account_id AND e.sequence = b.sequence
WHERE e.posted <> b.credits_posted - b.debits_posted
   OR e.available <> b.credits_posted - b.debits_posted - b.debits_pending
   OR b.last_posted_at IS NULL OR b.last_posted_at <> e.posted_at""",
    ),
    Check(
        "one-asset-per-transfer",
        "Both accounts of a transfer hold its asset and belong to its lane.",
        """
SELECT CAST(t.id AS TEXT), t.asset || ' between ' || coalesce(d.asset, '-') || ' and ' || coalesce(c.asset, '-')
FROM ledger_transfer t LEFT JOIN ledger_account d ON d.id = t.debit LEFT JOIN ledger_account c ON c.id = t.credit
WHERE d.asset IS NULL OR c.asset IS NULL OR d.asset <> t.asset OR c.asset <> t.asset
   OR d.lane <> t.lane OR c.lane <> t.lane""",
    ),
    Check(
        "points-are-backed",
        "The reserve holds exactly the cash behind every Nova in circulation.",
        """
SELECT 'nova:reserve', 'reserve ' || reserve || ', in circulation ' || circulation FROM (
  SELECT coalesce((SELECT sum(b.credits_posted - b.debits_posted) FROM ledger_balance b
                   JOIN ledger_account a ON a.id = b.account_id WHERE a.kind = 'nova_reserve'), 0) AS reserve,
         coalesce((SELECT sum(b.debits_posted - b.credits_posted) FROM ledger_balance b
                   JOIN ledger_account a ON a.id = b.account_id WHERE a.kind = 'nova_issuance'), 0) AS circulation
) AS totals WHERE reserve <> circulation""",
        is_light=True,
    ),
    Check(
        "lots-cover-balances",
        "What is left of an account's lots is its balance; below zero there is nothing left.",
        f"""
SELECT {_named("b.account_id")}, 'balance ' || (b.credits_posted - b.debits_posted) || ', lots ' || coalesce(l.left, 0)
FROM ledger_balance b
LEFT JOIN (SELECT account_id, sum(remaining) AS left FROM ledger_lot GROUP BY account_id) l
  ON l.account_id = b.account_id
WHERE (b.keeps_lots AND coalesce(l.left, 0) <>
        CASE WHEN b.credits_posted > b.debits_posted THEN b.credits_posted - b.debits_posted ELSE 0 END)
   OR (NOT b.keeps_lots AND coalesce(l.left, 0) <> 0)""",
        is_light=True,
    ),
    Check(
        "lots-add-up",
        "What is left of a lot is what was granted less what was used.",
        """
SELECT CAST(l.id AS TEXT), 'granted ' || l.granted || ', used ' || coalesce(u.used, 0) || ', left ' || l.remaining
FROM ledger_lot l LEFT JOIN (SELECT lot_id, sum(amount) AS used FROM ledger_lot_use GROUP BY lot_id) u ON u.lot_id = l.id
WHERE l.granted - coalesce(u.used, 0) <> l.remaining""",
    ),
    Check(
        "batches-are-whole",
        "Every transfer belongs to a batch of its lane, and every batch has the transfers it states.",
        """
SELECT CAST(coalesce(b.id, t.batch_id) AS TEXT), 'states ' || coalesce(CAST(b.transfers AS TEXT), 'nothing')
       || ', has ' || coalesce(t.n, 0)
FROM ledger_batch b FULL JOIN (SELECT batch_id, count(*) AS n, min(lane) AS first_lane, max(lane) AS last_lane
                               FROM ledger_transfer GROUP BY batch_id) t ON t.batch_id = b.id
WHERE b.transfers IS NULL OR b.transfers <> coalesce(t.n, 0) OR b.lane <> t.first_lane OR b.lane <> t.last_lane
UNION ALL
SELECT CAST(u.batch_id AS TEXT), 'waits for the chain of lane ' || u.lane
FROM ledger_unsealed u LEFT JOIN ledger_batch b ON b.id = u.batch_id WHERE b.lane IS NULL OR b.lane <> u.lane""",
    ),
    Check(
        "transactions-are-whole",
        "Every transaction has its transfers in one batch, numbered from 0 without a gap.",
        """
SELECT CAST(transaction_id AS TEXT), count(*) || ' transfers, numbered to ' || max(position)
FROM ledger_transfer GROUP BY transaction_id
HAVING min(position) <> 0 OR max(position) <> count(*) - 1 OR count(DISTINCT position) <> count(*)
    OR count(DISTINCT batch_id) <> 1 OR count(DISTINCT fingerprint) <> 1""",
    ),
)


def audit(
    session: Session,
    more: Iterable[Check] = (),
    *,
    on_check: Callable[[Check, int], None] | None = None,
    only_light: bool = False,
) -> list[Finding]:
    """Run every check on the session's snapshot and return what is broken; an empty list is clean.

    Args:
        session: A reading session; one snapshot for all checks.
        more: Checks of packages that keep rows beside the ledger.
        on_check: Told of each check and its number of findings as soon as it is done.
        only_light: Leave out the checks that read history.
    """
    findings: list[Finding] = []
    for check in (*CHECKS, *more):
        if only_light and not check.is_light:
            continue
        rows = session.execute(text(check.query)).fetchmany(FINDINGS_MAX)
        findings += [Finding(check.name, str(subject), str(detail)) for subject, detail in rows]
        if on_check is not None:
            on_check(check, len(rows))
    return findings
