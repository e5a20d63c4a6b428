"""Clients that work on the real ledger and write down what they asked, when, and what they were told."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

from nerava.kernel.errors import NeravaError
from nerava.ledger import (
    AccountSpec,
    Asset,
    Kind,
    Status,
    account_id,
    capture,
    chain,
    hold,
    release,
    transfer,
)
from nerava.ledger.reads import balance_now
from tests.ledger.history import NEVER, Operation, Seen, operation_of, resolved

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Transfer
    from tests.helpers.financial_helpers import Books

CLIENTS: Final = 8
FUNDS: Final = 200
PAUSE_S: Final = 0.02
"""What a client waits before it asks a struggling server again."""

SPECS: Final = {"world": AccountSpec("world", "POINT", "play", floor=None)} | {
    code: AccountSpec(code, "POINT", "play") for code in (f"player:{number}" for number in range(12))
}
"""Twelve players and where their points come from, by code."""

_NAMES: Final = {account_id(code): code for code in SPECS}
_PLAYERS: Final = [code for code in SPECS if code != "world"]
_FUNDING: Final = chain("funding", *(transfer("world", code, FUNDS) for code in _PLAYERS), template="play")


class Client:
    """One client: asks by one of the two ways, repeats a key until it has an answer, notes everything."""

    def __init__(self, books: Books, number: int, seed: str) -> None:
        self._books = books
        self._number = number
        self._rng = Random(f"{seed} client {number}")
        self._facts = 0
        self._holds: list[UUID] = []
        self._sent: list[Chain] = []
        self.history: list[Operation] = []
        self.errors: list[NeravaError] = []
        self.served_at: list[float] = []

    def work_until(self, ended: threading.Event) -> None:
        """Ask one thing after the other."""
        while not ended.is_set():
            self._ask_something()

    def ask(self, one: Chain) -> None:
        """Post a chain; once nobody knows what became of it, repeat the same key until the ledger answers."""
        self._sent.append(one)
        answer = self._ask_once(one)
        unknown = answer == "info"
        while unknown and answer in ("info", "no answer"):
            answer = self._ask_once(one)
        if answer == "no answer":
            # Asked again later, `exists` would say either that this promise was broken or that the unit
            # of work had met its own lost commit then; a history that cannot tell them apart is no use.
            self._sent = [other for other in self._sent if other.key != one.key]

    def _ask_something(self) -> None:
        kind = self._rng.random()
        if kind < 0.15:
            self._read(self._rng.sample(list(SPECS), self._rng.randint(1, 4)))
        elif kind < 0.20 and self._sent:
            self.ask(self._rng.choice(self._sent[-20:]))
        else:
            self._facts += 1
            fact = f"play:{self._number}:{self._facts}"
            one = chain(fact, *self._legs(kind), template="play", actor=f"client-{self._number}")
            self.ask(one)

    def _legs(self, kind: float) -> list[Transfer]:
        rng = self._rng
        if kind < 0.35 and self._holds:
            key = self._holds.pop(rng.randrange(len(self._holds)))
            return [capture(key) if kind < 0.3 else release(key)]
        pairs = [rng.sample(list(SPECS), 2) for _ in range(rng.choice((1, 1, 2, 3)))]
        legs = [transfer(debit, credit, rng.randint(1, 60)) for debit, credit in pairs]
        if kind > 0.85:
            legs.insert(0, hold(*pairs[0], rng.randint(1, 20), expires_at=None))
        return legs

    def _ask_once(self, one: Chain) -> str:
        start = time.monotonic_ns()
        try:
            verdict = self._books.post(one)
        except NeravaError as error:
            return self._note_error(str(one.key), start, error, one)
        end = time.monotonic_ns()
        self._note(operation_of(verdict, one, _NAMES, process=self._number, start_ns=start, end_ns=end))
        if verdict.status is Status.POSTED and verdict.transfers[0].kind == Kind.HOLD:
            self._holds.append(one.key)
        return "ok" if verdict.ok else "fail"

    def _read(self, codes: Sequence[str]) -> None:
        start = time.monotonic_ns()
        key = f"read:{self._number}:{start}"
        try:
            found = self._books.database.read(lambda session: [balance_now(session, code) for code in codes])
        except NeravaError as error:
            self._note_error(key, start, error)
            return
        seen = tuple(Seen(one.code, one.sequence, one.posted) for one in found)
        self._note(Operation(self._number, key, start, time.monotonic_ns(), status="read", reads=seen))

    def _note(self, done: Operation) -> None:
        self.history.append(done)
        self.served_at.append(time.monotonic())

    def _note_error(self, key: str, start: int, error: NeravaError, one: Chain | None = None) -> str:
        """Note what the machinery could not do; nothing is known unless the error promises it."""
        done_not = error.outcome == "not_executed" or one is None
        outcome, end = ("fail", time.monotonic_ns()) if done_not else ("info", NEVER)
        self.history.append(Operation(self._number, key, start, end, outcome, error.code, one))
        self.errors.append(error)
        time.sleep(PAUSE_S)
        return "no answer" if done_not else "info"


def open_accounts(books: Books) -> Operation:
    """Open the accounts of the game and give every player something; return the record of it."""

    def work(session: Session) -> None:
        books.ledger.define(session, [Asset("POINT", 0, "points")])
        books.ledger.open(session, SPECS.values())

    books.database.run(work)
    start = time.monotonic_ns()
    (verdict,) = books.must(_FUNDING)
    return operation_of(verdict, _FUNDING, _NAMES, process=0, start_ns=start, end_ns=time.monotonic_ns())


class Worker(Protocol):
    """Whoever works until it is told to stop."""

    def work_until(self, ended: threading.Event) -> None: ...


def record(clients: Sequence[Worker], during: Callable[[], object]) -> None:
    """Let clients work in parallel for as long as `during` takes."""
    ended = threading.Event()
    threads = [threading.Thread(target=client.work_until, args=(ended,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        during()
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def settled(history: Iterable[Operation]) -> list[Operation]:
    """Return a history in which every key that was done has the one operation that did it.

    The unit of work repeats a lost commit by itself; then the very first answer that a client hears
    is `exists`, and the posting was its own. But where a client had been promised before that
    nothing was executed, the answer stays what it is, and the checkers will say so.
    """
    kept = sorted(history, key=lambda one: one.start_ns)
    words = set(Status)
    posted = {one.key for one in kept if one.posted}
    asked = {one.key for one in kept if one.outcome == "info"}
    promised = {one.key for one in kept if one.outcome == "fail" and one.status not in words}
    refused: set[str] = set()
    unknown: set[str] = set()
    for one in kept:
        if one.outcome == "info":
            unknown.add(one.key)
        elif one.outcome == "fail" and one.status in words and one.key in unknown:
            refused.add(one.key)
    found = []
    for one in kept:
        if one.repeats and one.outcome == "ok" and one.key not in posted | asked | promised:
            posted.add(one.key)
            found.append(replace(one, status=Status.POSTED))
        else:
            found.append(one)
    # A key that a repetition posted, or was refused, had not been done by the attempt nobody knew about.
    return resolved(found, dict.fromkeys((posted | refused) & asked))


def in_flight(history: Iterable[Operation]) -> int:
    """Return the largest number of operations that were in flight at once."""
    steps = sorted(
        step for one in history if one.end_ns != NEVER for step in ((one.start_ns, 1), (one.end_ns, -1))
    )
    return max(accumulate(change for _, change in steps))
