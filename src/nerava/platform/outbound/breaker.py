"""A circuit breaker: who keeps failing is left alone for a while and then asked once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_S: Final = 30.0
CALLS_MIN: Final = 20
OPEN_S: Final = 15.0
SAMPLES_MAX: Final = 1_000
"""Of one window; the latest thousand calls say as much as all of them."""

PARTITIONS_MAX: Final = 1_000


class Circuit(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Passage(StrEnum):
    """As what a call was let pass."""

    CALL = "call"
    PROBE = "probe"


class Breaker:
    """Opens for 15 s when half of at least 20 calls within 30 s failed; then one call decides. Thread-safe.

    Its lock is never held during a call.
    """

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, bool]] = deque(maxlen=SAMPLES_MAX)
        self._opened_at: float | None = None
        self._is_probing = False

    @property
    def circuit(self) -> Circuit:
        """Where it stands now."""
        with self._lock:
            if self._opened_at is None:
                return Circuit.CLOSED
            return Circuit.OPEN if self._ticks() - self._opened_at < OPEN_S else Circuit.HALF_OPEN

    def let_pass(self) -> Passage | None:
        """Let a call go, or not (None); who was let pass says afterwards how it ended, with `note`."""
        with self._lock:
            if self._opened_at is None:
                return Passage.CALL
            if self._is_probing or self._ticks() - self._opened_at < OPEN_S:
                return None
            self._is_probing = True
            return Passage.PROBE

    def note(self, passage: Passage, *, failed: bool | None) -> None:
        """Take note of how a call ended; None means that it says nothing about the other side."""
        now = self._ticks()
        with self._lock:
            if passage is Passage.PROBE:
                self._is_probing = False
                if failed is not None:
                    self._opened_at = now if failed else None
                return
            if failed is None or self._opened_at is not None:
                return
            self._samples.append((now, failed))
            while self._samples[0][0] < now - WINDOW_S:
                self._samples.popleft()
            failures = sum(one for _, one in self._samples)
            if len(self._samples) >= CALLS_MIN and failures * 2 >= len(self._samples):
                self._opened_at = now
                self._samples.clear()


class Breakers:
    """The breakers of one provider, by partition; a thousand are kept, those used last."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self._ticks = ticks
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Breaker] = OrderedDict()

    def of(self, partition: str) -> Breaker:
        """Return the breaker of a partition."""
        with self._lock:
            found = self._known.setdefault(partition, Breaker(self._ticks))
            self._known.move_to_end(partition)
            if len(self._known) > PARTITIONS_MAX:
                self._known.popitem(last=False)
            return found

    def circuits(self) -> dict[str, Circuit]:
        """Return where the breaker of each partition stands."""
        with self._lock:
            known = dict(self._known)
        return {partition: one.circuit for partition, one in known.items()}
