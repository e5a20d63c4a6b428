"""Puts an engine of the ledger beside the oracle: the port it must offer, and the comparison."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from nerava.ledger.accounts import account_id
from nerava.ledger.values import Kind, Status
from tests.ledger.oracle import Balance, Movement, Oracle

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from nerava.ledger.accounts import AccountSpec
    from nerava.ledger.values import Chain, PostedTransfer, Verdict
    from tests.ledger.lot_walk import LotView


class LedgerPort(Protocol):
    """What an engine offers so that the state machine can drive it.

    `namespace` opens every account code and every fact of a run. It is empty where each run has
    a database of its own, and unlike any earlier one where runs share a database.
    """

    namespace: str

    def open(self, specs: Sequence[AccountSpec]) -> None:
        """Open accounts; the same one once more is nothing."""

    def close(self, code: str) -> None:
        """Close an account, whatever it holds."""

    def post_batch(self, chains: Sequence[Chain], now: datetime) -> list[Verdict]:
        """Decide chains of one lane as one group commit, in this order."""

    def balances(self, codes: Collection[str]) -> Mapping[str, Balance]:
        """Return the counters of these accounts as stored."""

    def lots(self, codes: Collection[str]) -> Mapping[str, Collection[LotView]]:
        """Return every lot of these accounts as stored, the used-up ones included."""

    def open_holds(self) -> Mapping[UUID, datetime | None]:
        """Return the work list for expiry: hold keys and their instants.

        Where runs share a database, holds of other runs may be among them.
        """

    def audit(self) -> list[str]:
        """Return the findings of the engine's own audit; none when all is well."""

    def crash(self) -> None:
        """Lose everything that is only in memory, and open again."""

    def dispose(self) -> None:
        """Give back what the run has taken."""


class Disagreement(AssertionError):
    """The engine and the oracle do not say the same."""


