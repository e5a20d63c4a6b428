"""An entry commits with what it tells of, and is never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import exc, insert, select, text

from nerava.audit import Entry, model, record
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from nerava.platform.db import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SIGNED_OUT = Entry("user", "u-1", "session.ended", "auth_session", "s-1", reason="asked")


def test_an_entry_stands_with_the_work_it_tells_of(database: Database) -> None:
    database.run(lambda session: record(session, SIGNED_OUT, NOON))

    row = database.read(lambda session: session.execute(select(model.entry)).one())
    assert (row.actor_kind, row.actor_id, row.action, row.result) == ("user", "u-1", "session.ended", "ok")
    assert (row.at, row.reason, row.before_hash) == (NOON, "asked", None)


def test_work_that_fails_leaves_no_entry(database: Database) -> None:
    def work(session: object) -> None:
        record(session, SIGNED_OUT, NOON)  # type: ignore[arg-type]
        raise KeyError

    with pytest.raises(KeyError):
        database.run(work)

    assert database.read(lambda session: session.execute(select(model.entry)).all()) == []


def test_without_an_instant_the_database_says_when(database: Database) -> None:
    database.run(lambda session: record(session, SIGNED_OUT))

    at = database.read(lambda session: session.scalar(select(model.entry.c.at)))
    assert at is not None
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=1)


def test_what_changed_is_kept_as_hashes_that_tell_apart(database: Database) -> None:
    def entry(state: str) -> Entry:
        return Entry(
            "ops", "o-1", "campaign.paused", "campaign", "c", before={"state": state}, after={"a": 1}
        )

    database.run(lambda session: [record(session, entry(state)) for state in ("active", "draft", "active")])

    rows = database.read(
        lambda session: session.execute(select(model.entry).order_by(model.entry.c.id)).all()
    )
    first, second, third = (row.before_hash for row in rows)
    assert first == third != second
    assert {len(row.after_hash) for row in rows} == {32}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_entry SET reason = 'another'",
        "UPDATE audit_entry SET result = result",
        "DELETE FROM audit_entry",
        "UPDATE audit_unsealed SET entry_id = entry_id",
    ],
)
def test_the_database_refuses_to_change_history(database: Database, change: str) -> None:
    database.run(lambda session: record(session, SIGNED_OUT, NOON))

    with pytest.raises(exc.DBAPIError):
        database.run(lambda session: session.execute(text(change)))


@pytest.mark.parametrize("field", ["actor_kind", "result"])
def test_words_that_nobody_knows_are_refused(database: Database, field: str) -> None:
    values = {"actor_kind": "user", "actor_id": "u", "action": "a", "object_kind": "k", "object_id": "o"}
    row = values | {"id": new_id(), "at": NOON, "result": "ok"} | {field: "strange"}

    with pytest.raises(exc.IntegrityError):
        database.run(lambda session: session.execute(insert(model.entry).values(**row)))
