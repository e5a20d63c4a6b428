"""`nerava inbox`: what was sent to people, in development and in the demo."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import typer

from nerava.commands.opening import refusing, settings_for
from nerava.commands.output import AsJson, Output
from nerava.kernel.clock import SystemClock
from nerava.kernel.errors import NeravaError
from nerava.simulators.inbox import Inbox


class NoInbox(NeravaError):
    """Under production rules messages go to people and to nobody else."""

    code = "no-inbox"
    status = HTTPStatus.CONFLICT
    title = "There is no inbox in production and staging"


def inbox_command(
    to: Annotated[str | None, typer.Option(help="Only what this phone or mailbox got.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many messages, the newest ones.")] = 20,
    file: Annotated[Path | None, typer.Option(help="The inbox; default: that of your settings.")] = None,
    as_json: AsJson = False,
) -> None:
    """Print the messages that would have gone to people: sign-in codes, links, notices."""
    out = Output(as_json=as_json)
    with refusing(out):
        settings = settings_for(None)
        if settings.is_strict:
            raise NoInbox
        inbox = Inbox(file or settings.inbox_file, SystemClock())
        found = list(inbox.messages(to))[-last:]
    for one in found:
        out.say(f"[dim]{one.at} {one.channel} to {one.to}[/dim]")
        if not as_json:
            typer.echo(f"{one.text.rstrip()}\n")
    if not found:
        out.say("nothing has arrived")
    out.document(
        {
            "messages": [
                {"at": one.at, "channel": one.channel, "to": one.to, "text": one.text} for one in found
            ]
        }
    )
