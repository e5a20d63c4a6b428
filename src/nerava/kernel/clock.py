"""The only seam through which the product reads the time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

FOLLOWED_BACK_MAX: Final = timedelta(seconds=5)
"""By how much a clock may be ahead of what it follows and still wait for it."""


class Clock(Protocol):
    """Where `now` comes from: aware UTC, never running backwards within one process."""

    def now(self) -> datetime:
        """Return the current instant, aware UTC, microsecond resolution."""
        ...


def host_now() -> datetime:
    """Return what the host's clock says, aware UTC; it may jump either way."""
    return datetime.now(UTC)


class SystemClock:
    """Begins with the host's clock and then counts time that passes, so nobody who sets that clock moves it.

    `follow` brings it to a better clock. It never runs backwards.
    """

    def __init__(
        self, host: Callable[[], datetime] = host_now, passed_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._host = host
        self._passed_ns = passed_ns
        self._lock = threading.Lock()
        self._last = self._from = host()
        self._from_ns = passed_ns()

    def now(self) -> datetime:
        """Return the current instant, aware UTC."""
        with self._lock:
            passed = timedelta(microseconds=(self._passed_ns() - self._from_ns) // 1_000)
            self._last = max(self._last, self._from + passed)
            return self._last

    def follow(self, reference: datetime) -> timedelta:
        """Go on from where a better clock is, and return how far it is ahead.

        Forwards by any span: what was asleep has missed it. Backwards by `FOLLOWED_BACK_MAX` at most,
        for which this clock stands still until it is reached; a clock that jumped back further is not
        followed, and whoever called decides what that means.
        """
        ahead = reference - self.now()
        if ahead >= -FOLLOWED_BACK_MAX:
            with self._lock:
                self._from, self._from_ns = reference, self._passed_ns()
        return ahead

    def follow_host(self) -> timedelta:
        """Follow the host's clock, where there is no better one."""
        return self.follow(self._host())


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
