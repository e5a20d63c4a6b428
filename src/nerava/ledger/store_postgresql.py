"""The ledger's statements on PostgreSQL: arrays in, one statement a table.

Arrays travel as text literals: the driver's own list adaptation costs about a microsecond an
element, joining text a tenth of it.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from nerava.ledger.accounts import AccountState
from nerava.ledger.decide import OpenHold
from nerava.ledger.hashing import canonical_json, instant, metadata_of
from nerava.ledger.lots import Restorable
from nerava.ledger.store import LotRow, in_parts, names_of
from nerava.ledger.values import PostedTransfer

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nerava.ledger.decide import Decision, State
    from nerava.ledger.lots import Lot, LotUse
    from nerava.ledger.store import Batch

_LOCK: Final = """
SELECT account_id::text, asset, lane, floor, ceiling, closed, keeps_lots, debits_posted, credits_posted,
       debits_pending, credits_pending, sequence, last_posted_at,
       (SELECT string_agg(name, ' ') FROM kill_switch WHERE is_on),
       (SELECT count(*) > 0 FROM ledger_transfer WHERE key = ANY(%s::uuid[]))
FROM ledger_balance WHERE account_id = ANY(%s::uuid[]) ORDER BY account_id FOR NO KEY UPDATE
"""
_BY_KEY: Final = """
SELECT id::text, key::text, fingerprint, transaction_id::text, position, template, kind, debit::text, credit::text,
       asset, amount, hold_id::text, expires_at, debit_sequence, credit_sequence, debit_posted, debit_available,
       credit_posted, credit_available, effective_at, posted_at, lane, batch_id::text, actor, metadata::text, digest
FROM ledger_transfer WHERE key = ANY(%s::uuid[])
"""
_OPEN_HOLDS: Final = """
SELECT hold_id::text, key::text, debit::text, credit::text, asset, amount, expires_at, lane
FROM ledger_open_hold WHERE key = ANY(%s::uuid[])
"""
_OPEN_LOTS: Final = """
SELECT l.id::text, l.account_id::text, l.key::text, l.granted, l.remaining, l.source, l.expires_at
FROM unnest(%s::uuid[]) WITH ORDINALITY AS w (account_id, position)
CROSS JOIN LATERAL (
  SELECT * FROM ledger_lot WHERE account_id = w.account_id AND remaining > 0
  ORDER BY expires_at NULLS LAST, id LIMIT %s
) l
ORDER BY w.position, l.expires_at NULLS LAST, l.id
"""
_LOTS_BY_KEY: Final = """
SELECT id::text, account_id::text, key::text, granted, remaining, source, expires_at
FROM ledger_lot WHERE key = ANY(%s::uuid[]) AND remaining > 0
"""
_RESTORABLE: Final = """
SELECT u.id::text, u.amount - coalesce((SELECT sum(b.granted) FROM ledger_lot b WHERE b.restores = u.id), 0)::bigint,
       l.source, l.expires_at
FROM ledger_lot_use u JOIN ledger_lot l ON l.id = u.lot_id JOIN ledger_transfer t ON t.key = u.key
WHERE u.key = %s::uuid AND l.account_id = t.debit ORDER BY u.id DESC
"""
_ANY_KNOWN: Final = "SELECT EXISTS (SELECT 1 FROM ledger_transfer WHERE key = ANY(%s::uuid[]))"
_TRANSFERS: Final = """
INSERT INTO ledger_transfer (id, key, fingerprint, transaction_id, position, template, kind, debit, credit, asset,
  amount, hold_id, expires_at, debit_sequence, credit_sequence, debit_posted, debit_available, credit_posted,
  credit_available, effective_at, posted_at, lane, batch_id, actor, metadata, digest)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::uuid[],
  %s::uuid[], %s::text[], %s::bigint[], %s::uuid[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[],
  %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::uuid[],
  %s::text[], %s::jsonb[], %s::bytea[])
"""
_WRITE: Final = """
WITH transfers AS (
  INSERT INTO ledger_transfer (id, key, fingerprint, transaction_id, position, template, kind, debit, credit, asset,
    amount, hold_id, expires_at, debit_sequence, credit_sequence, debit_posted, debit_available, credit_posted,
    credit_available, effective_at, posted_at, lane, batch_id, actor, metadata, digest)
  SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::bytea[], %s::uuid[], %s::int[], %s::text[], %s::text[], %s::uuid[],
    %s::uuid[], %s::text[], %s::bigint[], %s::uuid[], %s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::text[], %s::uuid[],
    %s::text[], %s::jsonb[], %s::bytea[])
), balances AS (
  UPDATE ledger_balance b SET debits_posted = v.dp, credits_posted = v.cp, debits_pending = v.dh,
    credits_pending = v.ch, sequence = v.sequence, last_posted_at = v.at
  FROM unnest(%s::uuid[], %s::text[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[],
    %s::timestamptz[]) AS v (id, asset, dp, cp, dh, ch, sequence, at)
  WHERE b.account_id = v.id AND b.asset = v.asset
), batch AS (
  INSERT INTO ledger_batch (id, lane, transfers, content_hash, posted_at)
  VALUES (%s::uuid, %s, %s, %s::bytea, %s) RETURNING id, lane
)
INSERT INTO ledger_unsealed (batch_id, lane) SELECT id, lane FROM batch
"""
_OPEN: Final = """
INSERT INTO ledger_open_hold (hold_id, key, debit, credit, asset, amount, expires_at, lane)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::uuid[], %s::text[], %s::bigint[], %s::timestamptz[],
  %s::text[])
