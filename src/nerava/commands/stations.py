"""`nerava import nlr` and `ocm`: charging sites from directories on the net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from nerava.commands.errors import DirectoryOff, DirectoryUnreadable
from nerava.commands.importing import document, import_into
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.integrations.nlr.feed import open_feed
from nerava.integrations.nlr.regions import REGIONS
from nerava.integrations.ocm.feed import feeds_of
from nerava.kernel.geography import Box
from nerava.kernel.outcomes import Ok, Outcome

if TYPE_CHECKING:
    from nerava.integrations.nlr.feed import NlrFeed

States = Annotated[
    list[str] | None,
    typer.Option("--state", help="Only this state or province, such as CA or BC; may be repeated."),
]
Countries = Annotated[
    list[str] | None, typer.Option("--country", help="ISO code of two letters; may be repeated.")
]
BoxOption = Annotated[
    str | None, typer.Option("--box", help="south,west,north,east in degrees, not over the 180th meridian.")
]
T = TypeVar("T")


def nlr_command(state: States = None, database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Bring in the charging stations of the United States and Canada, state by state.

    Of all states together it also notices what is gone; of some it does not.
    """
    out = Output(as_json=as_json)
    wanted = {one.upper() for one in state or ()}
    regions = tuple(one for one in REGIONS if not wanted or one.state in wanted)
    if wanted - {one.state for one in regions}:
        message = f"no such state: {', '.join(sorted(wanted - {one.state for one in regions}))}"
        raise typer.BadParameter(message)
    with opened(out, database, migrate=True) as installation:
        api = installation.directories.nlr
        if api is None:
            raise DirectoryOff("set NERAVA_NLR__MODE and NERAVA_NLR__KEY")
        feed: NlrFeed = _read(open_feed(api, installation.clock.now(), regions))
        report = import_into(out, installation, feed)
        out.document(document(installation, report))


def ocm_command(
    country: Countries = None, box: BoxOption = None, database: DatabaseUrl = None, as_json: AsJson = False
) -> None:
    """Bring in stations of Open Charge Map; whoever gave rows is a source with a licence of its own."""
    out = Output(as_json=as_json)
    if not country and box is None:
        message = "name a --country or a --box"
        raise typer.BadParameter(message)
    around = None if box is None else _box(box)
    with opened(out, database, migrate=True) as installation:
        api = installation.directories.ocm
        if api is None:
            raise DirectoryOff("set NERAVA_OCM__MODE and NERAVA_OCM__KEY")
        out.step("reading Open Charge Map")
        codes = [one.upper() for one in country or ()]
        feeds, closed = feeds_of(_read(api.points(countries=codes, box=around)))
        reports = [import_into(out, installation, feed) for feed in feeds]
        if closed:
            out.say(f"{len(closed):,} rows are not open data and were left out.")
        out.document({"sources": [document(installation, one) for one in reports], "closed": len(closed)})


def _read(outcome: Outcome[T]) -> T:
    if isinstance(outcome, Ok):
        return outcome.value
    raise DirectoryUnreadable(f"{outcome.code} {getattr(outcome, 'message', '')}".strip())


def _box(text: str) -> Box:
    try:
        south, west, north, east = (float(part) for part in text.split(","))
    except ValueError:
        message = "--box is south,west,north,east"
        raise typer.BadParameter(message) from None
    if not (-90 <= south < north <= 90 and -180 <= west < east <= 180):  # noqa: PLR2004 - degrees
        message = "--box is no box on the globe"
        raise typer.BadParameter(message)
    return Box(south, north, west, east)
