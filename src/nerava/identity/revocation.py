"""Sessions that were ended a moment ago: every process knows them within half a second."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from nerava.identity.session_store import Revocation
from nerava.identity.tokens import LEEWAY, LIFE_MAX

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

POLL_EVERY_S: Final = 0.5
OVERLAP: Final = timedelta(seconds=60)
"""How far each poll looks back: rows do not become visible in the order of their instants."""

LATE_AFTER: Final = timedelta(seconds=2)
KEPT: Final = LIFE_MAX + LEEWAY + OVERLAP
"""How long an ended session is remembered: until its last access token has run out."""


class Revocations:
    """The sessions ended lately, read from the database twice a second. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._ended: dict[UUID, datetime] = {}
        self._polled_at: datetime | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to poll in a thread of its own."""
        self._thread = threading.Thread(target=self._work, name="revocations", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the polling. Repeats safely."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def late(self) -> bool:
        """Whether the last poll is more than 2 s ago, so that its silence proves nothing."""
        polled_at = self._polled_at
        return polled_at is None or self._clock.now() - polled_at > LATE_AFTER

    def has_ended(self, session_id: UUID) -> bool:
        """Whether the session is known to have been ended; never touches the database."""
        return session_id in self._ended

    def poll(self) -> None:
        """Read what was ended since a minute before the last poll.

        Raises:
            DatabaseUnavailable: No connection in time (503).
        """
        now = self._clock.now()
        since = now - KEPT if self._polled_at is None else self._polled_at - OVERLAP
        found = self._database.read(lambda session: _since(session, since))
        kept = {one: at for one, at in self._ended.items() if at > now - KEPT}
        self._ended = kept | found
        self._polled_at = now

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001 - reads look at the row themselves until it works again
                log.warning("revocations could not be read: %s", error)
            self._stop.wait(POLL_EVERY_S)


def forget(session: Session, now: datetime) -> int:
    """Delete what no process asks for any more, and return how much it was."""
    gone = session.execute(delete(Revocation).where(Revocation.revoked_at < now - 2 * KEPT))
    return int(gone.rowcount)  # type: ignore[attr-defined]  # a DELETE has a row count


def _since(session: Session, since: datetime) -> dict[UUID, datetime]:
    rows = session.execute(
        select(Revocation.session_id, Revocation.revoked_at).where(Revocation.revoked_at >= since)
    )
    return {row.session_id: row.revoked_at for row in rows}
