"""Finds isolation anomalies in transactions that append to lists and read them (after Elle).

A read shows the whole order of appends, so who came before whom is known and not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from tests.ledger.dependency_graph import DependencyGraph
from tests.ledger.history import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Append(NamedTuple):
    """A value put at the end of a list; no value is ever appended twice to one list."""

    key: str
    value: int


class Read(NamedTuple):
    """A list as it was read."""

    key: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transaction:
    """What one transaction did, in order. `outcome` is `ok`, `fail` or `info`, as in a history."""

    steps: tuple[Append | Read, ...]
    outcome: str = "ok"
    start_ns: int = 0
    end_ns: int = NEVER


class Anomaly(NamedTuple):
    """What is wrong.

    `dirty` is a read of what never was committed, `internal` a transaction that disagrees with
    itself, `order` reads that no one order explains. The others are cycles: `G0` of writes alone,
    `G1c` of writes and reads, `G-single` impossible under a snapshot, `G2` possible there (write
    skew) but in no serial order.
    """

    kind: str
    what: str


class _Lists:
    """The order of the appends of every list, as the longest reads show it."""

    def __init__(self, history: Sequence[Transaction]) -> None:
        self.writer: dict[Append, int] = {}
        self.order: dict[str, tuple[int, ...]] = defaultdict(tuple)
        self.anomalies: list[Anomaly] = []
        self.last_of: dict[tuple[int, str], int] = {}
        for node, one in enumerate(history):
            for step in one.steps:
                if isinstance(step, Append):
                    if step in self.writer:
                        self._found("order", f"{step} twice")
                    self.writer[step] = node
                    self.last_of[node, step.key] = step.value
        reads = [
            (step, node)
            for node, one in enumerate(history)
            if one.outcome == "ok"
            for step in one.steps
            if isinstance(step, Read)
        ]
        for step, _ in reads:
            self.order[step.key] = max(self.order[step.key], step.values, key=len)
        for step, node in reads:
            if self.order[step.key][: len(step.values)] != step.values:
                self._found("order", f"{step} beside {self.order[step.key]}")
            self._check_committed(history, step, node)
        for key, values in self.order.items():
            if len(set(values)) != len(values):
                self._found("order", f"{key} holds a value twice: {values}")

    def _check_committed(self, history: Sequence[Transaction], step: Read, node: int) -> None:
        for value in step.values:
            writer = self.writer.get(Append(step.key, value))
            if writer is None or history[writer].outcome == "fail":
                self._found("dirty", f"{step} with {value} of nobody")
        others = [value for value in step.values if self.writer.get(Append(step.key, value)) != node]
        writer = self.writer.get(Append(step.key, others[-1])) if others else None
        if writer is not None and self.last_of[writer, step.key] != others[-1]:
            self._found("dirty", f"{step} in the middle of a transaction")

    def _found(self, kind: str, what: str) -> None:
        self.anomalies.append(Anomaly(kind, what))


def anomalies(history: Sequence[Transaction], *, real_time: bool = False) -> list[Anomaly]:
    """Return what is wrong with a history, of all cycles only one of the worst kind.

    With `real_time` a transaction that began after another was answered must come after it.
    """
    lists = _Lists(history)
    found = [*lists.anomalies, *_internal(history)]
    if found:
        return found
    graph = _dependencies(history, lists)
    if real_time:
        graph.add_time(
            (node, one.start_ns, None if one.outcome == "info" or one.end_ns == NEVER else one.end_ns)
            for node, one in enumerate(history)
            if one.outcome != "fail"
        )
    kinds = (("G0", {"ww", "time"}), ("G1c", {"ww", "wr", "time"}))
    for kind, whys in kinds:
        part = DependencyGraph(len(graph))
        for edge in graph.edges():
            if edge.why in whys:
                part.add(*edge)
        if part.cycle():
            return [Anomaly(kind, str(part.cycle()))]
    cycle = _without_neighbours(graph).cycle()
    if cycle:
        return [Anomaly("G-single", str(cycle))]
    return [Anomaly("G2", str(graph.cycle()))] if graph.cycle() else []


def _internal(history: Sequence[Transaction]) -> Iterator[Anomaly]:
    """Yield reads that disagree with what the same transaction read and appended before."""
    for one in history:
        known: dict[str, tuple[int, ...]] = {}
        mine: dict[str, tuple[int, ...]] = defaultdict(tuple)
        for step in one.steps if one.outcome == "ok" else ():
            if isinstance(step, Append):
                mine[step.key] += (step.value,)
                if step.key in known:
                    known[step.key] += (step.value,)
                continue
            tail = step.values[len(step.values) - len(mine[step.key]) :]
            if step.values != known.get(step.key, step.values) or tail != mine[step.key]:
                yield Anomaly("internal", f"{step} after {known.get(step.key)} and own {mine[step.key]}")
            known[step.key] = step.values


def _dependencies(history: Sequence[Transaction], lists: _Lists) -> DependencyGraph:
    graph = DependencyGraph(len(history))
    unseen: dict[str, list[int]] = defaultdict(list)
    for append, node in lists.writer.items():
        if append.value not in lists.order[append.key] and history[node].outcome == "ok":
            unseen[append.key].append(node)
    writers = {
        key: [lists.writer[Append(key, value)] for value in values] for key, values in lists.order.items()
    }
    for key, nodes in writers.items():
        for before, after in pairwise(nodes):
            graph.add(before, after, "ww")
        for after in unseen[key] if nodes else ():
            graph.add(nodes[-1], after, "ww")
    for node, key, length in _lengths_read(history):
        if length:
            graph.add(writers[key][length - 1], node, "wr")
        for after in writers[key][length : length + 1] or unseen[key]:
            graph.add(node, after, "rw")
    return graph


def _lengths_read(history: Sequence[Transaction]) -> Iterator[tuple[int, str, int]]:
    """Yield who read which list, and how long it was without the reader's own appends."""
    for node, one in enumerate(history):
        mine: dict[str, int] = defaultdict(int)
        for step in one.steps if one.outcome == "ok" else ():
            if isinstance(step, Append):
                mine[step.key] += 1
            else:
                yield node, step.key, len(step.values) - mine[step.key]


def _without_neighbours(graph: DependencyGraph) -> DependencyGraph:
    """Return a graph whose cycles are those of the first in which no two rw edges are neighbours.

    A snapshot allows exactly the cycles with two such neighbours. Node n stands for having come
    over another edge, node n + size for having come over an rw edge, after which none may follow.
    """
    size = len(graph)
    doubled = DependencyGraph(2 * size)
    for before, after, why in graph.edges():
        if why == "rw":
            doubled.add(before, after + size, why)
        else:
            doubled.add(before, after, why)
            doubled.add(before + size, after, why)
    return doubled
