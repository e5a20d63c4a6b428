"""Rules of the state machine about direct transfers, chains that fail, and keys."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import rule

from nerava.kernel.ids import fact_id
from nerava.ledger.values import MAIN_LANE, Chain, Kind, LotTerms, Transfer, hold, release, transfer
from tests.ledger.machine_base import (
    CHAINS,
    NOVAS,
    OTHER_LANE,
    OTHERS,
    LedgerMachine,
    bad_amounts,
    hours,
    legs,
    lot_terms,
    nth,
    small,
    templates,
    wait,
)


class MoveRules(LedgerMachine):
    """Direct transfers and keys."""

    # Direct transfers.

    @rule(target=CHAINS, to=NOVAS, amount=small, lot=lot_terms, later=wait)
    def grant(self, to: str, amount: int, lot: LotTerms | None, later: bool) -> Chain:
        return self.send(self.chain(transfer(self.named("world"), self.payee(to), amount, lot=lot)), later)

    @rule(target=CHAINS, leg=legs, lot=lot_terms, template=templates, later=wait)
    def move(self, leg: tuple[str, str, int], lot: LotTerms | None, template: str, later: bool) -> Chain:
        return self.send(self.chain(transfer(*leg, lot=lot), template=template), later)

    @rule(target=CHAINS, several=st.lists(legs, min_size=2, max_size=4), later=wait)
    def move_along_several(self, several: list[tuple[str, str, int]], later: bool) -> Chain:
        return self.send(self.chain(*(transfer(*leg) for leg in several)), later)

    @rule(target=CHAINS, path=st.lists(NOVAS, min_size=3, max_size=4, unique=True), amount=small, later=wait)
    def pass_on(self, path: list[str], amount: int, later: bool) -> Chain:
        steps = zip([self.named("world"), *path], path, strict=False)
        return self.send(self.chain(*(transfer(a, b, amount) for a, b in steps if a != b)), later)

    @rule(target=CHAINS, account=NOVAS, over=st.integers(0, 1), held=st.booleans(), later=wait)
    def spend_to_the_floor(self, account: str, over: int, held: bool, later: bool) -> Chain:
        left = self.oracle.balances(account).available - (self.oracle.accounts[account].floor or 0)
        to = self.named("shop" if account == self.named("world") else "world")
        first = [hold(account, to, 1, expires_at=None)] if held and left > 1 else []
        return self.send(self.chain(*first, transfer(account, to, left - len(first) + over)), later)

    @rule(
        target=CHAINS,
        account=st.sampled_from(["capped", "owed"]),
        over=st.integers(0, 1),
        held=st.booleans(),
        later=wait,
    )
    def fill_to_the_ceiling(self, account: str, over: int, held: bool, later: bool) -> Chain:
        code, world = self.named(account), self.named("world")
        balance, ceiling = self.oracle.balances(code), self.oracle.accounts[code].ceiling or 0
        room = ceiling - balance.posted - balance.credits_pending
        first = [hold(world, code, 1, expires_at=None)] if held and room > 1 else []
        return self.send(self.chain(*first, transfer(world, code, room - len(first) + over)), later)

    @rule(target=CHAINS, to=NOVAS, amount=small, later=wait)
    def owe(self, to: str, amount: int, later: bool) -> Chain:
        return self.send(self.chain(transfer(self.named("owed"), to, amount)), later)

    @rule(
        target=CHAINS,
        several=st.lists(legs, min_size=1, max_size=3),
        place=nth,
        fault=st.integers(0, 8),
        other=OTHERS,
        later=wait,
    )
    def break_a_chain(
        self, several: list[tuple[str, str, int]], place: int, fault: int, other: str, later: bool
    ) -> Chain:
        debit, credit, amount = several[0]
        faults = (
            transfer(debit, self.named("nobody"), amount),
            transfer(self.named("nobody"), credit, amount),
            transfer(debit, debit, amount),
            transfer(debit, credit, 0),
            transfer(debit, other, amount),
            transfer(self.named("shop"), credit, 500),
            transfer(debit, self.named("owed"), 500),
            release(fact_id("never")),
            hold(self.named("bob"), self.named("capped"), 61, expires_at=None),
        )
        transfers = [transfer(*leg) for leg in several]
        transfers.insert(place % (len(several) + 1), faults[fault])
        return self.send(self.chain(*transfers), later)

    @rule(target=CHAINS, leg=legs, amount=bad_amounts, kind=st.sampled_from(list(Kind)[:3]))
    def ask_for_a_bad_amount(self, leg: tuple[str, str, int], amount: object, kind: Kind) -> Chain:
        empty = self.chain()
        held = hold(self.named("world"), leg[1], leg[2], expires_at=None)
        bad = Transfer(kind, leg[0], leg[1], amount)  # type: ignore[arg-type]
        if kind is Kind.CAPTURE:
            bad = replace(bad, debit="", credit="", hold_key=empty.key)
        return self.send(replace(empty, transfers=(held, bad) if kind is Kind.CAPTURE else (bad,)))

    @rule(target=CHAINS, debit=OTHERS, credit=OTHERS | NOVAS, amount=small, own_lane=st.booleans())
    def move_elsewhere(self, debit: str, credit: str, amount: int, own_lane: bool) -> Chain:
        spec = self.oracle.accounts.get(debit)
        lane = spec.lane if spec and own_lane else MAIN_LANE
        return self.send(self.chain(transfer(debit, credit, amount), lane=lane))

    # Keys.

    @rule(chain=CHAINS, at=hours, later=wait)
    def replay(self, chain: Chain, at: int | None, later: bool) -> None:
        circumstances = {"attempt": self.facts}
        again = replace(chain, actor="again", effective_at=self.in_hours(at), metadata=circumstances)
        self.send(again, later)

    @rule(chain=CHAINS, change=st.integers(0, 3), leg=legs, later=wait)
    def reuse_the_key(self, chain: Chain, change: int, leg: tuple[str, str, int], later: bool) -> None:
        extra = transfer(*leg)
        changed = (
            replace(chain, transfers=(*chain.transfers, extra)),
            replace(chain, transfers=(extra,)),
            replace(chain, template=f"{chain.template}-other"),
            replace(chain, lane=OTHER_LANE if chain.lane == MAIN_LANE else MAIN_LANE),
        )
        self.send(changed[change], later)

    @rule(target=CHAINS, to=NOVAS, amount=small, later=wait)
    def ask_twice_at_once(self, to: str, amount: int, later: bool) -> Chain:
        asked = self.chain(transfer(self.named("world"), self.payee(to), amount))
        self.send(asked, later=True)
        return self.send(asked, later)

    @rule(target=CHAINS, leg=legs, place=st.integers(1, 2), after=st.booleans(), later=wait)
    def take_the_key_of_a_leg(self, leg: tuple[str, str, int], place: int, after: bool, later: bool) -> Chain:
        grants = [
            transfer(self.named("world"), leg[0], 1 + i) for i in range(3) if leg[0] != self.named("world")
        ]
        whole = self.chain(*grants, transfer(*leg))
        taker = Chain(whole.key_of(place), "move", (transfer(*leg),))
        for one in (whole, taker) if after else (taker, whole):
            self.send(one, later)
        return taker
