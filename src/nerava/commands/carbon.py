"""`nerava import carbon`: recorded grid carbon and tariffs, at the instants when they were recorded."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from nerava.commands.errors import DirectoryUnreadable
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.grid.bringing import bring_series
from nerava.grid.tariff_keeping import save_tariffs
from nerava.integrations.datasets import default_data_dir
from nerava.integrations.grid.files import EDISON, CarbonFiles, TariffFiles
from nerava.integrations.grid.packages import ATTRIBUTION, REGIONS, require_grid
from nerava.kernel.outcomes import Ok

Region = Annotated[str, typer.Argument(help=f"One of {', '.join(REGIONS)}.")]
Day = Annotated[str, typer.Option(metavar="YYYY-MM-DD", help="A day, UTC.")]


def carbon_command(
    region: Region = "SGIP_CAISO_SCE",
    since: Day = "2019-05-01",
    until: Day = "2021-09-01",
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Bring recorded carbon and tariffs in; every charging location without a region lies in this one."""
    out = Output(as_json=as_json)
    if region not in REGIONS:
        message = f"there is {', '.join(REGIONS)}"
        raise typer.BadParameter(message)
    span = _midnight(since), _midnight(until)
    with opened(out, database, migrate=True) as installation:
        folder = installation.settings.data_dir or default_data_dir()
        require_grid(folder)
        now = installation.clock.now()
        out.step(f"reading carbon of {region}, a month at a time")
        brought = bring_series(installation.database, CarbonFiles(folder, region), region, span, now)
        told = TariffFiles(folder).tariffs(EDISON, None)
        if brought is None or not isinstance(told, Ok):
            raise DirectoryUnreadable(f"the files in {folder} cannot be read")
        tariffs = installation.database.run(
            lambda session: save_tariffs(session, told.value, now), repeatable=True
        )
        out.say(
            f"{brought.values:,} values are new, {brought.sites:,} charging locations lie in {region} now."
        )
        out.say(f"{tariffs} tariffs are new or others.")
        out.say(ATTRIBUTION)
        out.document(
            {
                "region": region,
                "values": brought.values,
                "sites": brought.sites,
                "tariffs": tariffs,
                "attribution": ATTRIBUTION,
            }
        )


def _midnight(day: str) -> datetime:
    try:
        return datetime.strptime(day, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        message = f"{day} is no day like 2020-02-29"
        raise typer.BadParameter(message) from None
