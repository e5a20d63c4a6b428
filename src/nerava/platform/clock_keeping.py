"""Keeps the clock of a process with that of its database, so that all processes agree what is over."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from nerava.kernel.clock import SystemClock

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
        clock = self._clock
        if self._database.is_sqlite:
            if isinstance(clock, SystemClock):
                _tell(clock.follow_host())
            return True
        reference = session.scalar(text("SELECT clock_timestamp()"))
        if not isinstance(reference, datetime):
            raise AssertionError("clock_timestamp() gives an instant")
        self.offset = reference - clock.now()
        self._began_well = self._began_well or abs(self.offset) <= OFFSET_MAX
        if not self._began_well or not isinstance(clock, SystemClock):
            return abs(self.offset) <= OFFSET_MAX
        _tell(clock.follow(reference))
        return self.offset >= -OFFSET_MAX

    def run(self, _now: datetime) -> int:
        """Do the same as background work. Repeats safely."""
        if not self._database.read(self.keep):
            log.warning("the clock is more than %s from the database's", OFFSET_MAX)
        return 0


def _tell(ahead: timedelta) -> None:
    if abs(ahead) > OFFSET_MAX:
        log.warning("what the clock follows is %.0f s ahead of it", ahead.total_seconds())
