"""The only seam through which the product reads the time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Where `now` comes from: aware UTC, never running backwards within one process."""

    def now(self) -> datetime:
        """Return the current instant, aware UTC, microsecond resolution."""
        ...


class SystemClock:
    """The host clock, held so that it never steps back: `now = max(last, host)`."""

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the current instant, aware UTC."""
        with self._lock:
            self._last = max(self._last, datetime.now(UTC))
            return self._last


class FixedClock:
    """A clock that stands still until it is moved; for tests and for replays of the past."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        """Return the instant the clock was last moved to."""
        return self._at

    def move_to(self, at: datetime) -> None:
        """Set the clock, forwards or backwards."""
        self._at = at
