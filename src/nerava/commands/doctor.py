"""`nerava doctor`: which promises of durability hold on this database as it is set up now."""

from __future__ import annotations

import fcntl
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

import typer
from sqlalchemy import text

from nerava.commands.opening import DatabaseUrl, refusing, settings_for
from nerava.commands.output import EXIT_BROKEN, AsJson, Output
from nerava.platform.db import Database, EngineOptions
from nerava.startup_checks.database import schema
from nerava.startup_checks.sqlite_file import SqliteSeen, file_of, judge, look

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy.orm import Session

NOTHING: Final = "nothing"
SQLITE: Final = {
    "process": NOTHING,
    "machine": "everything since the last copy (`nerava backup`); where the file is streamed elsewhere, "
    "about the last second",
}
ASKED: Final = (
    "fsync",
    "full_page_writes",
    "synchronous_commit",
    "synchronous_standby_names",
    "archive_mode",
)
WAITING: Final = frozenset({"on", "remote_apply", "remote_write"})


def doctor_command(database: DatabaseUrl = None, as_json: AsJson = False) -> None:
    """Say what can be lost when a process, the database or its machine is lost, as it is set up now."""
    out = Output(as_json=as_json)
    seen: dict[str, str] = {}
    is_sound = True
    with refusing(out):
        settings = settings_for(database)
        books = file_of(settings.database.url)
        if books is not None:
            seen, is_sound = _file(books)
        with closing(Database(settings.database.address, EngineOptions(pool_size=1))) as opened:
            found = SQLITE if opened.is_sqlite else opened.read(_postgresql)
    out.table(
        "What can be lost",
        ("when this is lost", "acknowledged postings that are lost with it"),
        found.items(),
    )
    if seen:
        out.table("The file", ("what", "as it is now"), seen.items())
    out.document({**found, "file": seen} if seen else found)
    if not is_sound:
        raise typer.Exit(EXIT_BROKEN)


def _file(books: Path) -> tuple[dict[str, str], bool]:
    """Return what is seen of a SQLite file, and whether all of it is as it has to be."""
    if not books.exists():
        return {"file": f"there is none at {books}; `nerava migrate` makes it"}, False
    try:
        seen = look(books)
        where = f"file:{quote(str(books.absolute()))}?mode=rw"
        with closing(sqlite3.connect(where, uri=True)) as connection:
            integrity = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return {"integrity": f"it cannot be read: {error}"}, False
    wrong = [one.problem for one in (*judge(seen), *schema(seen.revision))]
    usage = shutil.disk_usage(books.parent)
    told = {
        "integrity": integrity,
        **_way(seen),
        "schema": f"{seen.revision or 'none'}",
        "free disk": f"{usage.free * 100 // usage.total} %, {usage.free // 10**6:,} MB",
        "served by": "a process that runs now" if _is_served(books) else "nobody now",
    }
    if wrong:
        told["wrong"] = "; ".join(wrong)
    return told, integrity == "ok" and not wrong


def _way(seen: SqliteSeen) -> dict[str, str]:
    kinds = {0: "off", 1: "normal", 2: "full", 3: "extra"}
    return {"journal": seen.journal_mode, "synchronous": kinds.get(seen.synchronous, str(seen.synchronous))}


def _is_served(books: Path) -> bool:
    """Whether a server holds the file; the mark is looked at and not made."""
    mark = books.with_name(f"{books.name}-serving")
    if not mark.exists():
        return False
    with mark.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _postgresql(session: Session) -> dict[str, str]:
    query = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
    setting = {str(name): str(value) for name, value in session.execute(query, {"names": list(ASKED)})}
    states = set(
        session.scalars(text("SELECT sync_state FROM pg_stat_replication WHERE state = 'streaming'"))
    )
    safe = (
        setting["fsync"] == "on"
        and setting["full_page_writes"] == "on"
        and setting["synchronous_commit"] != "off"
    )
    return {
        "process": NOTHING
        if safe
        else "the last moments: fsync, full_page_writes or synchronous_commit is off",
        "machine": _with_the_machine(setting, states, safe=safe),
    }


def _with_the_machine(setting: dict[str, str], states: set[str], *, safe: bool) -> str:
    if safe and setting["synchronous_commit"] in WAITING and states & {"sync", "quorum"}:
        return NOTHING
    if states:
        return "RPO > 0: what an asynchronous standby had not received yet"
    if setting["archive_mode"] != "off":
        return "RPO > 0: what was not archived yet; no standby is connected"
    return "RPO > 0: everything since the last copy; no standby is connected and no log is archived"
