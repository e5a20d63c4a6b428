"""`nerava switch`: see what is stopped, and stop something when no other way is left."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from nerava.audit import ActorKind
from nerava.audit.switching import Operator, Switching
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.ledger.switches import SwitchState, list_switches

app = typer.Typer(
    no_args_is_help=True,
    help="Kill switches. A stop is made here or by ops, and ended over the API by two people who signed in.",
)


@app.command("list")
def list_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Show every switch that was ever on."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        found = installation.database.read(list_switches)
    _show(out, found)


@app.command("on")
def on_command(
    name: Annotated[str, typer.Argument(help="money.all, earn, redeem, payout, campaign:{id}, …")],
    reason: Annotated[str, typer.Option(help="Why; it is written into the audit log.")],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop something everywhere, within five seconds. Repeats safely."""
    if not reason.strip():
        raise typer.BadParameter("say why", param_hint="--reason")
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        switching = Switching(installation.database, installation.audit, installation.switches)
        by = Operator(f"shell:{getpass.getuser()}", ActorKind.SYSTEM, client_kind="cli")
        switching.turn_on(name, by=by, reason=reason, now=installation.clock.now())
        found = installation.database.read(list_switches)
    _show(out, [one for one in found if one.name == name])


def _show(out: Output, found: list[SwitchState]) -> None:
    out.table(
        "Kill switches",
        ("switch", "state", "since, UTC", "by", "why"),
        [
            (
                one.name,
                "STOPPED" if one.is_on else "works",
                f"{one.set_at:%Y-%m-%d %H:%M}",
                one.set_by,
                one.reason,
            )
            for one in found
        ],
    )
    out.document(
        [
            {
                "name": one.name,
                "is_on": one.is_on,
                "set_by": one.set_by,
                "reason": one.reason,
                "set_at": one.set_at,
                "release": None if one.release is None else str(one.release.id),
            }
            for one in found
        ]
    )
