"""`nerava import`: places, charging sites and streets from files, each run again as often as you like."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nerava.commands.carbon import carbon_command
from nerava.commands.importing import count_ways, document, import_into
from nerava.commands.networks import ocpi_command
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.commands.stations import nlr_command, ocm_command
from nerava.discovery.feeds import Attribution
from nerava.discovery.map_files import SUFFIX
from nerava.integrations.delimited_places import COLUMNS, NEEDED, ListFeed

if TYPE_CHECKING:
    from nerava.installation import Installation

app = typer.Typer(no_args_is_help=True, help="Places, charging sites and streets from files and services.")

AllowShrink = Annotated[
    bool,
    typer.Option("--allow-shrink", help="Believe a file that has less than half of the rows that are known."),
]
Extract = Annotated[Path, typer.Argument(metavar="FILE.osm.pbf", exists=True, dir_okay=False)]


@app.callback()
def imports() -> None:
    """Bring places, charging sites and streets in; a run that was interrupted goes on where it was."""


@app.command("osm")
def osm_command(
    file: Extract,
    database: DatabaseUrl = None,
    allow_shrink: AllowShrink = False,
    as_json: AsJson = False,
) -> None:
    """Bring in an OpenStreetMap extract: places, chargers, streets, and the ways on foot between them."""
    out = Output(as_json=as_json)
    with opened(out, database, migrate=True) as installation:
        out.document(bring_extract(out, installation, file, allow_shrink=allow_shrink))


def bring_extract(
    out: Output, installation: Installation, file: Path, *, allow_shrink: bool = False
) -> dict[str, Any]:
    """Bring an extract in, draw its map, count the ways on foot, and return what that did.

    Raises:
        NeravaError: As `run_import` and `draw_map`.
    """
    from nerava.integrations.osm.feed import OsmFeed  # noqa: PLC0415 - who imports a list needs no map library

    out.step(f"reading {file.name}")
    report = import_into(out, installation, OsmFeed(file), allow_shrink=allow_shrink)
    drawn = _drawn(out, file, installation.settings.data_dir)
    linked = count_ways(out, installation)
    out.say(f"Ways on foot were counted for {linked:,} charging locations.")
    return {**document(installation, report), "linked": linked, **drawn}


def _drawn(out: Output, file: Path, data_dir: Path | None) -> dict[str, object]:
    from nerava.integrations.datasets import maps_folder  # noqa: PLC0415 - as above
    from nerava.integrations.osm.base_map import draw_map  # noqa: PLC0415 - as above

    name = file.name.removesuffix(".pbf").removesuffix(".osm")
    target = maps_folder(data_dir) / f"{name}{SUFFIX}"
    with out.progress("drawing the base map, object by object") as tell:
        tiles = draw_map(file, target, name, tell)
    out.say(f"The base map has {tiles:,} tiles: {target}")
    return {"map": str(target), "tiles": tiles}


@app.command("csv")
def csv_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.csv",
            exists=True,
            dir_okay=False,
            help=f"CSV in UTF-8; it needs the columns {', '.join(NEEDED)}. All: {', '.join(COLUMNS)}.",
        ),
    ],
    name: Annotated[str, typer.Option(help="What this list is called; rows of it replace its older ones.")],
    attribution: Annotated[str, typer.Option(help="What has to be shown beside its rows.")] = "own data",
    url: Annotated[str, typer.Option(help="Where that links to.")] = "",
    licence: Annotated[str, typer.Option(help="On what terms the rows may be used.")] = "own",
    database: DatabaseUrl = None,
    allow_shrink: AllowShrink = False,
    as_json: AsJson = False,
) -> None:
    """Bring in a list of charging sites and places of your own. A row that is no longer in it is gone."""
    out = Output(as_json=as_json)
    with opened(out, database, migrate=True) as installation:
        feed = ListFeed(file, name, Attribution(attribution, url, licence))
        report = import_into(out, installation, feed, allow_shrink=allow_shrink)
        linked = count_ways(out, installation)
        out.document({**document(installation, report), "linked": linked})


app.command("nlr")(nlr_command)
app.command("ocm")(ocm_command)
app.command("carbon")(carbon_command)
app.command("ocpi")(ocpi_command)
