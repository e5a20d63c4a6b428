"""`nerava erasures`: who asked to be forgotten stays so, also when a backup is restored."""

from __future__ import annotations

import typer

from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output

app = typer.Typer(no_args_is_help=True, help="The list of erasures, kept outside of the database.")


@app.callback()
def erasures() -> None:
    """Work with the list of erasures, kept outside of the database."""


@app.command("replay")
def replay_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Erase again everybody on the list who is here, as after a restore. Repeats safely.

    Every start does it too, before anything else.
    """
    out = Output(as_json=as_json)
    with opened(out, database, erase_again=False) as installation:
        again = installation.erasures.replay(installation.clock.now())
    out.say(f"erased again: {again}")
    out.document({"erased_again": again})
