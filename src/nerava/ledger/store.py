"""How a batch reaches the database: lock and load what it needs, write what was decided.

Both engines run the same few set-based statements on the caller's own transaction. The
statements differ only where the engines do (arrays on PostgreSQL, `json_each` and `executemany`
on SQLite).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from nerava.ledger.accounts import account_id
from nerava.ledger.decide import State
from nerava.ledger.lots import Lot
from nerava.ledger.values import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from datetime import datetime

    from nerava.ledger.accounts import AccountState
    from nerava.ledger.decide import Decision, OpenHold
    from nerava.ledger.lots import Restorable
    from nerava.ledger.values import Chain, PostedTransfer


IN_PARTS_FROM: Final = 750
"""How many transfers a batch has at least that is written in parts; smaller ones gain nothing by it."""


class Batch(NamedTuple):
    """One committed unit of transfers, as it enters the hash chain."""

    id: str
    lane: str
    transfers: int
    content_hash: bytes
    posted_at: datetime


class LotRow(NamedTuple):
    """A lot as the database holds it."""

    id: str
    account: str
    key: str
    granted: int
    remaining: int
    source: str
    expires_at: datetime | None


class Engine(Protocol):
    """The statements of one database, on one connection inside one transaction.

    Ids and keys are canonical text. Lists may be empty; then nothing is sent.

    Attributes:
        stops: Names of the kill switches that were on when balances were last locked.
        in_parts: Whether what was locked last is for a batch so large that it is written in parts.
            What was said about its keys is then as new as the locks.
    """

    stops: frozenset[str]
    in_parts: bool

    def lock_accounts(self, ids: Sequence[str], keys: Sequence[str]) -> tuple[list[AccountState], bool]:
        """Lock balances in the order of their ids and return them; unknown ids are left out.

        Also tells whether any of the keys may be known, and finds out which switches are on. On
        PostgreSQL the first answer can be older than the locks: a key that somebody posted
        meanwhile makes the insert fail on its uniqueness, and the unit of work runs again and
        sees it.
        """
        ...

    def transfers_by_key(self, keys: Sequence[str]) -> list[PostedTransfer]:
        """Return the rows that have these keys."""
        ...

    def open_holds(self, keys: Sequence[str]) -> list[OpenHold]:
        """Return the open holds that have these keys."""
        ...

    def open_lots(self, needed: Mapping[str, int]) -> list[LotRow]:
        """Return open lots by account, each oldest expiry first, until they cover what is needed."""
        ...

    def lots_by_key(self, keys: Sequence[str]) -> list[LotRow]:
        """Return the open lots that these transfers created."""
        ...

    def restorable(self, key: str) -> list[Restorable]:
        """Return what a transfer consumed and nothing has brought back, last use first."""
        ...

    def ahead(self) -> AbstractContextManager[object]:
        """Let writing overlap with the caller's work inside; at the end all is written.

        What the database refuses, a later call inside raises, or the end.
        """
        ...

    def write_ahead(self, rows: Sequence[PostedTransfer]) -> None:
        """Begin to insert transfers of a batch that `write` completes. To be called inside `ahead`."""
        ...

    def write(self, decision: Decision, state: State, batch: Batch) -> None:
        """Insert transfers, holds, lots and the batch; update balances.

        A hold that is both among those opened and those closed is closed.
        """
        ...


def in_parts(keys: Sequence[str]) -> bool:
    """Whether a batch of transfers with these keys is written in parts."""
    return len(keys) >= IN_PARTS_FROM


@lru_cache(maxsize=16)
def names_of(stops: str | None) -> frozenset[str]:
    """Return the names of switches that a database gave in one text, blanks between them."""
    return frozenset(stops.split()) if stops else frozenset()


@dataclass(slots=True)
class _Wanted:
    accounts: set[str]
    keys: list[str]
    holds: list[str]
    debits: dict[str, int]
    lot_keys: list[str]
    restores: list[str]


def load(engine: Engine, chains: Sequence[Chain]) -> State:
    """Return the locked state that `decide` needs for these chains.

    Balances are locked first; holds and lots are read under those locks, so nothing that the
    verdicts rest on can change before the commit.
    """
    wanted = _wanted(chains)
    if wanted.holds:
        for hold in engine.open_holds(wanted.holds):
            wanted.accounts.update((hold.debit, hold.credit))
            wanted.debits[hold.debit] = wanted.debits.get(hold.debit, 0) + hold.amount
    state = State()
    accounts, any_known = engine.lock_accounts(sorted(wanted.accounts), wanted.keys)
    for account in accounts:
        state.accounts[account.id] = account
    if any_known:
        _load_known(engine, chains, wanted.keys, state)
    if wanted.holds:
        _load_holds(engine, wanted.holds, state)
    _load_lots(engine, wanted, state)
    return state


def _wanted(chains: Sequence[Chain]) -> _Wanted:
    wanted = _Wanted(set(), [], [], {}, [], [])
    for chain in chains:
        wanted.keys += chain.key_texts()
        for one in chain.transfers:
            if one.hold_key is not None:
                wanted.holds.append(str(one.hold_key))
                continue
            debit = account_id(one.debit)
            wanted.accounts.add(debit)
            wanted.accounts.add(account_id(one.credit))
            if type(one.amount) is int:  # A hold counts too: this very batch may capture it.
                wanted.debits[debit] = wanted.debits.get(debit, 0) + max(0, one.amount)
            if one.lot_of is not None:
                wanted.lot_keys.append(str(one.lot_of))
            if one.restores is not None:
                wanted.restores.append(str(one.restores))
    return wanted


def _load_known(engine: Engine, chains: Sequence[Chain], keys: Sequence[str], state: State) -> None:
    found = {row.key: row for row in engine.transfers_by_key(keys)}
    state.known.update((key, ()) for key in found)
    for chain in chains:
        head = found.get(chain.key_texts()[0])
        if head is not None and head.position == 0:
            legs = map(found.get, chain.key_texts()[1:])
            state.known[head.key] = (head, *(row for row in legs if row is not None))


def _load_holds(engine: Engine, keys: Sequence[str], state: State) -> None:
    found = {hold.key: hold for hold in engine.open_holds(keys)}
    for hold in found.values():
        # A hold made after the first look has accounts that are not locked: it came too late for
        # this batch and counts as not found.
        if hold.debit in state.accounts and hold.credit in state.accounts:
            state.holds[hold.key] = hold
    missing = [key for key in keys if key not in found]
    for row in engine.transfers_by_key(missing):
        if row.kind == Kind.HOLD:
            state.resolved.add(row.key)


def _load_lots(engine: Engine, wanted: _Wanted, state: State) -> None:
    seen: set[str] = set()
    rows: list[LotRow] = []
    needed = {
        account: least
        for account, least in wanted.debits.items()
        if (known := state.accounts.get(account)) is not None and known.keeps_lots
    }
    if needed:
        rows += engine.open_lots(needed)
    if wanted.lot_keys:
        rows += engine.lots_by_key(wanted.lot_keys)
    for row in rows:
        if row.id not in seen:
            seen.add(row.id)
            state.shelf.put(Lot(*row))
    for key in wanted.restores:
        state.shelf.put_restorable(key, engine.restorable(key))
