"""Looks in memory, then in Redis, then asks the source: once at a time, never longer than the caller has."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.platform.cache.counts import CacheCounts, Counted
from nerava.platform.cache.entries import Entry, entry_of, milliseconds
from nerava.platform.cache.failures import line_of, outcome_in
from nerava.platform.cache.flights import Flight, Flights
from nerava.platform.cache.link import SKIPPED_S, RedisLink
from nerava.platform.cache.regions import MISCONFIGURED
from nerava.platform.cache.shelf import Shelf
from nerava.platform.outbound.deadline import caller_left_s
from nerava.platform.outbound.observing import CacheLayer, asked_by_cache

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from nerava.platform.cache.regions import Region
    from nerava.platform.live_secrets import Given

    Load = Callable[[], Outcome[Any]]

REFRESHING_AT_ONCE: Final = 4
REFRESHES_WAITING_MAX: Final = 100
REST_S: Final = 5.0
"""After a call that failed, for so long what is kept is given out without another call."""

RESTING_MAX: Final = 10_000
LOOK_AGAIN_S: Final = 0.02
WAITED_TOO_LONG: Final = "waited-too-long"


class Layer(StrEnum):
    """Where an answer was found."""

    MEMORY = "memory"
    SHARED = "shared"
    ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class Answer:
    """What is known, and since when. Its value is shared by its callers and not to be changed.

    Attributes:
        outcome: What the source said, or why nothing is known.
        as_of: When the source said it, aware UTC; None if nothing is known.
        stale: It is older than it should be. Such an answer is shown with its age and never makes a grant.
        layer: Where it was found.
    """

    outcome: Outcome[Any]
    as_of: datetime | None
    stale: bool
    layer: Layer


@dataclass(frozen=True, slots=True)
class _Asked:
    region: Region
    place: str
    shelf: Shelf
    load: Load
    fresh_for: Callable[[Any], timedelta] | None


class Cache:
    """Keeps what sources said. Safe to share between threads; never fails a request because of itself.

    Redis makes it faster and is never needed: while it is down, slow or full, each process keeps its own.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime],
        redis_url: Given | None = None,
        redis_rest_s: float = SKIPPED_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Prepare; nothing is connected before the first use.

        Args:
            now: Reads the clock.
            redis_url: A Redis or Valkey that the processes share; None is none.
            redis_rest_s: For how long it is left alone after it failed.
            chance: From 0 to 1, spreads the ends of what was fetched together.
        """
        self.counts = CacheCounts()
        self.link = None if redis_url is None else RedisLink(redis_url, skipped_s=redis_rest_s)
        self._now = now
        self._chance = chance
        self._lock = threading.Lock()
        self._shelves: dict[str, Shelf] = {}
        self._flights = Flights()
        self._resting: OrderedDict[str, tuple[float, Outcome[Any] | None]] = OrderedDict()
        self._refreshers = ThreadPoolExecutor(REFRESHING_AT_ONCE, thread_name_prefix="cache-refresh")
        self._waiting = threading.BoundedSemaphore(REFRESHES_WAITING_MAX)

    def close(self) -> None:
        """Let what is being read come to its end, give up what waits, and close the connections.

        Whoever closes the sources after that finds nobody using them.
        """
        self._refreshers.shutdown(cancel_futures=True)
        if self.link is not None:
            self.link.close()

    def get(
        self, region: Region, key: str, load: Load, *, fresh_for: Callable[[Any], timedelta] | None = None
    ) -> Answer:
        """Return what is known under a key, asking the source with `load` if that is not fresh.

        Of all callers that miss at once one asks; the others wait for its outcome, at most until their
        own deadline (`caller_deadline`). What is old but may still be given out is, at once, and is
        asked for anew in the background; `load` may therefore run in another thread.

        Args:
            region: What holds for this kind of answers.
            key: Names the question within the region, whole and in one spelling.
            load: Asks the source. Its value is made of what JSON has.
            fresh_for: How long a value is fresh, where it says so itself.
        """
        asked = _Asked(region, region.place_of(key), self._shelf(region), load, fresh_for)
        entry, layer = self._newest(asked)
        if entry is not None and self._at() < entry.stale_until:
            if self._at() < entry.fresh_until:
                self.counts.add(region.name, layer, Counted.HIT)
                return Answer(entry.outcome, entry.as_of, stale=False, layer=layer)
            self._refresh(asked)
            return self._old(region, entry, layer)
        rests, told = self._rest_of(asked.place)
        if rests and entry is not None and self._at() < entry.error_until:
            return self._old(region, entry, layer)
        if rests and told is not None:
            return Answer(told, None, stale=False, layer=Layer.MEMORY)
        return self._fetched(asked, entry, layer)

    def forget(self, region: Region, key: str) -> None:
        """Drop what is kept under a key, here and in Redis; other processes may have it until it is old."""
        self._shelf(region).drop(region.place_of(key))

    def _shelf(self, region: Region) -> Shelf:
        with self._lock:
            found = self._shelves.get(region.name)
            if found is None:
                found = self._shelves[region.name] = Shelf(region, self.link)
            return found

    def _at(self) -> int:
        return milliseconds(self._now())

    def _newest(self, asked: _Asked) -> tuple[Entry | None, Layer]:
        near = asked.shelf.near(asked.place)
        if near is not None and self._at() < near.stale_until:
            return near, Layer.MEMORY
        far = self._far(asked)
        if far is None or (near is not None and near.fetched_at >= far.fetched_at):
            self.counts.add(asked.region.name, Layer.MEMORY, Counted.MISS)
            return near, Layer.MEMORY
        return far, Layer.SHARED

    def _far(self, asked: _Asked) -> Entry | None:
        if self.link is None or not asked.region.is_shared:
            return None
        found = asked.shelf.far(asked.place)
        if found is None:
            what = Counted.MISS if self.link.is_used else Counted.ERROR
            self.counts.add(asked.region.name, Layer.SHARED, what)
        return found

    def _old(self, region: Region, entry: Entry, layer: Layer) -> Answer:
        self.counts.add(region.name, layer, Counted.STALE)
        return Answer(entry.outcome, entry.as_of, stale=True, layer=layer)

    def _refresh(self, asked: _Asked) -> None:
        """Have it asked for anew, unless that is being done, failed a moment ago, or too much is waiting."""
        if self._rest_of(asked.place)[0] or not self._waiting.acquire(blocking=False):
            return
        flight, leads = self._flights.join(asked.place)
        if not leads:
            self._waiting.release()
            return

        def refresh() -> None:
            try:
                self._lead(asked, flight, CacheLayer.REFRESH)
            finally:
                self._waiting.release()
                self._flights.land(asked.place, flight)

        try:
            self._refreshers.submit(refresh)
        except RuntimeError:  # It is being closed.
            self._waiting.release()
            self._flights.land(asked.place, flight)

    def _fetched(self, asked: _Asked, old: Entry | None, layer: Layer) -> Answer:
        flight, leads = self._flights.join(asked.place)
        if leads:
            try:
                self._lead(asked, flight, CacheLayer.MISS)
            finally:
                self._flights.land(asked.place, flight)
        else:
            flight.landed.wait(self._patience_s(asked.region))
        if flight.entry is not None:
            return Answer(flight.entry.outcome, flight.entry.as_of, stale=False, layer=Layer.ORIGIN)
        outcome = flight.outcome or RetryLater(WAITED_TOO_LONG)
        if isinstance(outcome, Ok | Refused):  # Answered, and not to be kept.
            return Answer(outcome, self._now(), stale=False, layer=Layer.ORIGIN)
        if old is not None and self._at() < old.error_until:
            return self._old(asked.region, old, layer)
        return Answer(outcome, None, stale=False, layer=Layer.ORIGIN)

    def _lead(self, asked: _Asked, flight: Flight, why: CacheLayer) -> None:
        """Ask the source, unless another process does or has just done so, and say what came of it."""
        near = asked.shelf.near(asked.place)
        if near is not None and self._at() < near.fresh_until:
            flight.entry = near
            return
        token = self._lock_or_result(asked, flight)
        if flight.entry is not None or flight.outcome is not None:
            return
        failed: Outcome[Any] = RetryLater("failed")
        try:
            with asked_by_cache(why):
                outcome = asked.load()
            flight.entry = self._kept(asked, outcome)
            if flight.entry is None:
                flight.outcome = failed = outcome
        finally:
            if token is not None and self.link is not None:
                if flight.entry is None and not isinstance(failed, Ok):
                    self.link.leave_failure(asked.place, token, line_of(failed))
                self.link.release_lock(asked.place, token)

    def _kept(self, asked: _Asked, outcome: Outcome[Any]) -> Entry | None:
        region, name = asked.region, asked.region.name
        if not isinstance(outcome, Ok | Refused):
            self.counts.add(name, Layer.ORIGIN, Counted.ERROR)
            self._rest(asked, outcome)
            return None
        self.counts.add(name, Layer.ORIGIN, Counted.HIT)
        with self._lock:
            self._resting.pop(asked.place, None)
        told = asked.fresh_for(outcome.value) if asked.fresh_for and isinstance(outcome, Ok) else None
        entry = entry_of(region, outcome, self._now(), told, self._chance)
        if entry is not None:
            asked.shelf.keep(asked.place, entry)
        return entry

    def _lock_or_result(self, asked: _Asked, flight: Flight) -> str | None:
        """Take the lock over all processes, or wait for what its owner brings; None to ask without it.

        Half of the time is left for a call of our own: an owner may have died.
        """
        if self.link is None or not asked.region.is_shared:
            return None
        token, awaited = secrets.token_hex(8), ""
        until = time.monotonic() + self._patience_s(asked.region) / 2
        while True:
            taken = self.link.take_lock(asked.place, token)
            if taken is None:
                return None
            far = asked.shelf.far(asked.place)
            if far is not None and self._at() < far.fresh_until:
                flight.entry = far
                if taken:
                    self.link.release_lock(asked.place, token)
                return None
            if taken:
                return token
            while (left_s := until - time.monotonic()) > 0:
                owner, failed = self.link.owner_of_lock(asked.place)
                if awaited and failed is not None and failed.startswith(f"{awaited}|"):
                    flight.outcome = outcome_in(failed.partition("|")[2])
                    return None
                if owner is None:
                    break
                awaited = owner
                time.sleep(min(LOOK_AGAIN_S, left_s))
            else:
                return None

    def _patience_s(self, region: Region) -> float:
        left_s = caller_left_s()
        return region.patience_s if left_s is None else left_s

    def _rest(self, asked: _Asked, outcome: Outcome[Any]) -> None:
        rest_s, told = REST_S, None
        if isinstance(outcome, Misconfigured):
            kept_s = asked.region.kept_for(MISCONFIGURED).total_seconds()
            rest_s, told = max(REST_S, kept_s), outcome if kept_s else None
        with self._lock:
            self._resting[asked.place] = (time.monotonic() + rest_s, told)
            while len(self._resting) > RESTING_MAX:
                self._resting.popitem(last=False)

    def _rest_of(self, place: str) -> tuple[bool, Outcome[Any] | None]:
        with self._lock:
            until, told = self._resting.get(place, (0.0, None))
        return (True, told) if time.monotonic() < until else (False, None)