"""
_CLOSE: Final = "DELETE FROM ledger_open_hold WHERE hold_id = ANY(%s::uuid[])"
_NEW_LOTS: Final = """
INSERT INTO ledger_lot (id, account_id, key, granted, remaining, source, expires_at, restores)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::bigint[], %s::bigint[], %s::text[], %s::timestamptz[],
  %s::uuid[])
"""
_LOTS: Final = """
UPDATE ledger_lot l SET remaining = v.remaining FROM unnest(%s::uuid[], %s::bigint[]) AS v (id, remaining)
WHERE l.id = v.id
"""
_USES: Final = """
INSERT INTO ledger_lot_use (id, lot_id, key, amount)
SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::uuid[], %s::bigint[])
"""
_PLAIN: Final = re.compile(r"[A-Za-z0-9_:.\-]+")
_FIRST_LOTS: Final = 16


class PostgresEngine:
    """`Engine` for PostgreSQL, on one psycopg cursor."""

    def __init__(self, cursor: Any) -> None:  # noqa: ANN401 - the driver's cursor, behind SQLAlchemy's proxy
        self._cursor = cursor
        self.stops: frozenset[str] = frozenset()
        self.in_parts = False

    def lock_accounts(self, ids: Sequence[str], keys: Sequence[str]) -> tuple[list[AccountState], bool]:
        """Lock balances in id order; the same round trip looks for `keys` and for switches that are on.

        The keys of a batch that is written in parts are looked up when the locks are held, because
        what is written of it cannot be decided anew.
        """
        self.in_parts = in_parts(keys)
        self._cursor.execute(_LOCK, (_plain(() if self.in_parts else keys), _plain(ids)))
        rows = self._cursor.fetchall()
        self.stops = names_of(rows[0][-2] if rows else None)
        any_known = not rows or rows[0][-1]
        if self.in_parts:
            self._cursor.execute(_ANY_KNOWN, (_plain(keys),))
            any_known = self._cursor.fetchone()[0]
        return [AccountState(*row[:-2]) for row in rows], any_known

    def transfers_by_key(self, keys: Sequence[str]) -> list[PostedTransfer]:
        """Return the rows that have these keys."""
        return [_posted(row) for row in self._all(_BY_KEY, keys)]

    def open_holds(self, keys: Sequence[str]) -> list[OpenHold]:
        """Return the open holds that have these keys."""
        return [OpenHold(*row) for row in self._all(_OPEN_HOLDS, keys)]

    def open_lots(self, needed: Mapping[str, int]) -> list[LotRow]:
        """Return open lots by account, each oldest expiry first, until they cover what is needed."""
        covered: list[LotRow] = []
        limit, missing = _FIRST_LOTS, list(needed)
        while missing:
            self._cursor.execute(_OPEN_LOTS, (_plain(missing), limit))
            found: dict[str, list[LotRow]] = {account: [] for account in missing}
            for row in self._cursor.fetchall():
                lot = LotRow(*row)
                found[lot.account].append(lot)
            missing = []
            for account, lots in found.items():
                if len(lots) < limit or sum(lot.remaining for lot in lots) >= needed[account]:
                    covered += lots
                else:
                    missing.append(account)
            limit *= 8
        return covered

    def lots_by_key(self, keys: Sequence[str]) -> list[LotRow]:
        """Return the open lots that these transfers created."""
        return [LotRow(*row) for row in self._all(_LOTS_BY_KEY, keys)]

    def restorable(self, key: str) -> list[Restorable]:
        """Return what a transfer consumed and nothing has brought back, last use first."""
        self._cursor.execute(_RESTORABLE, (key,))
        return [Restorable(*row) for row in self._cursor.fetchall() if row[1] > 0]

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Send statements without waiting for those before them; wait for all at the end."""
        with self._cursor.connection.pipeline() as pipeline:
            yield
            pipeline.sync()

    def write_ahead(self, rows: Sequence[PostedTransfer]) -> None:
        """Begin to insert transfers of a batch that `write` completes."""
        self._cursor.execute(_TRANSFERS, _transfer_arrays(rows))

    def write(self, decision: Decision, state: State, batch: Batch) -> None:
        """Write what was decided."""
        execute = self._cursor.execute
        touched = [one for one in state.accounts.values() if one.touched]
        execute(_WRITE, (*_transfer_arrays(decision.transfers), *_balance_arrays(touched), *batch))
        if decision.opened:
            execute(_OPEN, _hold_arrays(decision.opened))
        if decision.closed:
            execute(_CLOSE, (_plain(decision.closed),))
        shelf = state.shelf
        if shelf.created:
            execute(_NEW_LOTS, _lot_arrays(shelf.created))
        if shelf.changed:
            changed = shelf.changed.values()
            execute(_LOTS, (_plain(lot.id for lot in changed), _numbers(lot.remaining for lot in changed)))
        if shelf.uses:
            execute(_USES, _use_arrays(shelf.uses))

    def _all(self, statement: str, ids: Sequence[str]) -> list[tuple[Any, ...]]:
        if not ids:
            return []
        self._cursor.execute(statement, (_plain(ids),))
        rows: list[tuple[Any, ...]] = self._cursor.fetchall()
        return rows


