"""The benchmark of traces and metrics compares with the same product, of which the hooks are gone and nothing else."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from nerava.bench import overhead
from nerava.bench.without_hooks import stripped

SOURCE = Path(__file__).parents[2] / "src" / "nerava"
OF_TRACING = ("platform/tracing", "platform/otlp", "telemetry.py", "bench")
"""What records, sends, and turns it on; nothing of it runs while it is off."""

WITH_HOOKS = """
def serve(scope, receive):
    with tracing.serving(scope) as span, lock:
        answer = receive(span)
        if span:
            span.status = answer
        span.set("a", 1)
    describe(span, answer)
    if self._meter is not None:
        self._meter.count(answer)
    counts = None if self._counted is None else begin(session)
    if self._counted is not None and counts:
        self._counted(counts)
    tally(session, CODES, "used")
    left, here, on = tracing.stored(), tracing.current(), tracing.is_on()
    with tracing.job("x") as span:
        done = span.did(work(span))
    with tracing.resumed(left):
        return [done, *tracing.onward()]

def only(span):
    with tracing.span("x") as span:
        span.set("a", 1)

class Row:
    column = field(default_factory=tracing.stored, width=55)
"""

WITHOUT = """
def serve(scope, receive):
    with lock:
        answer = receive(None)
    counts = None
    left, here, on = (None, None, False)
    done = work(None)
    return [done, *[]]

def only(span):
    pass

class Row:
    column = field(default=None, width=55)
"""


def test_hooks_are_taken_out_and_everything_else_stays() -> None:
    assert ast.unparse(stripped(WITH_HOOKS, "x")) == ast.unparse(ast.parse(WITHOUT))


def test_of_no_module_of_the_product_a_hook_is_left() -> None:
    left = {}
    for file in SOURCE.rglob("*.py"):
        name = str(file.relative_to(SOURCE))
        source = file.read_bytes()
        if name.startswith(OF_TRACING) or b"tracing." not in source:
            continue
        calls = [one.func for one in ast.walk(stripped(source, name)) if isinstance(one, ast.Call)]
        found = [ast.unparse(one) for one in calls if ast.unparse(one).startswith("tracing.")]
        if found:
            left[name] = found
    assert left == {}


@pytest.mark.chaos
def test_it_runs_on_both_databases_and_says_what_it_measured() -> None:
    results = list(overhead.run(overhead.Size(turns=6, warming=1), lambda _line: None))
    assert [(one.scenario, one.database) for one in results] == [
        (scenario, database)
        for database in ("postgresql", "sqlite")
        for scenario in ("request_cpu_off", "request_cpu_on")
    ]
    assert all(0.3 < one.ratio < 3 for one in results)
