"""What a simulated provider will do later, and the clock that says when later is."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from nerava.kernel.clock import FixedClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.kernel.clock import Clock


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """One thing that a provider does by itself at an instant; plain data, so that it can be copied."""

    at: datetime
    number: int
    provider: str
    action: str
    subject: str


class Timeline:
    """The time of the simulated world. A clock that stands still is moved; a real one can be set ahead.

    What is due runs in order of time, and while it runs `now` is its instant: a payout that is paid on
    Wednesday is paid on Wednesday, even when the clock was moved from Monday to Friday in one step.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()
        self._running: datetime | None = None
        self._number = 0
        self._waiting: list[Due] = []

    @property
    def stands_still(self) -> bool:
        """Time passes only when somebody moves the clock."""
        return isinstance(self._clock, FixedClock)

    def now(self) -> datetime:
        """Return the instant of the simulated world, aware UTC."""
        return self._running or self._clock.now() + self._ahead

    def now_s(self) -> int:
        """Return whole Unix seconds."""
        return int(self.now().timestamp())

    def advance(self, by: timedelta) -> None:
        """Move the clock. One that stands still moves for whoever shares it."""
        if isinstance(self._clock, FixedClock):
            self._clock.move_to(self._clock.now() + by)
        else:
            self._ahead += by

    def plan(self, at: datetime, provider: str, action: str, subject: str) -> None:
        """Put something on the timeline; what is in the past runs at the next look."""
        self._number += 1
        heapq.heappush(self._waiting, Due(at, self._number, provider, action, subject))

    def run_due(self, run: Callable[[Due], None]) -> int:
        """Run what is due by now, also what it puts on the timeline meanwhile; return how much it was."""
        if self._running is not None:
            message = "the timeline runs already"
            raise AssertionError(message)
        until, done = self.now(), 0
        try:
            while self._waiting and self._waiting[0].at <= until:
                due = heapq.heappop(self._waiting)
                self._running = due.at
                run(due)
                done += 1
        finally:
            self._running = None
        return done

    def next_at(self) -> datetime | None:
        """Return when the next thing happens."""
        return self._waiting[0].at if self._waiting else None

    def waiting(self) -> list[Due]:
        """Return what is planned, soonest first."""
        return sorted(self._waiting)

    def put_back(self, waiting: list[Due]) -> None:
        """Plan these and nothing else."""
        self._waiting = sorted(waiting)
        self._number = max((due.number for due in waiting), default=0)
