"""`nerava map`: which base maps there are, and which one is shown."""

from __future__ import annotations

from typing import Annotated

import typer

from nerava.commands.opening import refusing, settings_for
from nerava.commands.output import AsJson, Output
from nerava.discovery.map_files import MapFiles
from nerava.integrations.datasets import maps_folder

app = typer.Typer(no_args_is_help=True, help="Base maps that `nerava import osm` has drawn.")


@app.command("list")
def list_command(as_json: AsJson = False) -> None:
    """Show the maps of the data folder, and which one is shown."""
    out = Output(as_json=as_json)
    with refusing(out):
        files = _files()
        found, shown = files.maps(), files.shown()
    out.table(
        "Base maps",
        ("map", "shown", "zooms", "west, south, east, north"),
        [
            (
                name,
                "yes" if name == shown else "",
                f"{one.zoom_min} to {one.zoom_max}",
                ", ".join(f"{edge:.4f}" for edge in one.bounds),
            )
            for name, one in found.items()
        ],
    )
    out.document(
        {
            "folder": str(files.folder),
            "shown": shown,
            "maps": [
                {
                    "name": name,
                    "bounds": list(one.bounds),
                    "zoom_min": one.zoom_min,
                    "zoom_max": one.zoom_max,
                    "attribution": one.attribution,
                }
                for name, one in found.items()
            ],
        }
    )


@app.command("use")
def use_command(
    name: Annotated[
        str | None, typer.Argument(help="As `nerava map list` calls it; without it the newest is shown.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show a map from now on, without a restart; a map that is drawn later does not push it aside."""
    out = Output(as_json=as_json)
    with refusing(out):
        files = _files()
        files.use(name)
        shown = files.shown()
    out.say(f"{shown or 'No map'} is shown.")
    out.document({"shown": shown})


def _files() -> MapFiles:
    return MapFiles(maps_folder(settings_for(None).data_dir))
