"""Many rows in one statement mean the same on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Interval, column, select, table

from nerava.charging.model import ChargingLocation
from nerava.drivers.model import Driver
from nerava.kernel.ids import new_id
from nerava.platform.db import Database
from nerava.platform.db.bulk import BulkInsert, BulkUpdate
from nerava.platform.limits_store import LimitState

DRIVER: Any = Driver.__table__
LOCATION: Any = ChargingLocation.__table__
NOW = datetime(2026, 3, 2, 12, 0, 0, 123_456, tzinfo=UTC)
INSERT = BulkInsert(DRIVER, ("id", "reference", "created_at"))
INSERT_NEW = BulkInsert(DRIVER, ("id", "reference", "created_at"), if_new=True)
NASTY = [
    'quote " here',
    "back \\ slash",
    "{brace},comma",
    "NULL",
    "line\nbreak",
    "ünïcödé 漢",
    "'",
    "%s ? :x",
]


def references(database: Database) -> dict[str, datetime]:
    query = select(DRIVER.c.reference, DRIVER.c.created_at)
    return {
        row.reference: row.created_at for row in database.read(lambda session: session.execute(query).all())
    }


def test_text_of_any_kind_and_instants_to_the_microsecond_come_back_as_they_went(database: Database) -> None:
    rows = [(new_id(), reference, NOW) for reference in NASTY]

    assert database.run(lambda session: INSERT.run(session, rows)) == len(NASTY)
    assert references(database) == dict.fromkeys(NASTY, NOW)


def test_bytes_come_back_as_they_went(database: Database) -> None:
    keys: Any = LimitState.__table__
    insert = BulkInsert(
        keys, ("limit_id", "key_hmac", "ring", "tat", "blocked_until", "updated_at", "expires_at")
    )
    values = [bytes(range(256)), b"", b'\\x00"{},']
    rows = [(f"l{number}", bytes([number]) * 32, one, 0, 0, NOW, NOW) for number, one in enumerate(values)]

    assert database.run(lambda session: insert.run(session, rows)) == len(values)
    stored = select(keys.c.ring).order_by(keys.c.limit_id)
    assert [bytes(one) for one in database.read(lambda session: session.scalars(stored).all())] == values


def test_nothing_to_write_is_written(database: Database) -> None:
    assert database.run(lambda session: INSERT.run(session, [])) == 0


def test_known_rows_are_left_out_and_not_counted(database: Database) -> None:
    first = [(new_id(), name, NOW) for name in "ab"]
    again = [(new_id(), name, NOW + timedelta(days=1)) for name in "abc"]

    assert database.run(lambda session: INSERT_NEW.run(session, first)) == 2
    assert database.run(lambda session: INSERT_NEW.run(session, again)) == 1
    assert references(database) == {"a": NOW, "b": NOW, "c": NOW + timedelta(days=1)}


def test_who_asks_is_told_which_rows_were_new(database: Database) -> None:
    first = [(new_id(), name, NOW) for name in "ab"]
    again = [(new_id(), name, NOW) for name in "bcd"]

    told = database.run(lambda session: INSERT_NEW.run_telling(session, first))
    assert {str(key) for (key,) in told} == {str(row[0]) for row in first}
    told = database.run(lambda session: INSERT_NEW.run_telling(session, again))
    assert {str(key) for (key,) in told} == {str(row[0]) for row in again[1:]}
    assert database.run(lambda session: INSERT_NEW.run_telling(session, [])) == []


def test_empty_values_truths_and_fractions_are_kept(database: Database) -> None:
    columns = ("id", "source", "reference", "name", "timezone", "latitude", "longitude", "is_test")
    rows = [
        (new_id(), "s", "1", "A", "UTC", 60.169857, -24.938379, True),
        (new_id(), "s", "2", "B", "UTC", None, None, False),
    ]
    database.run(lambda session: BulkInsert(LOCATION, columns).run(session, rows))
    query = select(*(LOCATION.c[name] for name in columns)).order_by(LOCATION.c.reference)

    assert [tuple(row) for row in database.read(lambda session: session.execute(query).all())] == rows


def test_an_update_changes_what_matches_and_counts_it(database: Database) -> None:
    ids = [new_id() for _ in range(3)]
    database.run(lambda session: INSERT.run(session, [(key, str(n), NOW) for n, key in enumerate(ids)]))
    rename = BulkUpdate(DRIVER, match=("id", "reference"), assign=("reference", "created_at"))
    later = NOW + timedelta(hours=1)
    rows = [(ids[0], "0", "zero", later), (ids[1], "no longer 1", "one", later)]

    assert database.run(lambda session: rename.run(session, rows)) == 1
    assert references(database) == {"zero": later, "1": NOW, "2": NOW}


def test_a_type_that_nobody_has_thought_of_is_refused_at_once() -> None:
    strange: Any = table("driver", column("id", Interval()))

    with pytest.raises(AssertionError, match="no way is known"):
        BulkInsert(strange, ("id",))
