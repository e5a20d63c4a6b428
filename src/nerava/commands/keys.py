"""`nerava keys`: the signing keys of access tokens."""

from __future__ import annotations

import typer

from nerava.commands.opening import refusing
from nerava.commands.output import AsJson, Output
from nerava.identity.keys import KeyRing, read_keys
from nerava.kernel.clock import SystemClock
from nerava.startup_checks import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Signing keys of access tokens.")


@app.callback()
def keys() -> None:
    """Signing keys of access tokens."""


@app.command("new")
def new_command(as_json: AsJson = False) -> None:
    """Make a signing key: the first one, or the next, which signs from 15 minutes on."""
    out = Output(as_json=as_json)
    with refusing(out):
        folder = load_settings().tokens.keys_directory
        made = KeyRing(folder, SystemClock()).rotate()
    out.say(f"key {made.kid} of {len(read_keys(folder))} in {folder}")
    out.document({"kid": made.kid})
