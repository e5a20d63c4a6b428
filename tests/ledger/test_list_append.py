"""The list-append checker names each anomaly, and tells isolation levels apart."""

from __future__ import annotations

import random
import time
from collections import defaultdict

import pytest

from tests.ledger.list_append import Append, Read, Transaction, anomalies


def done(*steps: Append | Read, outcome: str = "ok", start: int = 0, end: int = 10) -> Transaction:
    return Transaction(steps, outcome, start, end)


def a(value: int, key: str = "x") -> Append:
    return Append(key, value)


def r(*values: int, key: str = "x") -> Read:
    return Read(key, values)


GOOD: dict[str, list[Transaction]] = {
    "nothing": [],
    "one after the other": [done(a(1)), done(r(1), a(2)), done(r(1, 2))],
    "own appends are seen": [done(a(1), r(1), a(2), r(1, 2)), done(r(1, 2))],
    "an unknown append that was done": [done(a(1), outcome="info"), done(r(1))],
    "an unknown append that was not": [done(a(1), outcome="info"), done(r())],
    "a failed append that nobody saw": [done(a(1), outcome="fail"), done(a(2)), done(r(2))],
    "an append that nobody read": [done(r()), done(a(1))],
}

BAD: dict[str, tuple[str, list[Transaction]]] = {
    "a read of what failed": ("dirty", [done(a(1), outcome="fail"), done(r(1))]),
    "a read of what nobody wrote": ("dirty", [done(r(7))]),
    "a read in the middle": ("dirty", [done(a(1), a(2)), done(r(1)), done(r(1, 2))]),
    "a read that changed within": ("internal", [done(a(1)), done(r(), r(1))]),
    "a read without the own append": ("internal", [done(a(1), r())]),
    "an own append that did not last": ("internal", [done(r(), a(1), r()), done(r(1))]),
    "two orders": ("order", [done(a(1)), done(a(2)), done(r(1, 2)), done(r(2, 1))]),
    "a doubled append": ("order", [done(a(1)), done(r(1, 1))]),
    "a lost append": ("order", [done(a(1)), done(a(2)), done(r(1)), done(r(2))]),
    "writes between writes": (
        "G0",
        [done(a(1), a(1, "y")), done(a(2), a(2, "y")), done(r(1, 2), r(2, 1, key="y"))],
    ),
    "each read the other": ("G1c", [done(a(1), r(1, key="y")), done(a(1, "y"), r(1))]),
    "a lost update": ("G-single", [done(r(), a(1)), done(r(), a(2)), done(r(1, 2))]),
    "a torn read": ("G-single", [done(a(1), a(1, "y")), done(r(1), r(key="y")), done(r(1, key="y"))]),
    "write skew": (
        "G2",
        [
            done(r(), r(key="y"), a(1)),
            done(r(), r(key="y"), a(1, "y")),
            done(r(1), r(1, key="y")),
        ],
    ),
    "write skew that nobody read": ("G2", [done(r(key="y"), a(1)), done(r(), a(1, "y"))]),
}


@pytest.mark.parametrize("name", GOOD)
def test_a_good_history_is_accepted(name: str) -> None:
    assert anomalies(GOOD[name]) == []


@pytest.mark.parametrize("name", BAD)
def test_each_anomaly_is_named(name: str) -> None:
    kind, history = BAD[name]
    assert {one.kind for one in anomalies(history)} == {kind}
    assert {one.kind for one in anomalies(history[::-1])} == {kind}


def test_a_stale_read_is_wrong_only_in_real_time() -> None:
    stale = [done(a(1), start=0, end=1), done(r(), start=2, end=3)]
    assert anomalies(stale) == []
    assert [one.kind for one in anomalies(stale, real_time=True)] == ["G-single"]
    beside = [done(a(1), start=0, end=5), done(r(), start=2, end=3)]
    assert anomalies(beside, real_time=True) == []


class Store:
    """Lists under an isolation level: `statement`, `snapshot` (first committer wins) or `serial`.

    Under `statement` an append locks its list until the commit, as a row is locked by an update.
    """

    def __init__(self, level: str, seed: int, *, lists: int = 3) -> None:
        self.level = level
        self.keys = [f"list:{i}" for i in range(lists)]
        self.locked: dict[str, Client] = {}
        self.random = random.Random(seed)
        self.lists: dict[str, tuple[int, ...]] = defaultdict(tuple)
        self.value = 0

    def run(self, transactions: int) -> list[Transaction]:
        """Return transactions of four clients whose steps come in any order."""
        history: list[Transaction] = []
        running: list[Client] = []
        while len(history) < transactions:
            if len(running) < (1 if self.level == "serial" else 4):
                running.append(Client(self))
            client = self.random.choice(running)
            if client.work():
                running.remove(client)
                history.append(Transaction(tuple(client.steps), "ok" if client.committed else "fail"))
        return history


class Client:
    """One transaction under way."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.snapshot = dict(store.lists)
        self.own: dict[str, tuple[int, ...]] = defaultdict(tuple)
        self.left = store.random.randint(1, 4)
        self.steps: list[Append | Read] = []
        self.committed = False

    def work(self) -> bool:
        """Take one step, the last of which commits; return whether this was the last."""
        store, key = self.store, self.store.random.choice(self.store.keys)
        if not self.left:
            self.commit()
            return True
        self.left -= 1
        if store.random.random() < 0.5:
            if store.level == "statement" and store.locked.setdefault(key, self) is not self:
                return False
            store.value += 1
            self.own[key] += (store.value,)
            self.steps.append(Append(key, store.value))
        else:
            base = store.lists if store.level == "statement" else self.snapshot
            self.steps.append(Read(key, base.get(key, ()) + self.own[key]))
        return False

    def commit(self) -> None:
        """Make the appends seen by all, or fail where a snapshot was overtaken."""
        lists = self.store.lists
        self.store.locked = {key: one for key, one in self.store.locked.items() if one is not self}
        changed = [key for key, values in self.own.items() if values]
        if self.store.level == "snapshot" and any(lists[k] != self.snapshot.get(k, ()) for k in changed):
            return
        for key in changed:
            lists[key] += self.own[key]
        self.committed = True


def kinds_under(level: str) -> set[str]:
    runs = [anomalies(Store(level, seed).run(60)) for seed in range(40)]
    return {one.kind for found in runs for one in found}


def test_isolation_levels_are_told_apart() -> None:
    assert kinds_under("serial") == set()
    assert kinds_under("snapshot") == {"G2"}
    assert {"internal", "G-single"} <= kinds_under("statement")


def test_a_long_history_is_checked_in_little_time() -> None:
    history = Store("snapshot", 1, lists=300).run(5_000)
    begun = time.process_time()
    assert {one.kind for one in anomalies(history)} <= {"G2"}
    assert time.process_time() - begun < 4
