"""The ledger's statements on SQLite: `json_each` for lists in, `executemany` for rows in.

The caller's transaction began IMMEDIATE, so everything read here is locked already.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from nerava.ledger.accounts import AccountState
from nerava.ledger.decide import OpenHold
from nerava.ledger.lots import Restorable
from nerava.ledger.store import LotRow, in_parts, names_of
from nerava.ledger.values import PostedTransfer
from nerava.platform.db.types import instant_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from nerava.ledger.decide import Decision, State
    from nerava.ledger.store import Batch

_LOCK: Final = """
SELECT account_id, asset, lane, floor, ceiling, closed, keeps_lots, debits_posted, credits_posted, debits_pending,
       credits_pending, sequence, last_posted_at
FROM ledger_balance WHERE account_id IN (SELECT value FROM json_each(?))
"""
_ANY_KNOWN: Final = """
SELECT EXISTS (SELECT 1 FROM ledger_transfer WHERE key IN (SELECT value FROM json_each(?))),
       (SELECT group_concat(name, ' ') FROM kill_switch WHERE is_on)
"""
_BY_KEY: Final = """
SELECT id, key, fingerprint, transaction_id, position, template, kind, debit, credit, asset, amount, hold_id,
       expires_at, debit_sequence, credit_sequence, debit_posted, debit_available, credit_posted, credit_available,
       effective_at, posted_at, lane, batch_id, actor, metadata, digest
FROM ledger_transfer WHERE key IN (SELECT value FROM json_each(?))
"""
_OPEN_HOLDS: Final = """
SELECT hold_id, key, debit, credit, asset, amount, expires_at, lane
FROM ledger_open_hold WHERE key IN (SELECT value FROM json_each(?))
"""
_EXPIRING_LOTS: Final = """
SELECT id, account_id, key, granted, remaining, source, expires_at FROM ledger_lot
WHERE account_id = ? AND remaining > 0 AND expires_at IS NOT NULL ORDER BY expires_at, id
"""
_LASTING_LOTS: Final = """
SELECT id, account_id, key, granted, remaining, source, expires_at FROM ledger_lot
WHERE account_id = ? AND remaining > 0 AND expires_at IS NULL ORDER BY id
"""
_LOTS_BY_KEY: Final = """
SELECT id, account_id, key, granted, remaining, source, expires_at FROM ledger_lot
WHERE key IN (SELECT value FROM json_each(?)) AND remaining > 0
"""
_RESTORABLE: Final = """
SELECT u.id, u.amount - coalesce((SELECT sum(b.granted) FROM ledger_lot b WHERE b.restores = u.id), 0), l.source,
       l.expires_at
FROM ledger_lot_use u JOIN ledger_lot l ON l.id = u.lot_id JOIN ledger_transfer t ON t.key = u.key
WHERE u.key = ? AND l.account_id = t.debit ORDER BY u.id DESC
"""
_TRANSFERS: Final = """
INSERT INTO ledger_transfer (id, key, fingerprint, transaction_id, position, template, kind, debit, credit, asset,
  amount, hold_id, expires_at, debit_sequence, credit_sequence, debit_posted, debit_available, credit_posted,
  credit_available, effective_at, posted_at, lane, batch_id, actor, metadata, digest)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_BALANCES: Final = """
UPDATE ledger_balance SET debits_posted = ?, credits_posted = ?, debits_pending = ?, credits_pending = ?, sequence = ?,
  last_posted_at = ?
WHERE account_id = ? AND asset = ?
"""
_OPEN: Final = """
INSERT INTO ledger_open_hold (hold_id, key, debit, credit, asset, amount, expires_at, lane)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_CLOSE: Final = "DELETE FROM ledger_open_hold WHERE hold_id IN (SELECT value FROM json_each(?))"
_NEW_LOTS: Final = """
INSERT INTO ledger_lot (id, account_id, key, granted, remaining, source, expires_at, restores)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_LOTS: Final = "UPDATE ledger_lot SET remaining = ? WHERE id = ?"
_USES: Final = "INSERT INTO ledger_lot_use (id, lot_id, key, amount) VALUES (?, ?, ?, ?)"
_BATCH: Final = (
    "INSERT INTO ledger_batch (id, lane, transfers, content_hash, posted_at) VALUES (?, ?, ?, ?, ?)"
)
_UNSEALED: Final = "INSERT INTO ledger_unsealed (batch_id, lane) VALUES (?, ?)"


