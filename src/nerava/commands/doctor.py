"""`nerava doctor`: which promises of durability hold on this database as it is set up now."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from nerava.commands.opening import DatabaseUrl, refusing, settings_for
from nerava.commands.output import AsJson, Output
from nerava.platform.db import Database, EngineOptions

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NOTHING: Final = "nothing"
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
    with refusing(out):
        url = settings_for(database).database.address
        with closing(Database(url, EngineOptions(pool_size=1))) as opened:
            found = _sqlite() if opened.is_sqlite else opened.read(_postgresql)
    out.table(
        "What can be lost",
        ("when this is lost", "acknowledged postings that are lost with it"),
        found.items(),
    )
    out.document(found)


def _sqlite() -> dict[str, str]:
    return {
        "process": NOTHING,
        "machine": "everything since the last copy (`nerava backup`), or a second with a streaming one",
    }


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
