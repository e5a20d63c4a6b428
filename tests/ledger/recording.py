"""Makes true histories: clients that overlap, served one after the other by the counting oracle."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from nerava.kernel.ids import fact_id
from nerava.ledger.accounts import AccountSpec
from nerava.ledger.values import Chain, Status, capture, hold, release, transfer
from tests.ledger.counting_oracle import CountingOracle
from tests.ledger.history import Entry, Operation, Seen
from tests.ledger.replay import SOME_DAY

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.ledger.values import Transfer

WORLD = AccountSpec("world", "NOVA", "nova_issuance", floor=None)


def drivers(count: int) -> dict[str, AccountSpec]:
    """Return the world and so many drivers, by code."""
    codes = [f"driver:{i}" for i in range(count)]
    return {"world": WORLD} | {code: AccountSpec(code, "NOVA", "driver_nova") for code in codes}


class Recording:
    """Clients at work. Each operation takes effect at one instant between its start and its end."""

    def __init__(self, specs: dict[str, AccountSpec], *, clients: int = 8, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.specs = specs
        self.codes = list(specs)
        self.server = CountingOracle()
        self.server.accounts = dict(specs)
        self.history: list[Operation] = []
        self.now_ns = 0
        self.free_at = [0] * clients
        self.holds: list[UUID] = []
        self.sent: list[Chain] = []
        self.facts = 0

    def fund(self, amount: int) -> None:
        """Record a grant to every driver."""
        for code in self.codes:
            if code != "world":
                self.post(self.chain(transfer("world", code, amount)))

    def run(self, operations: int) -> list[Operation]:
        """Record so many operations: mostly postings, some repetitions, some reads."""
        for _ in range(operations):
            kind = self.random.random()
            if kind < 0.15:
                self.read(*self.random.sample(self.codes, self.random.randint(1, 3)))
            elif kind < 0.2 and self.sent:
                self.post(self.random.choice(self.sent))
            else:
                self.post(self.chain(*self.legs(kind)))
        return self.history

    def legs(self, kind: float) -> list[Transfer]:
        """Return transfers between drawn accounts, or what becomes of a hold."""
        if kind < 0.35 and self.holds:
            key = self.holds.pop(self.random.randrange(len(self.holds)))
            return [capture(key) if kind < 0.3 else release(key)]
        pairs = [self.random.sample(self.codes, 2) for _ in range(self.random.choice((1, 1, 2, 3)))]
        legs = [transfer(debit, credit, self.random.randint(1, 9)) for debit, credit in pairs]
        if kind > 0.9:
            legs.insert(0, hold(pairs[0][0], pairs[0][1], 3, expires_at=None))
        return legs

    def chain(self, *legs: Transfer) -> Chain:
        """Return a chain of a new fact."""
        self.facts += 1
        return Chain(fact_id(f"fact:{self.facts}"), "move", legs)

    def span(self) -> tuple[int, int, int]:
        """Return a client that is free, and when its operation starts and ends, around the next instant."""
        self.now_ns += self.random.randint(1, 40)
        client = min(range(len(self.free_at)), key=self.free_at.__getitem__)
        start = max(self.free_at[client], self.now_ns - self.random.randint(1, 150))
        if start >= self.now_ns:
            self.now_ns = start + 1
        end = self.now_ns + self.random.randint(1, 150)
        self.free_at[client] = end + 1
        return client, start, end

    def post(self, chain: Chain) -> Operation:
        """Record one posting, or a repetition of one."""
        client, start, end = self.span()
        status, _ = self.server.post(chain, SOME_DAY)
        done = status in (Status.POSTED, Status.EXISTS)
        self.sent.append(chain)
        entries: list[Entry] = []
        for row in self.server.rows_of_chain(chain.key) if done else ():
            dr, cr = row.debit_after, row.credit_after
            entries.append(Entry(row.debit, dr.sequence, -row.moved, dr.posted, dr.available))
            entries.append(Entry(row.credit, cr.sequence, row.moved, cr.posted, cr.available))
            if row.reserved > 0 and status is Status.POSTED:
                self.holds.append(row.key)
        outcome = "ok" if done else "fail"
        key = str(chain.key)
        one = Operation(client, key, start, end, outcome, status, chain, writes=tuple(entries))
        self.history.append(one)
        return one

    def read(self, *codes: str) -> Operation:
        """Record one read of several accounts at one instant."""
        client, start, end = self.span()
        seen = []
        for code in codes:
            balance = self.server.balances(code)
            seen.append(Seen(code, balance.sequence, balance.posted))
        key = f"read:{len(self.history)}"
        one = Operation(client, key, start, end, status="read", reads=tuple(seen))
        self.history.append(one)
        return one