class SqliteEngine:
    """`Engine` for SQLite, on one cursor of the standard library's driver."""

    def __init__(self, cursor: Any) -> None:  # noqa: ANN401 - the driver's cursor, behind SQLAlchemy's proxy
        self._cursor = cursor
        self.stops: frozenset[str] = frozenset()
        self.in_parts = False

    def lock_accounts(self, ids: Sequence[str], keys: Sequence[str]) -> tuple[list[AccountState], bool]:
        """Return balances (the whole file is locked), and whether a key is known; find what is switched off."""
        accounts = [AccountState(*(*row[:-1], _at(row[-1]))) for row in self._all(_LOCK, ids)]
        self._cursor.execute(_ANY_KNOWN, (orjson.dumps(keys).decode(),))
        any_known, stops = self._cursor.fetchone()
        self.stops = names_of(stops)
        self.in_parts = in_parts(keys)
        return accounts, bool(any_known)

    def transfers_by_key(self, keys: Sequence[str]) -> list[PostedTransfer]:
        """Return the rows that have these keys."""
        return [posted_transfer(row) for row in self._all(_BY_KEY, keys)]

    def open_holds(self, keys: Sequence[str]) -> list[OpenHold]:
        """Return the open holds that have these keys."""
        return [OpenHold(*(*row[:6], _at(row[6]), row[7])) for row in self._all(_OPEN_HOLDS, keys)]

    def open_lots(self, needed: Mapping[str, int]) -> list[LotRow]:
        """Return open lots by account, each oldest expiry first, until they cover what is needed."""
        return [lot for account, least in needed.items() for lot in self._lots_of(account, least)]

    def _lots_of(self, account: str, needed: int) -> list[LotRow]:
        rows: list[LotRow] = []
        # Two statements, because one ORDER BY with NULLS LAST would sort every lot of the account.
        for statement in (_EXPIRING_LOTS, _LASTING_LOTS):
            self._cursor.execute(statement, (account,))
            while needed > 0 and (row := self._cursor.fetchone()) is not None:
                rows.append(_lot(row))
                needed -= rows[-1].remaining
        return rows

    def lots_by_key(self, keys: Sequence[str]) -> list[LotRow]:
        """Return the open lots that these transfers created."""
        return [_lot(row) for row in self._all(_LOTS_BY_KEY, keys)]

    def restorable(self, key: str) -> list[Restorable]:
        """Return what a transfer consumed and nothing has brought back, last use first."""
        self._cursor.execute(_RESTORABLE, (key,))
        return [Restorable(*(*row[:3], _at(row[3]))) for row in self._cursor.fetchall() if row[1] > 0]

    def ahead(self) -> AbstractContextManager[None]:
        """Do nothing: this database works in the caller's own thread."""
        return nullcontext()

    def write_ahead(self, rows: Sequence[PostedTransfer]) -> None:
        """Insert transfers of a batch that `write` completes."""
        self._cursor.executemany(_TRANSFERS, [_transfer_row(row) for row in rows])

    def write(self, decision: Decision, state: State, batch: Batch) -> None:
        """Write what was decided."""
        many = self._cursor.executemany
        self._cursor.execute(
            _BATCH, (batch.id, batch.lane, batch.transfers, batch.content_hash, instant_text(batch.posted_at))
        )
        self._cursor.execute(_UNSEALED, (batch.id, batch.lane))
        self.write_ahead(decision.transfers)
        many(
            _BALANCES,
            [
                (
                    one.debits_posted,
                    one.credits_posted,
                    one.debits_pending,
                    one.credits_pending,
                    one.sequence,
                    _text(one.last_posted_at),
                    one.id,
                    one.asset,
                )
                for one in state.accounts.values()
                if one.touched
            ],
        )
        if decision.opened:
            many(_OPEN, [(*hold[:6], _text(hold.expires_at), hold.lane) for hold in decision.opened])
        if decision.closed:
            self._cursor.execute(_CLOSE, (orjson.dumps(decision.closed).decode(),))
        self._write_lots(state)

    def _write_lots(self, state: State) -> None:
        many, shelf = self._cursor.executemany, state.shelf
        if shelf.created:
            many(
                _NEW_LOTS,
                [
                    (
                        lot.id,
                        lot.account,
                        lot.key,
                        lot.granted,
                        lot.remaining,
                        lot.source,
                        _text(lot.expires_at),
                        lot.restores,
                    )
                    for lot in shelf.created
                ],
            )
        if shelf.changed:
            many(_LOTS, [(lot.remaining, lot.id) for lot in shelf.changed.values()])
        if shelf.uses:
            many(_USES, shelf.uses)

    def _all(self, statement: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        if not ids:
            return []
        self._cursor.execute(statement, (orjson.dumps(ids).decode(),))
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows


def posted_transfer(row: tuple[Any, ...]) -> PostedTransfer:
    """Return a row of `ledger_transfer`, its columns in the order of `PostedTransfer`."""
    return PostedTransfer(*(*row[:12], _at(row[12]), *row[13:19], _at(row[19]), _at(row[20]), *row[21:]))


def _transfer_row(row: PostedTransfer) -> tuple[object, ...]:
    return (
        *row[:12],
        _text(row.expires_at),
        *row[13:19],
        instant_text(row.effective_at),
        instant_text(row.posted_at),
        *row[21:],
    )


def _lot(row: tuple[Any, ...]) -> LotRow:
    return LotRow(*(*row[:6], _at(row[6])))


@lru_cache(maxsize=4_096)
def _at(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).astimezone(UTC)


def _text(at: datetime | None) -> str | None:
    return None if at is None else instant_text(at)
