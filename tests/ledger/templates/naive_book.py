"""A ledger of three dictionaries, for the properties that every template shares."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from nerava.ledger.chart import NOVA_ISSUANCE, NOVA_RESERVE, account_of
from nerava.ledger.values import Kind

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.values import Chain, Transfer


class NaiveBook:
    """Posts whatever it is told and can then be asked what is wrong."""

    def __init__(self) -> None:
        self.posted: Counter[str] = Counter()
        self.leaving: Counter[str] = Counter()
        self.coming: Counter[str] = Counter()
        self.holds: dict[UUID, tuple[str, str, int]] = {}

    def post(self, *chains: Chain) -> None:
        """Add chains one after the other."""
        for chain in chains:
            for position, leg in enumerate(chain.transfers):
                self._post(leg, chain.key_of(position))

    def problems(self) -> list[str]:
        """Return every broken rule in words: backing, floors and ceilings, sums of each asset."""
        found = []
        if self.posted[NOVA_RESERVE] != -self.posted[NOVA_ISSUANCE]:
            found.append("the reserve is not what is in circulation")
        for code in sorted(self.posted.keys() | self.leaving.keys() | self.coming.keys()):
            spec = account_of(code, "USD")
            if spec.floor is not None and self.posted[code] - self.leaving[code] < spec.floor:
                found.append(f"{code} is below its floor")
            if spec.ceiling is not None and self.posted[code] + self.coming[code] > spec.ceiling:
                found.append(f"{code} is above its ceiling")
        sums: Counter[str] = Counter()
        for code, amount in self.posted.items():
            sums[account_of(code, "USD").asset] += amount
        return found + [f"{asset} does not sum to 0" for asset, total in sums.items() if total]

    def _post(self, leg: Transfer, key: UUID) -> None:
        if leg.kind is Kind.DIRECT:
            self._move(leg.debit, leg.credit, leg.amount or 0)
        elif leg.kind is Kind.HOLD:
            self.holds[key] = (leg.debit, leg.credit, leg.amount or 0)
            self.leaving[leg.debit] += leg.amount or 0
            self.coming[leg.credit] += leg.amount or 0
        else:
            self._resolve(leg)

    def _resolve(self, leg: Transfer) -> None:
        if leg.hold_key is None:
            raise AssertionError("a resolution names its hold")
        debit, credit, held = self.holds.pop(leg.hold_key)
        self.leaving[debit] -= held
        self.coming[credit] -= held
        if leg.kind is Kind.CAPTURE:
            self._move(debit, credit, held if leg.amount is None else leg.amount)

    def _move(self, debit: str, credit: str, amount: int) -> None:
        self.posted[debit] -= amount
        self.posted[credit] += amount