def _posted(row: tuple[Any, ...]) -> PostedTransfer:
    """Return a row as it was written; PostgreSQL spells what it holds as JSON in its own way."""
    found = PostedTransfer(*row)
    return found._replace(metadata=canonical_json(metadata_of(found.metadata)))


def _plain(values: Iterable[str]) -> str:
    """Return an array of ids or words that need no quotes."""
    return "{" + ",".join(values) + "}"


def _optional(values: Iterable[str | None]) -> str:
    return "{" + ",".join([value or "NULL" for value in values]) + "}"


def _numbers(values: Iterable[int]) -> str:
    return "{" + ",".join(map(str, values)) + "}"


def _texts(values: Iterable[str]) -> str:
    return "{" + ",".join(map(_text, values)) + "}"


@lru_cache(maxsize=4_096)
def _text(value: str) -> str:
    plain = _PLAIN.fullmatch(value) is not None and value.upper() != "NULL"
    return value if plain else _quoted(value)


@lru_cache(maxsize=4_096)
def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _documents(values: Iterable[str]) -> str:
    return "{" + ",".join(map(_quoted, values)) + "}"


def _hashes(values: Iterable[bytes]) -> str:
    return '{"' + '","'.join(["\\\\x" + value.hex() for value in values]) + '"}'


def _instants(values: Iterable[datetime | None]) -> str:
    return "{" + ",".join(map(_instant, values)) + "}"


def _instant(at: datetime | None) -> str:
    return "NULL" if at is None else f'"{instant(at)}"'


def _transfer_arrays(rows: Sequence[PostedTransfer]) -> tuple[str, ...]:
    if not rows:  # They were written ahead.
        return ("{}",) * len(PostedTransfer._fields)
    (
        ids,
        keys,
        fingerprints,
        transactions,
        positions,
        templates,
        kinds,
        debits,
        credits_,
        assets,
        amounts,
        hold_ids,
        expiries,
        debit_sequences,
        credit_sequences,
        debit_posted,
        debit_available,
        credit_posted,
        credit_available,
        effective,
        posted,
        lanes,
        batches,
        actors,
        metadata,
        digests,
    ) = zip(*rows, strict=True)
    return (
        _plain(ids),
        _plain(keys),
        _hashes(fingerprints),
        _plain(transactions),
        _numbers(positions),
        _texts(templates),
        _plain(kinds),
        _plain(debits),
        _plain(credits_),
        _texts(assets),
        _numbers(amounts),
        _optional(hold_ids),
        _instants(expiries),
        _numbers(debit_sequences),
        _numbers(credit_sequences),
        _numbers(debit_posted),
        _numbers(debit_available),
        _numbers(credit_posted),
        _numbers(credit_available),
        _instants(effective),
        _instants(posted),
        _texts(lanes),
        _plain(batches),
        _texts(actors),
        _documents(metadata),
        _hashes(digests),
    )


def _balance_arrays(accounts: Sequence[AccountState]) -> tuple[str, ...]:
    return (
        _plain(one.id for one in accounts),
        _texts(one.asset for one in accounts),
        _numbers(one.debits_posted for one in accounts),
        _numbers(one.credits_posted for one in accounts),
        _numbers(one.debits_pending for one in accounts),
        _numbers(one.credits_pending for one in accounts),
        _numbers(one.sequence for one in accounts),
        _instants(one.last_posted_at for one in accounts),
    )


def _hold_arrays(holds: Sequence[OpenHold]) -> tuple[str, ...]:
    return (
        _plain(one.id for one in holds),
        _plain(one.key for one in holds),
        _plain(one.debit for one in holds),
        _plain(one.credit for one in holds),
        _texts(one.asset for one in holds),
        _numbers(one.amount for one in holds),
        _instants(one.expires_at for one in holds),
        _texts(one.lane for one in holds),
    )


def _lot_arrays(lots: Sequence[Lot]) -> tuple[str, ...]:
    return (
        _plain(one.id for one in lots),
        _plain(one.account for one in lots),
        _plain(one.key for one in lots),
        _numbers(one.granted for one in lots),
        _numbers(one.remaining for one in lots),
        _texts(one.source for one in lots),
        _instants(one.expires_at for one in lots),
        _optional(one.restores for one in lots),
    )


def _use_arrays(uses: Sequence[LotUse]) -> tuple[str, ...]:
    ids, lots, keys, amounts = zip(*uses, strict=True)
    return _plain(ids), _plain(lots), _plain(keys), _numbers(amounts)
