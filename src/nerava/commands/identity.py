"""`nerava token`: short-lived access tokens, until people sign in by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from nerava.commands.errors import OpsNeedPasskey
from nerava.commands.opening import DatabaseUrl, opened
from nerava.commands.output import AsJson, Output
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.installation import Installation


def token_command(
    role: Annotated[Role, typer.Argument(help="What the token may act as.")],
    subject: Annotated[
        UUID, typer.Argument(help="Whose it is: a driver's, sponsor's or partner's id, or any id for ops.")
    ],
    database: DatabaseUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give a role to a subject, if it has it not, and print an access token valid for minutes.

    Where production rules hold there are none for ops: `nerava ops invite` lets the first one in.
    """
    out = Output(as_json=as_json)
    with opened(out, database) as installation:
        token = token_for(installation, subject, role)
    if as_json:
        out.document(
            {"access_token": token, "token_type": "Bearer", "expires_in": installation.settings.tokens.life_s}
        )
    else:
        typer.echo(token)


def token_for(installation: Installation, subject: UUID, role: Role) -> str:
    """Give a role to a subject, open a session as long as one access token, and return that token.

    Where no production rules hold it counts as opened with a passkey, for five minutes.

    Raises:
        OpsNeedPasskey: A role of ops, and production rules hold (403).
    """
    is_strict = installation.settings.is_strict
    if is_strict and not role.has_tenant:
        raise OpsNeedPasskey
    now = installation.clock.now()
    membership = Membership(role, subject if role.has_tenant else None)

    def unit(session: Session) -> str:
        grant_role(session, subject, membership, granted_by="command line", now=now)
        return installation.sessions.open_command(session, subject, role, now, as_passkey=not is_strict)

    return installation.database.run(unit, repeatable=True)
