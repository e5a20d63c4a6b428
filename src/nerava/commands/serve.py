"""`nerava serve` and `nerava work`: the two processes of an installation, if nothing forbids their start."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from nerava.commands.options import DatabaseUrl
from nerava.startup_checks import EX_CONFIG, ConfigurationRefused, check_books, check_start, load_settings

if TYPE_CHECKING:
    from nerava.settings import Settings
    from nerava.startup_checks.findings import Process

# A configuration that is refused must not wait for the web framework to load.
# ruff: noqa: PLC0415


def serve_command(database: DatabaseUrl = None) -> None:
    """Serve the HTTP API with your settings until Ctrl-C or SIGTERM."""
    settings = _checked(database, "serve")
    from nerava.commands.output import Output
    from nerava.commands.running import run_server

    run_server(Output(as_json=False), settings)


def work_command(database: DatabaseUrl = None) -> None:
    """Run the background work until Ctrl-C or SIGTERM; any number of these may run on one PostgreSQL."""
    settings = _checked(database, "work")
    from nerava.commands.output import Output
    from nerava.commands.running import run_work

    run_work(Output(as_json=False), settings)


def _checked(database: str | None, process: Process) -> Settings:
    try:
        settings = load_settings(database=database)
        check_start(settings, process, sys.argv[1:])
        check_books(settings)
    except ConfigurationRefused as refused:
        for finding in refused.findings:
            typer.echo(str(finding), err=True)
        raise typer.Exit(EX_CONFIG) from None
    return settings
