"""`nerava ops`: let the first person of ops in, from the server."""

from __future__ import annotations

import getpass
from typing import Annotated

import typer

from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.identity.messages import MethodOff
from nerava.identity.ops_invites import Call
from nerava.identity.ops_links import LIFE
from nerava.identity.roles import Role
from nerava.installation import proving_of

app = typer.Typer(no_args_is_help=True, help="Let the first person of ops in, from the server.")

PAGE = "/ops/invite"


@app.callback()
def ops() -> None:
    """Let the first person of ops in, from the server."""


@app.command("invite")
def invite_command(
    contact: Annotated[str, typer.Option(help="E-mail address that notices about the account go to.")],
    role: Annotated[Role, typer.Option(help="What the person may do.")] = Role.OPS_ADMIN,
    recover: Annotated[
        str | None,
        typer.Option(help="Why, though an administrator has a passkey; it is written into the audit log."),
    ] = None,
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a role of ops and print a link that adds one passkey, once, within 10 minutes."""
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        _, origins = installation.settings.passkeys_for
        if not origins:
            # Without a domain for passkeys nobody could use the link.
            raise MethodOff
        call = Call(f"shell:{getpass.getuser()}", recover)
        token = proving_of(installation).invites.make(contact, role, call, installation.clock.now())
        link = f"{origins[0]}{PAGE}#{token}"
    if as_json:
        out.document({"link": link, "expires_in": int(LIFE.total_seconds())})
    else:
        typer.echo(link)
