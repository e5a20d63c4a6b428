"""`nerava migrate` and `nerava version`: the schema a database has, and the one this version needs."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import make_url

from nerava import __version__, migrations
from nerava.audit import rights as audit_rights
from nerava.commands.errors import NoRolesThere
from nerava.commands.opening import DatabaseUrl, bring_up_to_date, refusing, settings_for
from nerava.commands.output import AsJson, Output
from nerava.identity import access_store
from nerava.ledger import alarm_store
from nerava.ledger import rights as ledger_rights
from nerava.payouts import rights as payout_rights
from nerava.platform.db import Database, EngineOptions
from nerava.platform.db.roles import grant_application_role
from nerava.privacy import rights as privacy_rights
from nerava.settlements import rights as settlement_rights

ApplicationRole = Annotated[
    str | None,
    typer.Option(
        "--role",
        metavar="NAME",
        help="PostgreSQL: the role `serve` and `work` connect as. Made where it is missing, and given "
        "no more rights than they need.",
    ),
]


def migrate_command(
    database: DatabaseUrl = None, role: ApplicationRole = None, as_json: AsJson = False
) -> None:
    """Bring the database's schema up to this version. Repeats safely."""
    out = Output(as_json=as_json)
    with refusing(out):
        settings = settings_for(database)
        if role is not None and make_url(settings.database.address).get_backend_name() == "sqlite":
            message = "SQLite knows no roles; its triggers keep history from everybody; leave --role out"
            raise NoRolesThere(message)
        before, after = bring_up_to_date(settings), migrations.head()
        if role is not None:
            _grant(settings.database.address, role)
    out.say(f"schema {after}" + (" already" if before == after else f", was {before or 'empty'}"))
    if role is not None:
        out.say(f"role {role} may use it, and change no history")
    out.document({"before": before, "after": after})


def version_command(as_json: AsJson = False) -> None:
    """Print the version and the schema it needs."""
    out = Output(as_json=as_json)
    out.say(f"nerava {__version__}, schema {migrations.head()}")
    out.document({"version": __version__, "schema": migrations.head()})


def _grant(url: str, role: str) -> None:
    database = Database(url, EngineOptions(pool_size=1))
    try:
        guarded = (
            *ledger_rights.RIGHTS,
            *alarm_store.RIGHTS,
            *audit_rights.RIGHTS,
            *access_store.RIGHTS,
            *payout_rights.RIGHTS,
            *privacy_rights.RIGHTS,
            *settlement_rights.RIGHTS,
        )
        database.run(lambda session: grant_application_role(session, role, guarded))
    finally:
        database.close()
