"""Until when a provider asked to be left alone is known to every process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from nerava.platform.db import Database
from nerava.platform.outbound import PausesInDatabase
from nerava.platform.outbound.pauses import forget_pauses
from nerava.platform.outbound_store import OutboundPause

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_another_process_obeys_and_the_longest_counts(database: Database) -> None:
    here, there = PausesInDatabase(database), PausesInDatabase(database)
    here.keep("smartcar", "vehicle-1", NOW + 7 * SECOND, NOW)
    here.keep("smartcar", "vehicle-1", NOW + 3 * SECOND, NOW)
    here.keep("smartcar", "", NOW + 5 * SECOND, NOW)
    for pauses in (here, there):
        assert pauses.until("smartcar", ["", "vehicle-1"], NOW) == NOW + 7 * SECOND
        assert pauses.until("smartcar", ["", "vehicle-2"], NOW) == NOW + 5 * SECOND
        assert pauses.until("nlr", ["", "vehicle-1"], NOW) is None
        assert pauses.until("smartcar", ["", "vehicle-1"], NOW + 7 * SECOND) is None


def test_what_is_over_is_forgotten(database: Database) -> None:
    pauses = PausesInDatabase(database)
    pauses.keep("nlr", "", NOW + SECOND, NOW)
    pauses.keep("places", "", NOW + 9 * SECOND, NOW)
    assert database.run(lambda session: forget_pauses(session, NOW + 5 * SECOND)) == 1
    assert database.run(lambda session: forget_pauses(session, NOW + 5 * SECOND)) == 0
    assert database.read(lambda session: session.scalar(select(func.count()).select_from(OutboundPause))) == 1


def test_without_a_database_the_pauses_of_this_process_hold(database: Database) -> None:
    pauses = PausesInDatabase(database)
    pauses.keep("nlr", "", NOW + SECOND, NOW)
    with database._engine.begin() as connection:  # noqa: SLF001 - something takes the table away
        connection.exec_driver_sql("DROP TABLE outbound_pause")
    assert pauses.until("nlr", [""], NOW) == NOW + SECOND
    assert pauses.until("places", [""], NOW) is None
    pauses.keep("places", "", NOW + SECOND, NOW)
    assert pauses.until("places", [""], NOW) == NOW + SECOND
