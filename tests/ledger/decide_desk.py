"""A desk at which batches are decided over rows that a test lays out, with no database near."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from nerava.kernel.ids import fact_id
from nerava.ledger.accounts import AccountState, account_id
from nerava.ledger.decide import OpenHold, State, decide
from nerava.ledger.values import Chain

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.decide import Decision
    from nerava.ledger.values import PostedTransfer, Status, Transfer

NOON: Final = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)
TICK: Final = timedelta(microseconds=1)

# Name, asset, lane, floor, ceiling, whether it keeps lots, and what it begins with.
_ACCOUNTS: Final[tuple[tuple[str, str, str, int | None, int | None, bool, int], ...]] = (
    ("world", "NOVA", "main", None, None, False, 0),
    ("shop", "NOVA", "main", 0, None, False, 50),
    ("mall", "NOVA", "main", 0, None, False, 50),
    ("capped", "NOVA", "main", 0, 100, False, 60),
    ("ann", "NOVA", "main", 0, None, True, 0),
    ("deb", "NOVA", "main", -50, None, True, 0),
    ("dollar", "USD", "main", None, None, False, 0),
    ("north", "NOVA", "north", None, None, False, 0),
    ("norther", "NOVA", "north", 0, None, False, 50),
)


class Desk:
    """Locked rows of nine accounts; what one batch leaves in them the next one finds."""

    def __init__(self) -> None:
        self.state = State()
        self.facts = count(1)
        self.ids = (f"id-{number:03}" for number in count(1))
        for name, asset, lane, floor, ceiling, keeps_lots, begins_with in _ACCOUNTS:
            code = account_id(name)
            limits = (floor, ceiling, False, keeps_lots)
            self.state.accounts[code] = AccountState(
                code, asset, lane, *limits, 0, begins_with, 0, 0, 0, None
            )

    def account(self, name: str) -> AccountState:
        """Return the row of an account."""
        return self.state.accounts[account_id(name)]

    def counters(self, name: str) -> tuple[int, int, int, int, int]:
        """Return debits and credits as posted, as pending, and the sequence."""
        one = self.account(name)
        return (
            one.debits_posted,
            one.credits_posted,
            one.debits_pending,
            one.credits_pending,
            one.sequence,
        )

    def chain(self, *transfers: Transfer, **circumstances: Any) -> Chain:
        """Return a chain of a new fact."""
        return Chain(fact_id(f"fact:{next(self.facts)}"), "move", transfers, **circumstances)

    def decide(self, *chains: Chain, now: datetime = NOON) -> Decision:
        """Decide chains as one batch."""
        return decide(chains, self.state, now, batch_id="batch", new_id=lambda: next(self.ids))

    def post(self, *transfers: Transfer, now: datetime = NOON, lane: str = "main") -> Status:
        """Decide one chain as a batch of its own and return its status."""
        return self.decide(self.chain(*transfers, lane=lane), now=now).verdicts[0].status

    def lay(
        self, debit: str, credit: str, amount: int, *, expires_at: datetime | None = None, lane: str = "main"
    ) -> UUID:
        """Lay out a hold that an earlier batch opened, its amounts pending, and return its key."""
        key = fact_id(f"hold:{next(self.facts)}")
        sides = (account_id(debit), account_id(credit))
        self.state.holds[str(key)] = OpenHold(
            f"row of {key}", str(key), *sides, "NOVA", amount, expires_at, lane
        )
        self.account(debit).debits_pending += amount
        self.account(credit).credits_pending += amount
        return key

    def everything(self) -> object:
        """Return all that a refused chain must leave as it was."""
        accounts = {code: one.snapshot() for code, one in self.state.accounts.items()}
        shelf = self.state.shelf
        lots = [(lot.id, lot.remaining) for lot in [*shelf.created, *shelf.changed.values()]]
        kept = (dict(self.state.known), dict(self.state.holds), set(self.state.resolved))
        return accounts, kept, lots, list(shelf.uses)


def digest_of(row: PostedTransfer, lots: list[list[object]], uses: list[list[object]]) -> bytes:
    """Work out a row's digest from what the row says, in a second way."""

    def said(part: object) -> object:
        if isinstance(part, datetime):
            return part.astimezone(UTC).isoformat(timespec="microseconds")
        return part.hex() if isinstance(part, bytes) else part

    body = [*map(said, row[:-1]), lots, uses]
    return hashlib.sha256(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()).digest()
