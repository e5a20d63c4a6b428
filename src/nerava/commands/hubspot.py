"""`nerava hubspot`: who is in the customer records, and another chance for what they did not take."""

from __future__ import annotations

import getpass
from http import HTTPStatus
from typing import TYPE_CHECKING

import typer

from nerava.audit import ActorKind, Entry, record
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.crm import happenings, reading, work
from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.installation import Installation

app = typer.Typer(no_args_is_help=True, help="Customer records at HubSpot.")


class CrmOff(NeravaError):
    """Nobody keeps customer records for this installation."""

    code = "crm-off"
    status = HTTPStatus.CONFLICT
    title = "HubSpot is off (NERAVA_HUBSPOT__MODE)"


@app.command("status")
def status_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show how many people stand how in the records, and how many events wait or were given up."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        people = installation.database.read(work.counts)
        events = installation.database.read(happenings.counts)
    rows = [("people", state, many) for state, many in sorted(people.items())]
    rows += [("events", state, many) for state, many in sorted(events.items())]
    out.table("Customer records", ("what", "state", "how many"), rows)
    out.document({"people": people, "events": events})


@app.command("resync")
def resync_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Look at everybody who agreed and everybody who is in the records; the worker does the rest."""
    _change("crm.resync", reading.catch_up, "people are looked at", database, as_json=as_json)


@app.command("retry")
def retry_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Give what HubSpot refused another chance, after what it refused was put right there."""
    _change("crm.retry", work.retry, "rows wait again", database, as_json=as_json)


def _change(
    action: str, change: Callable[[Session, datetime], int], said: str, database: str | None, *, as_json: bool
) -> None:
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        many = installation.database.run(lambda session: _changed(session, installation, action, change))
    out.say(f"{many} {said}")
    out.document({"rows": many})


def _entry(action: str, many: int) -> Entry:
    return Entry(
        actor_kind=ActorKind.SYSTEM,
        actor_id=f"shell:{getpass.getuser()}",
        action=action,
        object_kind="crm",
        object_id="hubspot",
        client_kind="cli",
        after={"rows": many},
    )


def _changed(
    session: Session,
    installation: Installation,
    action: str,
    change: Callable[[Session, datetime], int],
) -> int:
    if installation.crm is None:
        raise CrmOff
    now = installation.clock.now()
    many = change(session, now)
    record(session, _entry(action, many), now)
    return many
