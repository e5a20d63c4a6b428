"""`nerava reconcile`: compare the provider's book of a span with ours, now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from nerava.commands.errors import FileUnusable
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import EXIT_BROKEN, AsJson, Output

DAYS = 1


def reconcile_command(
    since: Annotated[datetime | None, typer.Option(help="UTC; a day before the end unless given.")] = None,
    until: Annotated[datetime | None, typer.Option(help="UTC; an hour ago unless given.")] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write every line of the comparison here.")
    ] = None,
    total: Annotated[
        bool, typer.Option("--total", help="Also add up the provider's whole book; it takes its time.")
    ] = False,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Compare the payment provider's book with ours; exit with 1 if they differ. Nothing is corrected."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        from nerava.installation import payouts_of  # noqa: PLC0415 - asking for help need not wait for it
        from nerava.payouts.books import MATCHED, Period  # noqa: PLC0415 - seldom needed
        from nerava.payouts.reconciling import csv_of  # noqa: PLC0415 - seldom needed
        from nerava.payouts.totals import total_at  # noqa: PLC0415 - seldom needed

        now = installation.clock.now()
        end = _utc(until) if until is not None else now - timedelta(hours=1)
        begin = _utc(since) if since is not None else end - timedelta(days=DAYS)
        period = Period(f"asked:{now:%Y-%m-%dT%H:%M:%S.%f}", begin, end)
        run = payouts_of(installation).reconciling.compare(period)
        if run is None:
            raise AssertionError("a period that is named by its instant is compared once")
        sums = None
        if total and installation.paid_by is not None:
            currency = installation.settings.money.currency
            sums = total_at(installation.database, installation.ledger, installation.paid_by, currency, now)
        if csv_file is not None:
            try:
                csv_file.write_text(csv_of(run), "utf-8")
            except OSError as error:
                message = f"{csv_file}: {error.strerror}"
                raise FileUnusable(message) from error
    out.table(
        f"{run.provider} from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC",
        ("verdict", "lines"),
        list(run.counts.items()),
    )
    told = {"run": run.id, "since": begin, "until": end, "counts": run.counts, "lines": run.lines}
    if sums is not None:
        parts = {name: getattr(sums, name) for name in ("theirs", "ours", "under_way", "differs_by")}
        told["total"] = {"currency": sums.currency, **parts}
        out.table(
            f"What lies at {sums.provider}, {sums.currency}",
            ("whose book", "minor units"),
            list(parts.items()),
        )
    out.document(told)
    if any(count for verdict, count in run.counts.items() if verdict != MATCHED):
        out.say("the books differ: a case is open for every line, see /v1/ops/payout-cases")
        raise typer.Exit(EXIT_BROKEN)
    if sums is not None and sums.differs_by:
        out.say("what lies at the provider is not what the ledger says")
        raise typer.Exit(EXIT_BROKEN)
    out.say("the books agree")


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
