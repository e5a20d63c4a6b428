"""Who must come before whom: a directed graph with topological order, cycles and components."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Edge(NamedTuple):
    """`before` comes before `after`, because of `why` (`ww`, `wr`, `rw`, `time`)."""

    before: int
    after: int
    why: str


class DependencyGraph:
    """Nodes are numbers from 0; every question is answered in O(V + E)."""

    def __init__(self, nodes: int) -> None:
        self.after: list[list[int]] = [[] for _ in range(nodes)]
        self.why: list[list[str]] = [[] for _ in range(nodes)]

    def __len__(self) -> int:
        return len(self.after)

    def add_node(self) -> int:
        """Add a node and return its number."""
        self.after.append([])
        self.why.append([])
        return len(self.after) - 1

    def add(self, before: int, after: int, why: str) -> None:
        """Say that one node comes before another; that a node precedes itself says nothing."""
        if before != after:
            self.after[before].append(after)
            self.why[before].append(why)

    def add_time(self, spans: Iterable[tuple[int, int, int | None]]) -> None:
        """Add what real time says of (node, start, end): who was answered before another began.

        Every answer is a moment, a node of its own, and moments follow each other, so there are
        only as many edges as spans and still each order is said. Without an end nothing follows.
        """
        starts: dict[int, list[int]] = defaultdict(list)
        ends: dict[int, list[int]] = defaultdict(list)
        for node, start, end in spans:
            starts[start].append(node)
            if end is not None:
                ends[end].append(node)
        latest: int | None = None
        for instant in sorted(starts.keys() | ends.keys()):
            for node in starts[instant]:  # what begins at the very instant of an answer overlaps it
                if latest is not None:
                    self.add(latest, node, "time")
            if ends[instant]:
                moment = self.add_node()
                for node in [*ends[instant], *([] if latest is None else [latest])]:
                    self.add(node, moment, "time")
                latest = moment

    def edges(self) -> list[Edge]:
        """Return all edges."""
        return [
            Edge(before, after, why)
            for before, others in enumerate(self.after)
            for after, why in zip(others, self.why[before], strict=True)
        ]

    def order(self) -> list[int]:
        """Return nodes so that each comes after those before it; nodes on or after a cycle are missing."""
        missing = [0] * len(self)
        for others in self.after:
            for node in others:
                missing[node] += 1
        ready = deque(node for node, count in enumerate(missing) if not count)
        ordered = []
        while ready:
            node = ready.popleft()
            ordered.append(node)
            for other in self.after[node]:
                missing[other] -= 1
                if not missing[other]:
                    ready.append(other)
        return ordered

    def cycle(self) -> list[Edge]:
        """Return the edges of a cycle, short rather than shortest; empty when there is none."""
        component = next((one for one in self.components() if len(one) > 1), None)
        if component is None:
            return []
        members = set(component)
        came: dict[int, Edge] = {}
        queue = deque([component[0]])
        while queue:
            node = queue.popleft()
            for other, why in zip(self.after[node], self.why[node], strict=True):
                if other == component[0]:
                    return self._walk_back(Edge(node, other, why), came)
                if other in members and other not in came:
                    came[other] = Edge(node, other, why)
                    queue.append(other)
        raise AssertionError("a component without a cycle")

    @staticmethod
    def _walk_back(last: Edge, came: dict[int, Edge]) -> list[Edge]:
        path = [last]
        while path[-1].before != last.after:
            path.append(came[path[-1].before])
        return path[::-1]

    def components(self) -> list[list[int]]:
        """Return the strongly connected components (Tarjan, without recursion)."""
        index: dict[int, int] = {}
        low: dict[int, int] = {}
        stack: list[int] = []
        on_stack: set[int] = set()
        found: list[list[int]] = []
        for root in range(len(self)):
            if root in index:
                continue
            work = [(root, 0)]
            while work:
                node, place = work.pop()
                if node not in index:
                    index[node] = low[node] = len(index)
                    stack.append(node)
                    on_stack.add(node)
                others = self.after[node]
                while place < len(others) and others[place] in index:
                    if others[place] in on_stack:
                        low[node] = min(low[node], low[others[place]])
                    place += 1
                if place < len(others):
                    work += [(node, place), (others[place], 0)]
                elif low[node] == index[node]:
                    found.append([])
                    while not found[-1] or found[-1][-1] != node:
                        found[-1].append(stack.pop())
                    on_stack.difference_update(found[-1])
        return found
