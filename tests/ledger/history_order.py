"""In which order the operations of a history can have happened, if in any."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.ledger.dependency_graph import DependencyGraph
from tests.ledger.history import NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.ledger.history import Operation


def dependencies(history: Sequence[Operation], *, real_time: bool = True) -> DependencyGraph:
    """Return who comes before whom. Node i is operation i; nodes beyond are moments in time.

    The sequences make every edge exact. ww: the next version of an account; wr: a version to who
    read it, and a posting to who repeated it; rw: who read a version to who wrote the next one.
    """
    graph = DependencyGraph(len(history))
    writers: dict[tuple[str, int], int] = {}
    first: dict[str, int] = {}
    for node, one in enumerate(history):
        if one.posted:
            first[one.key] = node
            writers.update({(entry.account, entry.sequence): node for entry in one.writes})
    for (account, sequence), node in writers.items():
        before = writers.get((account, sequence - 1))
        if before is not None:
            graph.add(before, node, "ww")
    for node, one in enumerate(history):
        if one.outcome == "ok" and one.repeats and one.key in first:
            graph.add(first[one.key], node, "wr")
        if one.outcome == "ok" and one.reads:
            _add_reads(graph, node, one, writers)
    if real_time:
        graph.add_time(
            (node, one.start_ns, None if one.end_ns == NEVER else one.end_ns)
            for node, one in enumerate(history)
            if one.outcome == "ok"
        )
    return graph


def _add_reads(
    graph: DependencyGraph, node: int, one: Operation, writers: Mapping[tuple[str, int], int]
) -> None:
    for seen in one.reads:
        written = writers.get((seen.account, seen.sequence))
        if written is not None:
            graph.add(written, node, "wr")
        overwritten = writers.get((seen.account, seen.sequence + 1))
        if overwritten is not None:
            graph.add(node, overwritten, "rw")


def check_order(history: Sequence[Operation], *, real_time: bool = True) -> list[str]:
    """Check that some serial order explains the history, one that also agrees with real time."""
    _, found = serial_order(history, real_time=real_time)
    return found


def serial_order(
    history: Sequence[Operation], *, real_time: bool = True
) -> tuple[list[Operation], list[str]]:
    """Return the operations in a serial order that explains the history, or else why there is none."""
    graph = dependencies(history, real_time=real_time)
    order = graph.order()
    if len(order) == len(graph):
        return [history[node] for node in order if node < len(history)], []
    cycle = graph.cycle()
    names = [history[edge.before].key if edge.before < len(history) else "…" for edge in cycle]
    steps = [f"{name} -{edge.why}->" for name, edge in zip(names, cycle, strict=True)]
    return [], [f"no serial order: {' '.join(steps)} {names[0]}"]
