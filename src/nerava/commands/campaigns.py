"""`nerava campaigns`: examples to begin with, and what a campaign would have cost."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

import typer

from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output

app = typer.Typer(no_args_is_help=True, help="Campaigns to begin with, and what one would have cost.")

DAYS = 28
_DAY = ["%Y-%m-%d"]


@app.callback()
def campaigns() -> None:
    """Look at campaigns."""


@app.command("examples")
def examples_command(as_json: AsJson = False) -> None:
    """Print the campaigns of the house, from today for 90 days, as bodies for `POST /v1/campaigns`."""
    del as_json  # Every command takes it, and these are JSON for people, too.
    from nerava.kernel.clock import SystemClock  # noqa: PLC0415 - asking for help need not wait for it
    from nerava.web.api.campaign_examples import examples_from  # noqa: PLC0415 - seldom needed

    found = examples_from(SystemClock().now())
    Output(as_json=True).document([one.model_dump(mode="json") for one in found])


@app.command("dry-run")
def dry_run_command(
    campaign: Annotated[UUID, typer.Argument(help="Id of the campaign, whatever its state.")],
    since: Annotated[
        datetime | None, typer.Option(formats=_DAY, help=f"First day, UTC; {DAYS} days before the end.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DAY, help="Day after the last, UTC; today unless given.")
    ] = None,
    gross: Annotated[
        int | None, typer.Option(min=1, help="As if funded with so many minor units, fee included.")
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Judge sessions of the past as the campaign would, to the minor unit. Nothing is changed."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        from nerava.replay.report import reason_text  # noqa: PLC0415 - asking for help need not wait for it
        from nerava.rewards.dry_running import FOR_COMMANDS, Question, dry_run  # noqa: PLC0415 - seldom needed
        from nerava.web.api.campaign_dry_runs import ExactDryRunOut  # noqa: PLC0415 - seldom needed

        end = _utc(until) if until else datetime.combine(installation.clock.now().date(), time(), UTC)
        asked = Question(_utc(since) if since else end - timedelta(days=DAYS), end, gross)
        with out.progress("judging sessions") as done:
            report = installation.database.read(
                lambda session: dry_run(session, campaign, asked, FOR_COMMANDS, done), patient=True
            )
    found = ExactDryRunOut.of(report)
    out.table(
        f"From {found.since:%Y-%m-%d} to {found.until:%Y-%m-%d}, the last day not included",
        ("", "sessions", "drivers"),
        [
            ("looked at", found.sessions, found.drivers),
            ("would earn", found.earning_sessions, found.earning_drivers),
            *((f"not: {reason_text(one.code)}", one.sessions, one.drivers) for one in found.refused),
        ],
    )
    out.table(
        "Cost by local date, in minor units",
        ("day", "drivers", "sessions", "points", "fee"),
        [(f"{one.on}", one.drivers, one.sessions, one.points, one.fee) for one in found.days],
    )
    out.say(
        f"It would have cost {found.cost:,} minor units: {found.points:,} for drivers, of which "
        f"{found.points_held:,} wait for proof, and {found.fee:,} as the fee."
    )
    budget = "without end" if found.budget_minor is None else f"of {found.budget_minor:,}"
    ends = f"would not pay any more on {found.exhausted_on}" if found.exhausted_on else "would have lasted"
    out.say(f"A budget {budget} {ends}.")
    out.document(found.model_dump(mode="json"))


def _utc(day: datetime) -> datetime:
    return day.replace(tzinfo=UTC)
