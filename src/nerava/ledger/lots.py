"""Lots: points remember when they expire and whose money is behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from nerava.ledger.values import LotTerms

NEVER: Final = datetime.max.replace(tzinfo=UTC)


class Lot:
    """The working copy of a lot; `decide` lowers `remaining`, the store writes it back."""

    __slots__ = ("account", "expires_at", "granted", "id", "is_new", "key", "remaining", "restores", "source")

    def __init__(  # noqa: PLR0917 - it mirrors one table row, read positionally
        self,
        id: str,  # noqa: A002 - the column's name
        account: str,
        key: str,
        granted: int,
        remaining: int,
        source: str,
        expires_at: datetime | None,
        restores: str | None = None,
    ) -> None:
        self.id = id
        self.account = account
        self.key = key
        """Key of the transfer that created the lot."""
        self.granted = granted
        self.remaining = remaining
        self.source = source
        self.expires_at = expires_at
        self.restores = restores
        """Id of the lot use that this lot brings back, None for points that are new."""
        self.is_new = False

    @property
    def order(self) -> tuple[datetime, str]:
        """Oldest expiry first, points that never expire last, then by age."""
        return (self.expires_at or NEVER, self.id)


class LotUse(NamedTuple):
    """Points of one lot that one transfer, named by its key, consumed."""

    id: str
    lot_id: str
    key: str
    amount: int


class Restorable(NamedTuple):
    """A use that may still be brought back by a refund, and how much of it."""

    use_id: str
    amount: int
    source: str
    expires_at: datetime | None


class LotShelf:
    """The lots a batch works with, and what it did to them. Forgets a refused chain's changes."""

    def __init__(self) -> None:
        self._open: dict[str, list[Lot]] = {}
        self._by_key: dict[str, list[Lot]] = {}
        self._restorable: dict[str, list[Restorable]] = {}
        self.created: list[Lot] = []
        self.uses: list[LotUse] = []
        self.changed: dict[str, Lot] = {}
        self._undo: list[tuple[Lot, int]] = []
        self._undo_restorable: list[tuple[str, list[Restorable]]] = []
        self._mark = (0, 0)

    def put(self, lot: Lot) -> None:
        """Place a lot that the database holds; lots of one account come in any order."""
        self._open.setdefault(lot.account, []).append(lot)
        self._by_key.setdefault(lot.key, []).append(lot)

    def put_restorable(self, key: str, uses: list[Restorable]) -> None:
        """Place what the transfer `key` consumed and no refund has brought back, last use first."""
        self._restorable[key] = uses

    def begin(self) -> None:
        """Start a chain."""
        self._undo.clear()
        self._undo_restorable.clear()
        self._mark = (len(self.created), len(self.uses))

    def rollback(self) -> None:
        """Forget what was done since `begin`."""
        for lot, remaining in reversed(self._undo):
            lot.remaining = remaining
        for key, uses in reversed(self._undo_restorable):
            self._restorable[key] = uses
        made, used = self._mark
        for lot in self.created[made:]:
            self._open[lot.account].remove(lot)
            self._by_key[lot.key].remove(lot)
        del self.created[made:]
        del self.uses[used:]

    def left_of(self, key: UUID | None, account: str) -> int:
        """Return what is left of the lots that one transfer created in an account."""
        return sum(lot.remaining for lot in self._by_key.get(str(key), []) if lot.account == account)

    def consume(
        self, account: str, amount: int, *, key: str, lot_of: UUID | None, new_ids: Iterator[str]
    ) -> list[LotUse]:
        """Take `amount` from the lots of an account, oldest expiry first, as far as they reach."""
        before = len(self.uses)
        mine = self._open.get(account, [])
        mine.sort(key=lambda lot: lot.order)
        made = self._by_key.get(str(lot_of), []) if lot_of else []
        preferred = sorted((lot for lot in made if lot.account == account), key=lambda lot: lot.order)
        back: list[Restorable] = []
        for lot in [*preferred, *mine]:
            if amount == 0:
                break
            taken = min(amount, lot.remaining)
            if taken:
                use = self._take(lot, taken, key, next(new_ids))
                back.insert(0, Restorable(use.id, taken, lot.source, lot.expires_at))
                amount -= taken
        if back:
            self._remember(key, back)
        return self.uses[before:]

    def create(
        self,
        account: str,
        amount: int,
        *,
        key: str,
        debt: int,
        terms: LotTerms,
        restores: UUID | None,
        new_ids: Iterator[str],
    ) -> tuple[list[Lot], list[LotUse]]:
        """Add lots for a credit; the part that pays a `debt` is consumed by the same transfer."""
        lots: list[Lot] = []
        before = len(self.uses)
        rest = amount
        if restores is not None:
            rest = self._restore(str(restores), account, amount, key, new_ids, lots)
        if rest:
            lots.append(Lot(next(new_ids), account, key, rest, rest, terms.source, terms.expires_at))
        for lot in lots:
            lot.is_new = True
            self.created.append(lot)
            self.put(lot)
        owed = min(debt, amount)
        for lot in sorted(lots, key=lambda one: one.order):
            taken = min(owed, lot.remaining)
            if taken:
                self._take(lot, taken, key, next(new_ids))
                owed -= taken
        return lots, self.uses[before:]

    def _restore(  # noqa: PLR0917 - private, and each part is one word
        self, key_used: str, account: str, amount: int, key: str, new_ids: Iterator[str], lots: list[Lot]
    ) -> int:
        uses = self._restorable.get(key_used, [])
        left: list[Restorable] = []
        for use in uses:
            back = min(amount, use.amount)
            if back:
                lots.append(
                    Lot(next(new_ids), account, key, back, back, use.source, use.expires_at, use.use_id)
                )
                amount -= back
            if use.amount > back:
                left.append(use._replace(amount=use.amount - back))
        if uses:
            self._remember(key_used, left)
        return amount

    def _remember(self, key: str, uses: list[Restorable]) -> None:
        self._undo_restorable.append((key, self._restorable.get(key, [])))
        self._restorable[key] = uses

    def _take(self, lot: Lot, amount: int, key: str, use_id: str) -> LotUse:
        self._undo.append((lot, lot.remaining))
        lot.remaining -= amount
        if not lot.is_new:
            self.changed[lot.id] = lot
        use = LotUse(use_id, lot.id, key, amount)
        self.uses.append(use)
        return use
