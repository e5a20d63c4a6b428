"""Keeps the clock of a process with that of its database, so that all processes agree what is over."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from nerava.kernel.clock import SystemClock, host_now

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

OFFSET_MAX: Final = timedelta(seconds=5)
"""How far a host's clock may be from the database's when the process begins."""


class ClockKeeper:
    """Compares a clock with the database's and lets it follow; with SQLite there is only the host's.

    A process whose host was wrong when it began does not follow: whoever looks after the host is to
    see it. One that slept, or whose host is set later, is brought back. A database that jumps back by
    more than `OFFSET_MAX` is not followed either.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._began_well = False
        self.offset: timedelta | None = None
        """How far ahead the database was when they were last compared; None where there is only the host."""

    def keep(self, session: Session) -> bool:
        """Follow the better clock, and say whether this one is as good as it."""
        if self._database.is_sqlite:
            self._follow(host_now())
            return True
        reference = session.scalar(text("SELECT clock_timestamp()"))
        if not isinstance(reference, datetime):
            raise AssertionError("clock_timestamp() gives an instant")
        self.offset = reference - self._clock.now()
        if not self._began_well:
            self._began_well = abs(reference - self._clock.now()) <= OFFSET_MAX
        return self._began_well and self._follow(reference)

    def run(self, _now: datetime) -> int:
        """Do the same as background work. Repeats safely."""
        if not self._database.read(self.keep):
            log.warning("the clock is more than %s from the database's", OFFSET_MAX)
        return 0

    def _follow(self, reference: datetime) -> bool:
        if not isinstance(self._clock, SystemClock):
            return abs(reference - self._clock.now()) <= OFFSET_MAX
        ahead = self._clock.follow(reference)
        if abs(ahead) > OFFSET_MAX:
            log.warning("the clock was %.0f s behind", ahead.total_seconds())
        return ahead >= -OFFSET_MAX
