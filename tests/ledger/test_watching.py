"""The books are looked over every quarter of an hour; what rings is kept in order, page by page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import select, update

from nerava.ledger.alarm_store import watch
from nerava.ledger.findings import Finding
from nerava.ledger.watching import EVERY, QUICK_MS, Watching, alarms, note

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def watching(database: Database) -> Watching:
    """Return a watch in which nothing is late and nothing may be stopped."""

    def stop(reason: str, _now: datetime) -> None:
        raise AssertionError(reason)

    return Watching(database, (), lambda _session, _now: (), stop)


def looked_at(database: Database, scope: str) -> datetime:
    """Return when a scope was looked at."""
    when: datetime | None = database.read(
        lambda session: session.scalar(select(watch.c.looked_at).where(watch.c.scope == scope))
    )
    assert when is not None
    return when


def test_history_that_took_long_is_left_to_proofs(database: Database, ledger: Ledger) -> None:
    watch_it = watching(database)
    first, second = NOON + EVERY, NOON + 2 * EVERY
    assert watch_it.run(NOON) == 0
    assert watch_it.run(NOON + EVERY / 2) == 0
    assert watch_it.run(first) == 1
    assert looked_at(database, "history") == first

    slow = update(watch).where(watch.c.scope == "history").values(took_ms=QUICK_MS + 1)
    database.run(lambda session: session.execute(slow))
    assert watch_it.run(second) == 1
    assert (looked_at(database, "now"), looked_at(database, "history")) == (second, first)


def test_alarms_come_in_pages_the_oldest_first(database: Database, ledger: Ledger) -> None:
    def ring(session: Session) -> None:
        found = [Finding("limits-kept", f"account {number}", "it is below") for number in range(3)]
        note(session, found, NOON, looked_at=())

    def page(*, after: int | None) -> list[str]:
        last = None if after is None else known[after].id
        found = database.read(lambda session: alarms(session, is_open=True, after=last, limit=2))
        return [one.subject for one in found]

    database.run(ring)
    known = database.read(lambda session: alarms(session, is_open=True, after=None, limit=10))
    assert page(after=None) == ["account 0", "account 1"]
    assert page(after=1) == ["account 2"]
    assert page(after=2) == []
