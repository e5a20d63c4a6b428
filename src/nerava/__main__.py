"""The `nerava` command."""

from __future__ import annotations

import gc
import sys
from typing import Final

import typer

from nerava import __version__, migrations
from nerava.commands import bench, data, ledger
from nerava.commands.demo import demo_command
from nerava.commands.identity import token_command
from nerava.commands.opening import DatabaseUrl, refusing, settings_for
from nerava.commands.output import AsJson, Output
from nerava.commands.replay import replay_command
from nerava.commands.serve import serve_command, work_command

app = typer.Typer(
    name="nerava",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Rewards for EV charging: every point backed by cash, every decision explained.",
)
app.add_typer(ledger.app, name="ledger")
app.add_typer(data.app, name="data")
app.add_typer(bench.app, name="bench")
app.command("demo")(demo_command)
app.command("replay")(replay_command)
app.command("serve")(serve_command)
app.command("work")(work_command)
app.command("token")(token_command)

YOUNG_OBJECTS: Final = 20_000
"""How many new objects start a search for garbage. Python's own 700 suits scripts: a batch of a
thousand postings makes forty thousand objects, none of them garbage, and was searched sixty times."""


@app.command("migrate")
def migrate_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Bring the database's schema up to this version. Repeats safely."""
    out = Output(as_json=as_json)
    with refusing(out):
        url = settings_for(database).database.url
        before = migrations.current(url)
        migrations.upgrade(url)
        after = migrations.current(url)
    out.say(f"schema {after}" + (" already" if before == after else f", was {before or 'empty'}"))
    out.document({"before": before, "after": after})


@app.command("version")
def version_command(as_json: AsJson = False) -> None:  # noqa: FBT002 - a flag
    """Print the version and the schema it needs."""
    out = Output(as_json=as_json)
    out.say(f"nerava {__version__}, schema {migrations.head()}")
    out.document({"version": __version__, "schema": migrations.head()})


def main() -> None:
    """Run the command line."""
    if not __debug__:
        sys.exit("nerava does not run with python -O: it would switch off its own checks")
    gc.set_threshold(YOUNG_OBJECTS, 20, 20)
    app()


if __name__ == "__main__":
    main()
