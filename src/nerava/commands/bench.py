"""`nerava bench`: measured beside a peer, in one run."""

from __future__ import annotations

from collections.abc import Iterator
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


@app.command("ledger")
def ledger_command(
    quick: Annotated[
        bool, typer.Option(help="A short run that shows it works; its ratios mean little.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Post, hold and read beside pgbench TPC-B, fsync on for both; exit with 1 if a goal is missed."""
    out = Output(as_json=as_json)
    _report(out, "Ledger", ledger.run(ledger.QUICK if quick else ledger.Size(), out.step), quick=quick)


@app.command("identity")
def identity_command(
    quick: Annotated[
        bool, typer.Option(help="A short run that shows it works; its ratios mean little.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Refresh beside signed-in requests that change nothing; exit with 1 if a goal is missed."""
    out = Output(as_json=as_json)
    _report(
        out, "Identity", identity.run(identity.QUICK if quick else identity.Size(), out.step), quick=quick
    )


@app.command("money")
def money_command(
    quick: Annotated[
        bool, typer.Option(help="A short run that shows it works; its ratios mean little.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show and take codes over HTTP beside a bare hello world, and grant; exit with 1 if a goal is missed."""
    out = Output(as_json=as_json)
    _report(out, "Money", money.run(money.QUICK if quick else money.Size(), out.step), quick=quick)


@app.command("overhead")
def overhead_command(
    quick: Annotated[
        bool, typer.Option(help="A short run that shows it works; its ratios mean little.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Call with traces and metrics off and on beside a product without; exit with 1 if a goal is missed."""
    out = Output(as_json=as_json)
    _report(
        out, "Overhead", overhead.run(overhead.QUICK if quick else overhead.Size(), out.step), quick=quick
    )


def _report(out: Output, title: str, measuring: Iterator[Result], *, quick: bool) -> None:
    results = []
    with refusing(out):
        for one in measuring:
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
