"""`nerava backup` and `nerava restore`: copies of a running installation's books, and the way back."""

from __future__ import annotations

from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import inspect, make_url, text

from nerava import migrations
from nerava.commands.errors import DatabaseUnusable
from nerava.commands.ledger import anchor_document, conclude
from nerava.commands.opening import DatabaseUrl, refusing, settings_for
from nerava.commands.output import AsJson, Output
from nerava.kernel.clock import SystemClock
from nerava.ledger.audit import audit
from nerava.ledger.sealing import Anchor, anchors
from nerava.ledger.verify import verify
from nerava.platform.db import Database
from nerava.platform.db.backup import Backup, back_up, restore
from nerava.platform.db.drill import place_for_drill
from nerava.web.checks import CHECKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy.orm import Session

    from nerava.ledger.findings import Finding

Programs = Annotated[
    Path | None,
    typer.Option(help="PostgreSQL: folder of pg_dump and pg_restore; unset: where the shell finds them."),
]
Drill = Annotated[
    bool, typer.Option("--drill", help="Restore to a place of its own, look at the books, and remove it.")
]


def backup_command(
    file: Annotated[Path, typer.Argument(help="The file to write; its manifest is FILE.json.")],
    database: DatabaseUrl = None,
    programs: Programs = None,
    as_json: AsJson = False,
) -> None:
    """Copy the books of a running installation to a file; nobody waits for it.

    The manifest beside the file names its checksum, its schema, and the heads of the hash chain.
    """
    out = Output(as_json=as_json)
    with refusing(out):
        url = settings_for(database).database.address
        address = make_url(url)
        if address.get_backend_name() == "sqlite" and not Path(str(address.database)).is_file():
            message = f"there is no database {address.database} to copy"
            raise DatabaseUnusable(message)
        made = back_up(url, file, clock=SystemClock(), note=_noted, programs=programs)
    out.say(f"{file}: {made.size:,} bytes, schema {made.schema or 'none'}, {_heads(made)}")
    out.document({"file": str(file), **_told(made)})


def restore_command(
    file: Annotated[Path, typer.Argument(help="A file that `nerava backup` wrote, its manifest beside it.")],
    database: DatabaseUrl = None,
    programs: Programs = None,
    drill: Drill = False,
    as_json: AsJson = False,
) -> None:
    """Bring a backup back into an empty database and look at its books; exit with 1 if any are broken.

    SQLite: the file must not exist. PostgreSQL: the database must exist, without tables.
    """
    out = Output(as_json=as_json)
    with refusing(out):
        url = settings_for(database).database.address
        with _place(url, file, drill=drill) as place:
            backup = restore(file, place, programs=programs)
            done = "tried" if drill else "restored"
            out.say(f"{done} {file}: everything until {backup.holds_until:%Y-%m-%d %H:%M:%S} UTC")
            findings = _findings(place, backup) if backup.schema == migrations.head() else None
    if findings is None:
        out.say(f"its schema is {backup.schema or 'none'}: `nerava migrate`, then `nerava ledger audit`")
        out.document({"clean": None, "drill": drill, **_told(backup)})
        return
    conclude(out, findings, f"clean: {_heads(backup)}", drill=drill, **_told(backup))


@contextmanager
def _place(url: str, file: Path, *, drill: bool) -> Iterator[str]:
    if not drill:
        yield url
        return
    with place_for_drill(url, file.parent) as place:
        yield place


def _noted(session: Session) -> Mapping[str, object]:
    """Return the heads of the hash chain and how many transfers there are, as far as there is a ledger."""
    tables = inspect(session.connection()).get_table_names()
    if not {"ledger_transfer", "ledger_block", "ledger_batch"} <= set(tables):
        return {}
    return {
        "anchors": [anchor_document(one) for one in anchors(session)],
        "transfers": session.execute(text("SELECT count(*) FROM ledger_transfer")).scalar_one(),
    }


def _findings(url: str, backup: Backup) -> list[Finding]:
    """Return what is wrong with restored books, the heads that were noted for them among it."""
    noted: Any = backup.note.get("anchors", [])
    kept = [Anchor(**one) for one in noted]
    with closing(Database(url)) as database:
        return database.read(lambda session: audit(session, CHECKS) + verify(session, kept), patient=True)


def _heads(backup: Backup) -> str:
    noted: Any = backup.note.get("anchors", [])
    chains = ", ".join(f"{one['lane']} at block {one['height']:,}" for one in noted)
    return f"{backup.note.get('transfers', 0):,} transfers, {chains or 'nothing sealed'}"


def _told(backup: Backup) -> dict[str, object]:
    return {
        "engine": backup.engine,
        "taken_at": backup.taken_at,
        "holds_until": backup.holds_until,
        "schema": backup.schema,
        "size": backup.size,
        "sha256": backup.sha256,
        **backup.note,
    }
