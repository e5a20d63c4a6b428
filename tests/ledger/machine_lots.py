"""The rules of the state machine that are about lots: preferred, restored, reversed, overdrawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from nerava.ledger.values import MAIN_LANE, Chain, Kind, LotTerms, transfer
from tests.ledger.machine_base import CHAINS, NOVAS, LedgerMachine, lot_terms, small, wait

if TYPE_CHECKING:
    from tests.ledger.oracle import Movement

place = st.integers(0, 30)
part = st.sampled_from([0, -1, -3, 2])


class LotRules(LedgerMachine):
    """Lots: preferred, restored, reversed, overdrawn."""

    def granted(self) -> list[Movement]:
        """Return the transfers that made lots."""
        moved = [one for one in self.oracle.history if one.moved and one.chain.lane == MAIN_LANE]
        return [one for one in moved if self.oracle.accounts[one.credit].keeps_lots]

    def spent(self) -> list[Movement]:
        """Return the transfers that took from lots."""
        moved = [one for one in self.oracle.history if one.moved and one.chain.lane == MAIN_LANE]
        return [one for one in moved if self.oracle.accounts[one.debit].keeps_lots]

    @precondition(lambda self: bool(self.granted()))
    @rule(target=CHAINS, place=place, to=NOVAS, more=part, later=wait)
    def spend_the_lots_of(self, place: int, to: str, more: int, later: bool) -> Chain:
        grants = self.granted()
        first = grants[place % len(grants)]
        amount = max(1, min(first.amount, 9) + more)
        return self.send(
            self.chain(
                transfer(
                    first.credit, to if to != first.credit else self.named("world"), amount, lot_of=first.key
                )
            ),
            later,
        )

    @precondition(lambda self: bool(self.granted()))
    @rule(target=CHAINS, place=place, to=NOVAS, more=st.sampled_from([0, 1, -1]), later=wait)
    def spend_nothing_but_the_lots_of(self, place: int, to: str, more: int, later: bool) -> Chain:
        grants = self.granted()
        first = grants[place % len(grants)]
        lots = [one for one in self.oracle.walk_lots().lots if one.created_by == first.key]
        amount = max(1, sum(one.remaining for one in lots) + more)
        payee = to if to != first.credit else self.named("world")
        return self.send(
            self.chain(transfer(first.credit, payee, amount, lot_of=first.key, lot_only=True)), later
        )

    @precondition(lambda self: bool(self.spent()))
    @rule(target=CHAINS, place=place, more=part, by_world=st.booleans(), lot=lot_terms, later=wait)
    def refund(self, place: int, more: int, by_world: bool, lot: LotTerms | None, later: bool) -> Chain:
        spendings = self.spent()
        first = spendings[place % len(spendings)]
        payer = self.named("world") if by_world else first.credit
        amount = max(1, first.amount + more)
        back = transfer(payer, first.debit, amount, lot=lot, restores=first.key)
        return self.send(self.chain(back, template="refund"), later)

    @precondition(lambda self: bool(self.spent()))
    @rule(target=CHAINS, place=place, to=NOVAS, amount=small, later=wait)
    def refund_to_any(self, place: int, to: str, amount: int, later: bool) -> Chain:
        spendings = self.spent()
        key = spendings[place % len(spendings)].key
        return self.send(
            self.chain(transfer(self.named("world"), self.payee(to), amount, restores=key)), later
        )

    @rule(
        target=CHAINS,
        to=NOVAS,
        spend=small,
        back=st.lists(small, min_size=1, max_size=3),
        lot=lot_terms,
        later=wait,
    )
    def spend_and_refund_in_one(
        self, to: str, spend: int, back: list[int], lot: LotTerms | None, later: bool
    ) -> Chain:
        empty = self.chain()
        alice, world = self.named("alice"), self.named("world")
        grant = transfer(world, alice, spend, lot=lot)
        refunds = [transfer(world, alice, amount, restores=empty.key_of(1)) for amount in back]
        mine = self.chain(grant, transfer(alice, to, spend, lot_of=empty.key), *refunds)
        return self.send(Chain(empty.key, "refund", mine.transfers), later)

    @precondition(lambda self: bool(self.spent()))
    @rule(target=CHAINS, place=place, later=wait)
    def reverse(self, place: int, later: bool) -> Chain:
        spendings = self.spent()
        rows = self.oracle.rows_of_chain(spendings[place % len(spendings)].chain.key)
        mirrored = [
            transfer(one.credit, one.debit, one.amount, lot_of=one.key, restores=one.key)
            for one in reversed(rows)
            if one.moved
        ]
        return self.send(self.chain(*mirrored, template="reversal"), later)

    @rule(target=CHAINS, over=small, to=st.sampled_from(["world", "shop", "alice"]), later=wait)
    def overdraw_carol(self, over: int, to: str, later: bool) -> Chain:
        carol = self.named("carol")
        amount = max(0, self.oracle.balances(carol).posted) + over
        return self.send(self.chain(transfer(carol, self.named(to), amount)), later)

    @precondition(lambda self: any(one.asked.kind is Kind.CAPTURE for one in self.spent()))
    @rule(target=CHAINS, place=place, amount=small, later=wait)
    def refund_a_capture(self, place: int, amount: int, later: bool) -> Chain:
        captures = [one for one in self.spent() if one.asked.kind is Kind.CAPTURE]
        first = captures[place % len(captures)]
        back = transfer(self.named("world"), first.debit, amount, restores=first.key)
        return self.send(self.chain(back, template="refund"), later)
