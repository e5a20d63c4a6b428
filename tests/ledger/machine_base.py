"""The ground of the state machine: what rules draw from, the world of a run, time and crashes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from nerava.kernel.ids import fact_id
from nerava.ledger.accounts import AccountSpec
from nerava.ledger.values import AMOUNT_MAX, MAIN_LANE, Chain, LotTerms, Status, Transfer, transfer
from tests.ledger.referee import Referee

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from hypothesis.strategies import SearchStrategy

    from tests.ledger.referee import LedgerPort

START = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
OTHER_LANE = "north"

MAIN_ACCOUNTS = (
    AccountSpec("world", "NOVA", "test_source", floor=None),
    AccountSpec("alice", "NOVA", "test_holder", owner="alice", keeps_lots=True),
    AccountSpec("bob", "NOVA", "test_holder", owner="bob", keeps_lots=True),
    AccountSpec("carol", "NOVA", "test_holder", owner="carol", floor=-15, keeps_lots=True),
    AccountSpec("shop", "NOVA", "test_shop", owner="shop"),
    AccountSpec("capped", "NOVA", "test_shop", owner="capped", ceiling=60),
)
RECEIVABLE = AccountSpec("owed", "NOVA", "test_debtor", owner="shop", floor=None, ceiling=0)
OTHER_ACCOUNTS = (
    AccountSpec("bank", "USD", "test_source", floor=None),
    AccountSpec("till", "USD", "test_holder"),
    AccountSpec("north-world", "NOVA", "test_source", floor=None, lane=OTHER_LANE),
    AccountSpec("dora", "NOVA", "test_holder", owner="dora", keeps_lots=True, lane=OTHER_LANE),
)
FUNDED = {"alice": 40, "bob": 30, "carol": 10, "shop": 40, "capped": 25}

NOVAS: Bundle[str] = Bundle("novas")
OTHERS: Bundle[str] = Bundle("others")
CHAINS: Bundle[Chain] = Bundle("chains")

small = st.integers(1, 9)
wait = st.sampled_from([False, False, True])
nth = st.integers(0, 7)
hours = st.sampled_from([3, 2, 5, None, 1, 0, -1])
days = st.sampled_from([2, 1, 3, None])
sources = st.sampled_from(["campaign:1", "campaign:2", "house"])
templates = st.sampled_from(["move", "spend"])
bad_amounts: SearchStrategy[object] = st.sampled_from(
    [0, True, -1, 1.5, 10**16, AMOUNT_MAX + 1, AMOUNT_MAX, "3"]
)
legs = st.tuples(NOVAS, NOVAS, small).filter(lambda leg: leg[0] != leg[1])


def lots_of(pairs: SearchStrategy[tuple[str, int | None]]) -> SearchStrategy[LotTerms]:
    """Return terms of lots whose expiry lies whole days after the start, or never."""
    return pairs.map(lambda one: LotTerms(one[0], START + one[1] * 24 * HOUR if one[1] else None))


lot_terms = st.none() | lots_of(st.tuples(sources, days))


class LedgerMachine(RuleBasedStateMachine):
    """The rules. A subclass names the engine with `open_port` and gets a fresh one for each run."""

    open_port: ClassVar[Callable[[], LedgerPort]]
    statuses: ClassVar[Counter[Status]]

    def __init__(self) -> None:
        super().__init__()
        self.port = type(self).open_port()
        self.referee = Referee(self.port)
        self.oracle = self.referee.oracle
        self.now = START
        self.waiting: list[Chain] = []
        self.facts = 0
        self.closures = 0
        self.stale = True

    # How rules make chains and post them.

    def named(self, code: str) -> str:
        """Return the account's code within this run."""
        return f"{self.port.namespace}{code}"

    def opened(self, specs: Sequence[AccountSpec]) -> MultipleResults[str]:
        """Open accounts within this run and return their codes."""
        mine = [replace(spec, code=self.named(spec.code)) for spec in specs]
        self.referee.open(mine)
        self.stale = True
        return multiple(*(spec.code for spec in mine))

    def chain(self, *transfers: Transfer, template: str = "move", lane: str = MAIN_LANE) -> Chain:
        """Return a chain of a new fact."""
        self.facts += 1
        key = fact_id(f"{self.port.namespace}fact:{self.facts}")
        return Chain(key, template, transfers, lane=lane)

    def send(self, chain: Chain, later: bool = False) -> Chain:
        """Let the chain wait for the next batch, or post it after all that wait."""
        self.waiting.append(chain)
        if not later:
            self.flush()
        return chain

    def flush(self) -> None:
        """Post what waits, in its order, as few batches as there are changes of lane."""
        while self.waiting:
            lane = self.waiting[0].lane
            batch = [self.waiting.pop(0)]
            while self.waiting and self.waiting[0].lane == lane:
                batch.append(self.waiting.pop(0))
            type(self).statuses.update(self.referee.post(batch, self.now))
        self.stale = True

    def payee(self, code: str) -> str:
        """Return somebody the world can pay: the account, or the shop where it is the world."""
        return self.named("shop") if code == self.named("world") else code

    def in_hours(self, count: int | None) -> datetime | None:
        """Return the instant `count` hours from now, None for never."""
        return None if count is None else self.now + count * HOUR

    @invariant()
    def engine_and_oracle_agree(self) -> None:
        """Compare everything stored, when something may have changed."""
        if self.stale and self.oracle.accounts:
            self.referee.compare()
            self.stale = False

    def teardown(self) -> None:
        """Give the engine back."""
        self.port.dispose()

    # Accounts.

    @initialize(target=NOVAS)
    def open_the_main_lane(self) -> MultipleResults[str]:
        codes = self.opened(MAIN_ACCOUNTS)
        self.opened([RECEIVABLE])  # nearly always full, so it is reached by rules of its own
        world = self.named("world")
        terms = (LotTerms("campaign:1", START + 48 * HOUR), LotTerms("campaign:2"))
        grants = [transfer(world, self.named(who), much, lot=terms[0]) for who, much in FUNDED.items()]
        more = transfer(world, self.named("alice"), 20, lot=terms[1])
        self.send(self.chain(*grants, more, template="grant"))
        return codes

    @initialize(target=OTHERS)
    def open_the_rest(self) -> MultipleResults[str]:
        codes = self.opened(OTHER_ACCOUNTS)
        self.send(self.chain(transfer(self.named("bank"), self.named("till"), 30)))
        grant = transfer(self.named("north-world"), self.named("dora"), 30)
        self.send(self.chain(grant, lane=OTHER_LANE))
        return multiple(*codes.values, self.named("nobody"))

    @rule(
        target=NOVAS,
        floor=st.sampled_from([0, None, -10]),
        ceiling=st.sampled_from([None, 20]),
        keeps_lots=st.booleans(),
    )
    def open_account(self, floor: int | None, ceiling: int | None, keeps_lots: bool) -> MultipleResults[str]:
        self.facts += 1
        spec = AccountSpec(
            f"new:{self.facts}", "NOVA", "test_holder", floor=floor, ceiling=ceiling, keeps_lots=keeps_lots
        )
        return self.opened([spec])

    @rule(account=NOVAS)
    def open_again(self, account: str) -> None:
        self.referee.open([self.oracle.accounts[account]])
        self.stale = True

    @precondition(lambda self: self.closures < 1)
    @rule(account=NOVAS)
    def close_account(self, account: str) -> None:
        if account == self.named("world"):
            return  # without it hardly anything could happen any more
        self.closures += 1
        self.flush()
        self.referee.close(account)
        self.stale = True

    # Time and the machine.

    @rule(count=st.sampled_from([1, 2, 5, 24, -1, -3]))
    def move_the_clock(self, count: int) -> None:
        self.now += count * HOUR

    @rule()
    def crash(self) -> None:
        self.port.crash()
        self.stale = True

    @rule()
    def post_what_waits(self) -> None:
        self.flush()
