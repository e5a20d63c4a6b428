"""Rules of the state machine about holds: captured, released, expired, raced for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from nerava.ledger.accounts import AccountSpec
from nerava.ledger.values import Chain, LotTerms, capture, expire, hold, release, transfer
from tests.ledger.machine_base import CHAINS, NOVAS, LedgerMachine, hours, legs, lot_terms, nth, small, wait

if TYPE_CHECKING:
    from tests.ledger.oracle import Movement


class HoldRules(LedgerMachine):
    """Holds and what becomes of them."""

    def live(self, place: int) -> Movement:
        """Return one of the open holds."""
        holds = list(self.oracle.open_holds().values())
        return holds[place % len(holds)]

    def has_open_hold(self) -> bool:
        """Return whether anything is held."""
        return bool(self.oracle.open_holds())

    @rule(target=CHAINS, leg=legs, expires_in=hours, later=wait)
    def hold(self, leg: tuple[str, str, int], expires_in: int | None, later: bool) -> Chain:
        return self.send(self.chain(hold(*leg, expires_at=self.in_hours(expires_in))), later)

    @rule(target=CHAINS, to=NOVAS, amounts=st.lists(small, min_size=1, max_size=3), expires_in=hours)
    def promise(self, to: str, amounts: list[int], expires_in: int | None) -> Chain:
        at, world = self.in_hours(expires_in), self.named("world")
        return self.send(
            self.chain(*(hold(world, self.payee(to), amount, expires_at=at) for amount in amounts))
        )

    @precondition(has_open_hold)
    @rule(target=CHAINS, place=nth, less=st.sampled_from([None, 0, 1, 2, -1]), lot=lot_terms, later=wait)
    def capture(self, place: int, less: int | None, lot: LotTerms | None, later: bool) -> Chain:
        held = self.live(place)
        amount = None if less is None else held.amount - less
        return self.send(self.chain(capture(held.key, amount, lot=lot)), later)

    @precondition(has_open_hold)
    @rule(target=CHAINS, place=nth, more=small, later=wait)
    def capture_too_much(self, place: int, more: int, later: bool) -> Chain:
        held = self.live(place)
        return self.send(self.chain(capture(held.key, held.amount + more)), later)

    @precondition(has_open_hold)
    @rule(target=CHAINS, place=nth, later=wait)
    def release(self, place: int, later: bool) -> Chain:
        return self.send(self.chain(release(self.live(place).key)), later)

    @precondition(has_open_hold)
    @rule(target=CHAINS, place=nth, later=wait)
    def expire(self, place: int, later: bool) -> Chain:
        return self.send(self.chain(expire(self.live(place).key)), later)

    @precondition(has_open_hold)
    @rule(late=st.booleans())
    def expire_what_is_due(self, late: bool) -> None:
        instants = [one.asked.expires_at for one in self.oracle.open_holds().values()]
        due = min((at for at in instants if at is not None), default=None)
        if due is None:
            return
        self.now = due - (timedelta(0) if late else timedelta(microseconds=1))
        for one in self.oracle.open_holds().values():
            if one.asked.expires_at == due:
                self.send(self.chain(expire(one.key)), later=True)
        self.flush()

    @precondition(has_open_hold)
    @rule(place=nth, first=st.integers(0, 2), second=st.integers(0, 2))
    def race_for_a_hold(self, place: int, first: int, second: int) -> None:
        key = self.live(place).key
        ways = (capture(key), release(key), capture(key, 1))
        self.send(self.chain(ways[first]), later=True)
        self.send(self.chain(ways[second]))

    @rule(target=CHAINS, chain=CHAINS, place=st.integers(0, 2), way=st.integers(0, 2), later=wait)
    def resolve_any_leg(self, chain: Chain, place: int, way: int, later: bool) -> Chain:
        key = chain.key_of(place)
        return self.send(self.chain((capture(key), release(key), expire(key))[way]), later)

    @rule(
        target=CHAINS,
        leg=legs,
        expires_in=hours,
        parts=st.lists(st.sampled_from([None, 1, 4, 10]), min_size=1, max_size=2),
        before=st.booleans(),
        later=wait,
    )
    def hold_and_capture_in_one(
        self,
        leg: tuple[str, str, int],
        expires_in: int | None,
        parts: list[int | None],
        before: bool,
        later: bool,
    ) -> Chain:
        empty = self.chain()
        key = empty.key_of(int(before))
        grant = [transfer(self.named("world"), leg[0], leg[2])] if before else []
        held = hold(*leg, expires_at=self.in_hours(expires_in))
        captures = [capture(key, part) for part in parts]
        return self.send(replace(empty, transfers=(*grant, held, *captures)), later)

    @rule(
        target=CHAINS,
        hoarding=st.booleans(),
        amount=small,
        expires_in=hours,
        way=st.integers(0, 2),
        at=st.integers(0, 1),
    )
    def resolve_on_a_closed_account(
        self, hoarding: bool, amount: int, expires_in: int | None, way: int, at: int
    ) -> Chain:
        self.facts += 1
        spec = AccountSpec(f"shut:{self.facts}", "NOVA", "test_shop", floor=None, keeps_lots=hoarding)
        self.opened([spec])
        sides = [self.named("world"), self.named(spec.code)][:: 1 if at else -1]
        held = self.send(self.chain(hold(sides[0], sides[1], amount, expires_at=self.in_hours(expires_in))))
        self.referee.close(self.named(spec.code))
        ways = (capture(held.key), release(held.key), expire(held.key))
        return self.send(self.chain(ways[way]))
