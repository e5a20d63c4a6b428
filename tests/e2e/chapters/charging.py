"""Cars charge: the recording that comes with the product, day by day, at the local time of each place."""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from nerava.charging.recordings import Limits
from nerava.drivers import service as drivers
from nerava.identity.roles import Role
from nerava.integrations.datasets import read_dataset
from nerava.replay.run import Replay, ReplayOptions, Sorted, read_all
from tests.e2e.year import Chapter, Year

if TYPE_CHECKING:
    from nerava.charging.recordings import RecordedSession

SOURCE = "year"


@dataclass
class Charging(Chapter):
    """The recording, by its own days, and the sessions that are under way.

    Attributes:
        over: Sessions of the last day that were worked off.
    """

    new: int = 0
    over: list[RecordedSession] = field(default_factory=list)
    _days: list[list[RecordedSession]] = field(default_factory=list)
    _open: list[tuple[datetime, str, RecordedSession]] = field(default_factory=list)
    _replay: Replay | None = None

    def begin(self, year: Year) -> None:
        """Read the recording and make the drivers known."""
        installation = year.house.installation
        read = read_all(read_dataset("sample", Path(), Limits(now=year.now)))
        days = defaultdict(list)
        for one in read.sessions:
            days[one.started_at.astimezone(ZoneInfo(one.timezone)).date()].append(one)
        self._days = [days[day] for day in sorted(days)]
        names = [f"{SOURCE}:simulated:{number}" for number in range(year.size.drivers)]
        known = installation.database.run(
            lambda session: drivers.register(session, installation.ledger, names, year.now)
        )
        year.drivers += [year.person(Role.DRIVER, known[name]) for name in names]
        options = ReplayOptions(SOURCE, seed=year.size.seed, drivers=year.size.drivers)
        self._replay = Replay(installation.database, installation.ledger, year.clock, options)

    def day(self, year: Year) -> None:
        """Plug in the sessions of the day, and work off those that are over."""
        for copy in range(year.size.copies):
            for one in self._days[(year.number + 5 * copy) % len(self._days)]:
                begun = _moved(one, year, copy)
                heapq.heappush(self._open, (begun.ended_at, begun.reference, begun))
        over = []
        while self._open and self._open[0][0] <= year.now:
            over.append(heapq.heappop(self._open)[2])
        self.over = over
        assert self._replay is not None
        counts = self._replay.run(
            Sorted(sorted(over, key=lambda one: one.started_at), []), lambda _done: None
        )
        self.new += counts.new
        assert counts.known == 0

    def check(self, year: Year) -> None:
        """Have had sessions on the days on which clocks changed."""
        year.happened["sessions"] = self.new


def _moved(one: RecordedSession, year: Year, copy: int) -> RecordedSession:
    """Return a session as if it began on the day before today, at the same local time."""
    zone = ZoneInfo(one.timezone)
    local = one.started_at.astimezone(zone)
    day = year.size.first + timedelta(days=year.number - 1)
    began = datetime.combine(day, local.time(), zone).astimezone(UTC)
    return replace(
        one,
        reference=f"{one.reference}:{year.number}:{copy}",
        started_at=began,
        ended_at=began + (one.ended_at - one.started_at),
        user=None,
    )
