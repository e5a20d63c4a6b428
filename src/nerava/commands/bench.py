"""`nerava bench`: measured beside a peer, in one run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from nerava.bench import identity, ledger, money, overhead
from nerava.bench.result import Result
from nerava.commands.opening import refusing
from nerava.commands.output import EXIT_BROKEN, AsJson, Output

app = typer.Typer(no_args_is_help=True, help="Measure, beside a peer in the same run.")


@app.callback()
def bench() -> None:
    """Measure, beside a peer in the same run."""


Quick = Annotated[bool, typer.Option(help="A short run that shows it works; its ratios mean little.")]


@app.command("ledger")
def ledger_command(quick: Quick = False, as_json: AsJson = False) -> None:
    """Post, hold and read beside pgbench TPC-B, fsync on for both; exit with 1 if a goal is missed."""
    size = ledger.QUICK if quick else ledger.Size()
    _report("Ledger", lambda step: ledger.run(size, step), quick=quick, as_json=as_json)


@app.command("identity")
def identity_command(quick: Quick = False, as_json: AsJson = False) -> None:
    """Refresh beside signed-in requests that change nothing; exit with 1 if a goal is missed."""
    size = identity.QUICK if quick else identity.Size()
    _report("Identity", lambda step: identity.run(size, step), quick=quick, as_json=as_json)


@app.command("money")
def money_command(quick: Quick = False, as_json: AsJson = False) -> None:
    """Show and take codes over HTTP beside a bare hello world, and grant; exit with 1 if a goal is missed."""
    size = money.QUICK if quick else money.Size()
    _report("Money", lambda step: money.run(size, step), quick=quick, as_json=as_json)


@app.command("overhead")
def overhead_command(quick: Quick = False, as_json: AsJson = False) -> None:
    """Call with traces and metrics off and on beside a product without; exit with 1 if a goal is missed."""
    size = overhead.QUICK if quick else overhead.Size()
    _report("Overhead", lambda step: overhead.run(size, step), quick=quick, as_json=as_json)


def _report(
    title: str, run: Callable[[Callable[[str], None]], Iterator[Result]], *, quick: bool, as_json: bool
) -> None:
    out = Output(as_json=as_json)
    results = []
    with refusing(out):
        for one in run(out.step):
            results.append(one)
            out.line(one.as_dict())
    out.table(
        title,
        ("scenario", "database", "value", "baseline", "unit", "ratio", "goal", ""),
        [
            (
                one.scenario,
                one.database,
                _number(one.value),
                _number(one.baseline),
                one.unit,
                f"{one.ratio:.2f}",
                one.goal,
                "met" if one.met else "missed",
            )
            for one in results
        ],
    )
    if not quick and not all(one.met for one in results):
        raise typer.Exit(EXIT_BROKEN)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"  # noqa: PLR2004 - three digits either way
