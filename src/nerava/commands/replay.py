"""`nerava replay`: recorded sessions through the whole product, and what came of them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from nerava.charging.recordings import READY_MAPPINGS, Limits, mapping_for, parse
from nerava.commands.data import fetch_into
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import EXIT_BROKEN, AsJson, Output
from nerava.integrations import datasets
from nerava.integrations.session_files import read_mapping, read_rows
from nerava.replay.report import reason_text, report
from nerava.replay.run import Replay, ReplayOptions, first, read_all
from nerava.replay.scenario import SCENARIOS, ready

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.charging.recordings import ColumnMapping
    from nerava.installation import Installation
    from nerava.integrations.session_files.source import RowStream
    from nerava.replay.report import ReplayReport
    from nerava.replay.run import Sorted
    from nerava.replay.settling import Ground


def replay_command(
    dataset: Annotated[
        str | None, typer.Option(help="acn (27,407 real sessions, fetched first) or sample.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Your own .csv, .json, .jsonl or .xlsx.")] = None,
    mapping: Annotated[
        str | None, typer.Option(help="Columns: nerava, acn, epfl, or a .toml or .json file.")
    ] = None,
    campaigns: Annotated[int, typer.Option(help="How many campaigns: 3 or 20.")] = 20,
    seed: Annotated[int, typer.Option(help="Decides which simulated driver has which session.")] = 7,
    drivers: Annotated[int, typer.Option(min=1, max=1_000_000, help="Simulated drivers.")] = 2_000,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many sessions.")] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Run recorded sessions through evidence, evaluation, posting and settlement.

    Refuses dirty rows with their number and reason, and goes on. Running it again changes nothing;
    an interrupted run is continued by running it again. Exit status 1 if the audit finds a break.
    """
    out = Output(as_json=as_json)
    if (dataset is None) == (file is None):
        message = "name either --dataset or --file"
        raise typer.BadParameter(message)
    if campaigns not in SCENARIOS:
        message = f"{campaigns}: there are replays with {' and '.join(map(str, SCENARIOS))} campaigns"
        raise typer.BadParameter(message)
    with opened(out, database, migrate=True) as installation:
        recording = first(_read(out, installation, dataset, file, mapping), limit)
        options = ReplayOptions(dataset or f"file:{_stem(file)}", seed=seed, drivers=drivers)
        result = replay_into(out, installation, recording, options, campaigns)
    show(out, result)
    out.document(result.as_dict())
    if not result.ok:
        raise typer.Exit(EXIT_BROKEN)


def replay_into(
    out: Output,
    installation: Installation,
    recording: Sorted,
    options: ReplayOptions,
    campaigns: int,
    *,
    grounds: Sequence[Ground] = (),
) -> ReplayReport:
    """Make the campaigns ready, replay a recording with a progress bar, and report."""
    database, ledger, clock = installation.database, installation.ledger, installation.clock
    scenario = SCENARIOS[campaigns](installation.settings.money.currency)
    database.run(lambda session: ready(session, ledger, scenario, clock.now()))
    replay = Replay(database, ledger, clock, options, places={one.name: one.location_id for one in grounds})
    with out.progress("replaying sessions", len(recording.sessions)) as done:
        started = time.perf_counter()
        counts = replay.run(recording, done)
        seconds = time.perf_counter() - started
    out.step("counting and auditing")
    return report(database, counts, seconds)


def show(out: Output, result: ReplayReport) -> None:
    """Print what came of a replay as tables."""
    counts, tally = result.counts, result.tally
    if counts.refused:
        out.table(
            "Rows that are no sessions",
            ("row", "reason", "detail"),
            [(one.row, str(one.reason), one.detail) for one in counts.refused[:20]],
        )
        if len(counts.refused) > 20:  # noqa: PLR2004 - a screenful
            out.table("… in all", ("reason", "rows"), result.refused_rows.most_common())
    out.table(
        "Sessions",
        ("", "sessions"),
        [
            ("earned points", tally.earned),
            ("  of these held until better proven", tally.held),
            *((f"earned none: {reason_text(code)}", number) for code, number in tally.reasons.most_common()),
            *([("not decided yet", tally.undecided)] if tally.undecided else []),
            ("in all", tally.sessions),
        ],
    )
    out.table(
        "Campaigns, in minor units: what was funded is left, held, granted or a fee",
        ("campaign", "funded", "left", "held", "granted", "fees"),
        [
            (one.name, one.money.funded, one.money.left, one.money.held, one.money.granted,
             one.money.fee_left + one.money.fee_earned)
            for one in result.campaigns
        ],
    )  # fmt: skip
    for one in result.campaigns:
        if not one.money.adds_up:
            out.say(f"[red]{escape(one.name)} does not add up[/red]")
    for finding in result.findings:
        out.say(f"[red]{escape(finding.check)}[/red] {escape(finding.subject)}: {escape(finding.detail)}")
    out.say(f"{tally.points:,} Nova granted, each backed by 1 minor unit of cash.")
    out.say(
        f"This run: {counts.new:,} new sessions, {counts.known:,} known; "
        f"{result.seconds:.1f} s, {result.sessions_per_second:,.0f} a second."
    )
    out.say("[green]The audit is clean.[/green]" if result.ok else "[red]The audit found a break.[/red]")


def _read(
    out: Output, installation: Installation, dataset: str | None, file: Path | None, mapping: str | None
) -> Sorted:
    limits = Limits(now=installation.clock.now())
    if dataset is not None:
        folder = datasets.default_data_dir()
        if dataset == "acn":
            fetch_into(out, folder)
        out.step(datasets.attribution_of(dataset))
        return read_all(datasets.read_dataset(dataset, folder, limits))
    rows = read_rows(file or Path())
    return read_all(parse(rows, _mapping(mapping, rows), limits))


def _mapping(named: str | None, rows: RowStream) -> ColumnMapping:
    if named is None:
        return mapping_for(rows.columns)
    if named in READY_MAPPINGS:
        return READY_MAPPINGS[named]
    return read_mapping(Path(named))


def _stem(file: Path | None) -> str:
    return file.name if file else ""
