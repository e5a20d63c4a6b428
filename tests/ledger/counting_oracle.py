"""The oracle with counters, for histories too long to sum up again at every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.ledger.oracle import Balance, Movement, Oracle

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID


class CountingOracle(Oracle):
    """The same rules over running totals; the state machine holds it against the naive oracle."""

    def __init__(self) -> None:
        super().__init__()
        self.totals: dict[str, Balance] = {}
        self.latest: dict[str, datetime] = {}
        self.by_key: dict[UUID, Movement] = {}
        self.ended: dict[UUID, Movement] = {}
        self._before: list[tuple[Balance, Balance, datetime | None, datetime | None]] = []

    def balances(self, code: str) -> Balance:
        """Return the account's counters."""
        return self.totals.get(code, Balance())

    def last_posted_at(self, code: str) -> datetime | None:
        """Return the latest instant of the account's transfers, or None without any."""
        return self.latest.get(code)

    def movement_with(self, key: UUID | None) -> Movement | None:
        """Return the transfer with this key, or None."""
        return None if key is None else self.by_key.get(key)

    def resolution_of(self, hold_key: UUID) -> Movement | None:
        """Return the transfer that ended the hold, or None while it is open."""
        return self.ended.get(hold_key)

    def rows_of_chain(self, key: UUID) -> list[Movement]:
        """Return the transfers of a posted chain in order; none when it was never posted."""
        first = self.by_key.get(key)
        if first is None or first.position:
            return []
        chain = first.chain
        return [self.by_key[chain.key_of(position)] for position in range(len(chain.transfers))]

    def remember(self, movement: Movement) -> None:
        """Add one transfer to the history and to the totals."""
        super().remember(movement)
        debit, credit = movement.debit, movement.credit
        self._before.append(
            (self.balances(debit), self.balances(credit), self.latest.get(debit), self.latest.get(credit))
        )
        self.totals[debit], self.totals[credit] = movement.debit_after, movement.credit_after
        self.latest[debit] = self.latest[credit] = movement.posted_at
        self.by_key[movement.key] = movement
        if movement.held and movement.asked.hold_key is not None:
            self.ended[movement.asked.hold_key] = movement

    def forget_from(self, length: int) -> None:
        """Cut the history back to `length` and put back what the totals were then."""
        while len(self.history) > length:
            movement, before = self.history.pop(), self._before.pop()
            for code, balance, at in zip(
                (movement.debit, movement.credit), before[:2], before[2:], strict=True
            ):
                self.totals[code] = balance
                if at is None:
                    self.latest.pop(code, None)
                else:
                    self.latest[code] = at
            del self.by_key[movement.key]
            if movement.held and movement.asked.hold_key is not None:
                del self.ended[movement.asked.hold_key]
