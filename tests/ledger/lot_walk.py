"""How points lie in lots, as the referee sees it: one walk through the history, every time anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from nerava.ledger.values import LotTerms

if TYPE_CHECKING:
    from uuid import UUID

    from tests.ledger.oracle import Movement

END_OF_TIME = datetime.max.replace(tzinfo=UTC)


class LotView(NamedTuple):
    """A lot as anybody may see it: what it began with, what is left, whose it is, until when."""

    granted: int
    remaining: int
    source: str
    expires_at: datetime | None


@dataclass(slots=True)
class Lot:
    """Points of one credit, while the history is walked through."""

    account: str
    granted: int
    remaining: int
    terms: LotTerms
    created_by: UUID

    def view(self) -> LotView:
        """Return what anybody may see of it."""
        return LotView(self.granted, self.remaining, self.terms.source, self.terms.expires_at)


@dataclass(slots=True)
class Use:
    """What one transfer took out of one lot, and how much of that has come back.

    `spent` is false where a credit's own lot paid the debt of its account.
    """

    lot: Lot
    by: UUID
    amount: int
    spent: bool
    restored: int = 0


@dataclass(slots=True)
class LotWalk:
    """Lots and their uses as they stand after the transfers walked through so far."""

    lots: list[Lot] = field(default_factory=list)
    uses: list[Use] = field(default_factory=list)

    def consume(self, movement: Movement, account: str, amount: int, first: UUID | None) -> None:
        """Take `amount` from the account's lots: those made by `first` before any other."""
        for lot in self.in_order(account, first):
            taken = min(amount, lot.remaining)
            if taken:
                lot.remaining -= taken
                amount -= taken
                self.uses.append(Use(lot, movement.key, taken, account == movement.debit))

    def in_order(self, account: str, first: UUID | None) -> list[Lot]:
        """Return the account's lots in the order in which they are consumed."""
        mine = [lot for lot in self.lots if lot.account == account]
        mine.sort(key=lambda lot: (lot.created_by != first, lot.terms.expires_at or END_OF_TIME))
        return mine  # a stable sort: equals stay in order of age

    def create(self, movement: Movement, account: str) -> None:
        """Bring back what the movement restores, and make an ordinary lot of the rest."""
        left = movement.amount
        for use in self.to_restore(movement):
            back = min(left, use.amount - use.restored)
            if back:
                use.restored += back
                left -= back
                self.lots.append(Lot(account, back, back, use.lot.terms, movement.key))
        if left:
            terms = movement.asked.lot or LotTerms(movement.chain.template)
            self.lots.append(Lot(account, left, left, terms, movement.key))

    def to_restore(self, movement: Movement) -> list[Use]:
        """Return the uses that the movement asks back, the last one first.

        Only what the other transfer's debit spent: the debt that its credit paid on the far side
        was never this side's to come back.
        """
        wanted = movement.asked.restores
        return [use for use in reversed(self.uses) if use.spent and use.by == wanted]
