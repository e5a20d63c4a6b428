"""Until when a provider asked to be left alone: kept in memory, or in the database for everybody."""

from __future__ import annotations

import hashlib
import logging
import threading
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import delete, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from nerava.kernel.errors import NeravaError
from nerava.platform.outbound_store import OutboundPause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

log = logging.getLogger(__name__)

REMEMBERED_MAX: Final = 10_000
PURGED_AT_ONCE: Final = 5_000


class Pauses(Protocol):
    """Where it is kept. A partition is the API, or what it counts by: a method, an account, a vehicle."""

    def until(self, provider: str, partitions: Sequence[str], now: datetime) -> datetime | None:
        """Return the end of the longest pause that lasts; None if there is none. Never raises."""

    def keep(self, provider: str, partition: str, not_before: datetime, now: datetime) -> None:
        """Keep a pause; a longer one that is known stays. Never raises."""


class PausesInMemory:
    """Pauses of this process. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], datetime] = {}

    def until(self, provider: str, partitions: Sequence[str], now: datetime) -> datetime | None:
        """Return the end of the longest pause that lasts; None if there is none."""
        with self._lock:
            found = [self._known.get((provider, one), now) for one in partitions]
        longest = max(found, default=now)
        return longest if longest > now else None

    def keep(self, provider: str, partition: str, not_before: datetime, now: datetime) -> None:
        """Keep a pause; a longer one that is known stays."""
        place = (provider, partition)
        with self._lock:
            self._known[place] = max(not_before, self._known.get(place, not_before))
            if len(self._known) > REMEMBERED_MAX:
                self._known = {key: at for key, at in self._known.items() if at > now}


class PausesInDatabase:
    """Pauses that other workers and a restart obey. Safe to share between threads.

    While the database cannot be asked, those of this process are obeyed.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._memory = PausesInMemory()

    def until(self, provider: str, partitions: Sequence[str], now: datetime) -> datetime | None:
        """Return the end of the longest pause that lasts; None if there is none."""
        known = self._memory.until(provider, partitions, now)
        if known is not None:
            return known
        asked = (
            select(func.max(OutboundPause.not_before))
            .where(OutboundPause.provider == provider)
            .where(OutboundPause.partition_digest.in_([_digest(one) for one in partitions]))
            .where(OutboundPause.not_before > now)
        )
        try:
            return self._database.read(lambda session: session.scalar(asked))
        except (NeravaError, SQLAlchemyError) as error:
            log.warning("pauses of providers cannot be read: %s", type(error).__name__)
            return None

    def keep(self, provider: str, partition: str, not_before: datetime, now: datetime) -> None:
        """Keep a pause; a longer one that is known stays."""
        self._memory.keep(provider, partition, not_before, now)
        row = {
            "provider": provider,
            "partition_digest": _digest(partition),
            "not_before": not_before,
            "told_at": now,
        }
        try:
            self._database.run(lambda session: _store(session, row), repeatable=True, essential=True)
        except (NeravaError, SQLAlchemyError) as error:
            log.warning("a pause of %s is not stored: %s", provider, type(error).__name__)


def forget_pauses(session: Session, now: datetime) -> int:
    """Forget pauses that are over, at most 5,000; return how many. Repeats safely."""
    over = (
        select(OutboundPause.provider, OutboundPause.partition_digest)
        .where(OutboundPause.not_before <= now)
        .limit(PURGED_AT_ONCE)
    )
    places = [tuple(row) for row in session.execute(over)]
    for provider, digest in places:
        session.execute(
            delete(OutboundPause)
            .where(OutboundPause.provider == provider, OutboundPause.partition_digest == digest)
            .where(OutboundPause.not_before <= now)
        )
    return len(places)


def _store(session: Session, row: dict[str, object]) -> None:
    dialect = postgresql if session.connection().dialect.name == "postgresql" else sqlite
    given = dialect.insert(OutboundPause).values(row)
    session.execute(
        given.on_conflict_do_update(
            index_elements=["provider", "partition_digest"],
            set_={"not_before": given.excluded.not_before, "told_at": given.excluded.told_at},
            where=OutboundPause.not_before < given.excluded.not_before,
        )
    )


def _digest(partition: str) -> bytes:
    # A partition may be named for an account or a vehicle; the table names nobody.
    return hashlib.sha256(partition.encode()).digest()
