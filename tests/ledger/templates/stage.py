"""Where templates are played: the oracle with the chart's accounts, opened as they are named."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from nerava.ledger.accounts import account_id
from nerava.ledger.chart import account_of, parse_code
from nerava.ledger.values import Status
from tests.ledger.oracle import Oracle
from tests.ledger.oracle_rows import row_of

if TYPE_CHECKING:
    from nerava.ledger.values import Chain, PostedTransfer
    from tests.ledger.oracle import Movement

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

SPONSOR = UUID("50000000-0000-7000-8000-000000000001")
CAMPAIGN = UUID("ca000000-0000-7000-8000-000000000002")
SESSION = UUID("5e000000-0000-7000-8000-000000000003")
DRIVER = UUID("d0000000-0000-7000-8000-000000000004")
FRIEND = UUID("d0000000-0000-7000-8000-000000000005")
MERCHANT = UUID("33000000-0000-7000-8000-000000000006")
TILL = UUID("71000000-0000-7000-8000-000000000007")
OTHER_TILL = UUID("71000000-0000-7000-8000-000000000008")
FACT = UUID("fac70000-0000-7000-8000-000000000009")
OTHER_FACT = UUID("fac70000-0000-7000-8000-00000000000a")

_NAMES = {
    SPONSOR: "SPONSOR",
    CAMPAIGN: "CAMPAIGN",
    SESSION: "SESSION",
    DRIVER: "DRIVER",
    FRIEND: "FRIEND",
    MERCHANT: "MERCHANT",
    TILL: "TILL",
    FACT: "FACT",
}


def read(chain: Chain) -> list[str]:
    """Return a chain's transfers in words, with names for the ids of this module."""
    return [_words(position, chain) for position in range(len(chain.transfers))]


def _words(position: int, chain: Chain) -> str:
    leg = chain.transfers[position]
    sides = f"{_named(leg.debit)} -> {_named(leg.credit)}" if leg.debit else "of a hold"
    amount = "" if leg.amount is None else f" {leg.amount}"
    return f"{leg.kind.value} {sides}{amount}"


def _named(code: str) -> str:
    for one, name in _NAMES.items():
        code = code.replace(str(one), name)
    return code


class Stage:
    """A ledger to play on: the referee's oracle at one instant."""

    def __init__(self, now: datetime = NOON) -> None:
        self.oracle = Oracle()
        self.now = now

    def answer(self, chain: Chain) -> Status:
        """Post a chain and return what the ledger says."""
        for leg in chain.transfers:
            for code in (leg.debit, leg.credit):
                if code and code not in self.oracle.accounts:
                    self.oracle.open(account_of(code, "USD"))
        return self.oracle.post(chain, self.now)[0]

    def post(self, *chains: Chain) -> None:
        """Post chains, each of which must be accepted."""
        for chain in chains:
            status = self.answer(chain)
            if status is not Status.POSTED:
                raise AssertionError(f"{chain.template}: {status}")

    def balance(self, code: str) -> int:
        """Return what an account holds, posted."""
        return self.oracle.balances(code).posted

    def available(self, code: str) -> int:
        """Return what an account could be debited."""
        return self.oracle.balances(code).available

    def balances(self) -> dict[str, int]:
        """Return every posted balance that is not 0."""
        found = {code: self.balance(code) for code in self.oracle.accounts}
        return {code: amount for code, amount in found.items() if amount}

    def held(self) -> list[int]:
        """Return the amounts of the open holds."""
        return [hold.amount for hold in self.oracle.open_holds().values()]

    def points(self) -> Counter[tuple[str, str, datetime | None]]:
        """Return the points left by owner, source and expiry."""
        left: Counter[tuple[str, str, datetime | None]] = Counter()
        for code, lots in self.oracle.all_lots().items():
            for lot, times in lots.items():
                left[str(parse_code(code).owner), lot.source, lot.expires_at] += lot.remaining * times
        return +left

    def rows(self, chain: Chain) -> list[PostedTransfer]:
        """Return the transfers of a posted chain as the ledger's history shows them."""
        return [_row(one) for one in self.oracle.rows_of_chain(chain.key)]

    def codes(self) -> dict[str, str]:
        """Return the code of every account by its id."""
        return {account_id(code): code for code in self.oracle.accounts}


def _row(one: Movement) -> PostedTransfer:
    hold = one.asked.hold_key
    return row_of(one, row_id=str(one.key), hold_id=str(hold) if hold else None, asset="")
