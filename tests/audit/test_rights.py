"""The application adds to the audit log and cannot change it; it turns no switch off alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import exc, make_url, text

from nerava.audit import Entry, model, record
from nerava.audit.rights import RIGHTS
from nerava.audit.sealing import seal_entries, sign_hour
from nerava.audit.signing import SealKey
from nerava.audit.triggers import HISTORY, WORK_LIST
from nerava.audit.verify import verify
from nerava.ledger import switch_store
from nerava.ledger.switches import approve_release, ask_release, switches_on, turn_on
from nerava.platform.db import Base, Database
from nerava.platform.db.errors import sqlstate_of
from nerava.platform.db.roles import grant_application_role
from nerava.platform.secrets import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.orm import Session

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROLE = "nerava_audited_application"
KEY = SealKey(Secret(b"0123456789abcdef0123456789abcdef"))
ENTRY = Entry("ops", "o-1", "switch.on", "kill_switch", "earn", reason="r")
CHANGES = [
    "UPDATE audit_entry SET reason = 'another'",
    "DELETE FROM audit_entry",
    "UPDATE audit_block SET hash = previous_hash",
    "DELETE FROM audit_block",
    "UPDATE audit_anchor SET height = height + 1",
    "DELETE FROM audit_anchor",
    "UPDATE audit_unsealed SET entry_id = entry_id",
    "DELETE FROM kill_switch",
    "DELETE FROM switch_release",
]


@pytest.fixture
def application(database: Database) -> Iterator[Database]:
    """The database as the application sees it: on PostgreSQL through a role that owns nothing."""
    rights = (*RIGHTS, *switch_store.RIGHTS)
    if database.is_sqlite:
        yield database
        return
    database.run(lambda session: grant_application_role(session, ROLE, rights))
    opened = Database(make_url(database.url).set(username=ROLE))
    yield opened
    opened.close()


class Refused(Exception):
    """The database's refusal, on its way past the unit of work, which would try a lost race again."""


def work(database: Database) -> None:
    """Do everything that the application does with these tables."""

    def unit(session: Session) -> None:
        record(session, ENTRY, NOON)
        turn_on(session, "earn", by="o-1", reason="r", now=NOON)
        asked = ask_release(session, "earn", by="o-1", reason="r", now=NOON)
        approve_release(session, asked.id, by="o-2", now=NOON)
        turn_on(session, "redeem", by="o-1", reason="r", now=NOON)

    database.run(unit)
    database.run(seal_entries)
    database.run(lambda session: sign_hour(session, KEY, NOON))
    database.run(lambda session: record(session, ENTRY, NOON))  # waits for the sealer


def refusal(database: Database, statement: str) -> str:
    """Return how a statement was refused, or nothing if it was not."""

    def unit(session: Session) -> None:
        try:
            session.execute(text(statement))
        except exc.DBAPIError as error:
            raise Refused(sqlstate_of(error) or str(error.orig)) from error

    try:
        database.run(unit)
    except Refused as refused:
        return str(refused)
    return ""


def test_the_application_can_do_its_work(application: Database) -> None:
    work(application)

    assert application.read(lambda session: verify(session, [KEY])) == []
    assert application.read(switches_on) == {"redeem"}


@pytest.mark.parametrize("change", CHANGES)
def test_history_refuses_to_change(database: Database, application: Database, change: str) -> None:
    work(application)

    assert refusal(application, change) != ""
    assert refusal(database, change) != "", "the owner is held by the triggers alone"
    assert database.read(lambda session: verify(session, [KEY])) == []


def test_sqlite_replaces_no_row_either(database: Database) -> None:
    work(database)
    for table in HISTORY:
        if database.is_sqlite:
            assert "REPLACE refused" in refusal(
                database, f"INSERT OR REPLACE INTO {table} SELECT * FROM {table}"
            )
        else:
            assert refusal(database, f"TRUNCATE {table} CASCADE") == "23001"


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
def test_the_role_alone_would_hold(database: Database, application: Database) -> None:
    work(application)
    tables = (*HISTORY, WORK_LIST, switch_store.switch.name, switch_store.release.name)
    for table in tables:
        database.run(
            lambda session, of=table: session.execute(text(f"ALTER TABLE {of} DISABLE TRIGGER USER"))
        )  # type: ignore[misc]

    answers = {change: refusal(application, change) for change in CHANGES}
    assert {change: state for change, state in answers.items() if state != "42501"} == {}


def test_every_table_has_its_rights_spelt_out() -> None:
    tables = {name for name in Base.metadata.tables if name.startswith("audit_")}

    assert {one.table for one in RIGHTS} == tables == {*HISTORY, WORK_LIST}
    assert not any(one.updates for one in RIGHTS)
    assert {one.table for one in RIGHTS if "DELETE" in one.actions} == {model.unsealed.name}
