"""Brings a feed in for a command: progress while it runs, then what it did and what it could not read."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from nerava.discovery.importing import run_import
from nerava.discovery.linking import Linker
from nerava.discovery.staging import reject_reasons, rejects_of

if TYPE_CHECKING:
    from nerava.commands.output import Output
    from nerava.discovery.feeds import Feed
    from nerava.discovery.importing import ImportReport
    from nerava.installation import Installation

SHOWN_MAX = 20
"""Rejects on the screen; with `--json` the first thousand."""


def import_into(
    out: Output, installation: Installation, feed: Feed, *, allow_shrink: bool = False
) -> ImportReport:
    """Bring a feed in with a progress bar, and print what it did. An interrupted import is gone on with.

    Raises:
        NeravaError: As `run_import`, and what the feed raises.
    """
    database, clock = installation.database, installation.clock
    with out.steps() as tell:
        report = run_import(database, feed, now=clock.now, progress=tell, allow_shrink=allow_shrink)
    if report.is_resumed:
        out.say("This import was interrupted before; it went on where it was.")
    out.table(
        f"Rows of {feed.source}",
        ("", "rows"),
        [
            ("read", report.staged),
            ("rejected", report.rejected),
            *((WORDS[name], number) for name, number in report.counts.items() if number),
        ],
    )
    show_rejects(out, installation, report)
    out.say(f"{feed.attribution.text} ({feed.attribution.licence}), {feed.attribution.url}")
    return report


WORDS = {
    "added": "new",
    "changed": "changed",
    "same": "as they were",
    "returned": "here again",
    "merged": "of these new: sites that another source has, too",
    "absent": "missing, but not often enough to be gone",
    "gone": "gone",
}


def show_rejects(out: Output, installation: Installation, report: ImportReport) -> None:
    """Print the first rejects and how many there are of each reason."""
    if not report.rejected:
        return
    rejects = installation.database.read(lambda session: rejects_of(session, report.run_id, SHOWN_MAX))
    out.table(
        "Rows that could not be read",
        ("row", "reference", "reason", "detail"),
        [
            ("" if one.row is None else one.row, one.reference or "", one.reason, one.detail)
            for one in rejects
        ],
    )
    if report.rejected > SHOWN_MAX:
        reasons = installation.database.read(lambda session: reject_reasons(session, report.run_id))
        out.table("… in all", ("reason", "rows"), reasons.items())


def document(installation: Installation, report: ImportReport) -> dict[str, Any]:
    """Return the report with its rejects as a document of JSON."""
    rejects = installation.database.read(lambda session: rejects_of(session, report.run_id))
    return {**report.as_dict(), "rejects": [asdict(one) for one in rejects]}


def count_ways(out: Output, installation: Installation) -> int:
    """Count the ways on foot that are due, with a progress bar; return from how many sites."""
    linker = Linker(installation.database)
    with out.progress("counting ways on foot, charger by charger", linker.due()) as tell:
        return linker.run(tell)