class Referee:
    """One run of an engine beside the oracle. Whatever differs raises `Disagreement`."""

    def __init__(self, port: LedgerPort) -> None:
        self.port = port
        self.oracle = Oracle()
        self.statuses: Counter[Status] = Counter()
        self._first_answers: dict[UUID, tuple[PostedTransfer, ...]] = {}
        self._row_ids: dict[UUID, str] = {}

    def open(self, specs: Sequence[AccountSpec]) -> None:
        """Open accounts on both."""
        self.port.open(specs)
        for spec in specs:
            self.oracle.open(spec)

    def close(self, code: str) -> None:
        """Close an account on both."""
        self.port.close(code)
        self.oracle.close(code)

    def post(self, chains: Sequence[Chain], now: datetime) -> list[Status]:
        """Post one batch to both and compare every verdict, row by row."""
        verdicts = self.port.post_batch(chains, now)
        _same("number of verdicts", len(chains), len(verdicts))
        for chain, verdict in zip(chains, verdicts, strict=True):
            status, failed_at = self.oracle.post(chain, now)
            self.statuses[status] += 1
            what = f"verdict on {_told(chain)}"
            _same(what, (status, failed_at), (verdict.status, verdict.failed_at))
            self._compare_rows(chain, verdict)
        return [verdict.status for verdict in verdicts]

    def _compare_rows(self, chain: Chain, verdict: Verdict) -> None:
        if not verdict.ok:
            _same(f"rows of the refused {_told(chain)}", (), verdict.transfers)
            return
        if verdict.status is Status.EXISTS:
            _same(
                f"repeated answer to {_told(chain)}",
                self._first_answers[chain.key],
                verdict.transfers,
            )
            return
        expected = self.oracle.rows_of_chain(chain.key)
        _same(f"number of rows of {_told(chain)}", len(expected), len(verdict.transfers))
        for movement, row in zip(expected, verdict.transfers, strict=True):
            what = f"row {movement.position} of {_told(chain)}"
            _same(what, self._row_of(movement), _seen(row))
            if row.id in self._row_ids.values():
                raise Disagreement(f"{what} has an id that another row has: {row.id}")
            self._row_ids[movement.key] = row.id
        transactions = {row.transaction_id for row in verdict.transfers}
        earlier = {rows[0].transaction_id for rows in self._first_answers.values()}
        if len(transactions) != 1 or transactions & earlier:
            raise Disagreement(f"{_told(chain)} is not one transaction of its own: {transactions}")
        self._first_answers[chain.key] = verdict.transfers

    def _row_of(self, one: Movement) -> dict[str, object]:
        """Return what the row of this movement must say, as far as the rules decide it."""
        kind = one.asked.kind
        resolves = kind not in (Kind.DIRECT, Kind.HOLD)
        row: dict[str, object] = {
            "key": one.key,
            "fingerprint": one.chain.fingerprint(),
            "position": one.position,
            "template": one.chain.template,
            "kind": kind,
            "debit": account_id(one.debit),
            "credit": account_id(one.credit),
            "asset": self.oracle.accounts[one.debit].asset,
            "amount": one.amount,
            "hold_id": self._row_ids.get(one.asked.hold_key) if resolves and one.asked.hold_key else None,
            "debit_sequence": one.debit_after.sequence,
            "credit_sequence": one.credit_after.sequence,
            "debit_posted": one.debit_after.posted,
            "debit_available": one.debit_after.available,
            "credit_posted": one.credit_after.posted,
            "credit_available": one.credit_after.available,
            "effective_at": one.effective_at,
            "posted_at": one.posted_at,
            "lane": one.chain.lane,
            "actor": one.chain.actor,
        }
        if kind is Kind.HOLD:
            row["expires_at"] = one.asked.expires_at
        return row

    def compare(self) -> None:
        """Compare everything that is stored, and ask the engine's own audit."""
        stored = self.port.balances(self.oracle.accounts)
        for code in self.oracle.accounts:
            _same(f"balance of {code}", self.oracle.balances(code), stored[code])
        self._compare_sums(stored)
        expected_lots = self.oracle.all_lots()
        stored_lots = self.port.lots(expected_lots)
        for code, lots in expected_lots.items():
            _same(f"lots of {code}", lots, Counter(stored_lots[code]))
            remaining = sum(lot.remaining for lot in lots.elements())
            _same(f"sum of the lots of {code}", max(0, stored[code].posted), remaining)
        expected = {key: one.asked.expires_at for key, one in self.oracle.open_holds().items()}
        holds = self.port.open_holds()
        if self.port.namespace:
            holds = {key: at for key, at in holds.items() if key in self._row_ids}
        _same("open holds", expected, dict(holds))
        _same("findings of the audit", [], self.port.audit())

    def _compare_sums(self, stored: Mapping[str, Balance]) -> None:
        for asset in {spec.asset for spec in self.oracle.accounts.values()}:
            mine = [one for code, one in stored.items() if self.oracle.accounts[code].asset == asset]
            debits, credits_ = sum(b.debits_posted for b in mine), sum(b.credits_posted for b in mine)
            _same(f"posted credits of {asset}", debits, credits_)
            debits, credits_ = sum(b.debits_pending for b in mine), sum(b.credits_pending for b in mine)
            _same(f"pending credits of {asset}", debits, credits_)


def _seen(row: PostedTransfer) -> dict[str, object]:
    """Return what the engine's row says of the things that the rules decide."""
    skipped = {"id", "transaction_id", "batch_id", "metadata", "digest", "expires_at"}
    seen: dict[str, object] = {k: v for k, v in row._asdict().items() if k not in skipped}
    seen["key"] = UUID(row.key)
    if row.kind == Kind.HOLD:
        seen["expires_at"] = row.expires_at
    return seen


def _same(what: str, expected: object, got: object) -> None:
    if expected == got:
        return
    if isinstance(expected, dict) and isinstance(got, dict):
        differing = [key for key in expected.keys() | got.keys() if expected.get(key) != got.get(key)]
        expected = {key: expected.get(key) for key in differing}
        got = {key: got.get(key) for key in differing}
    raise Disagreement(f"{what}: the oracle says {expected!r}, the engine {got!r}")


def _told(chain: Chain) -> str:
    return f"chain {chain.key} ({chain.template}, {[str(one.kind) for one in chain.transfers]})"
