"""How often the cache had what was asked for, by region and layer; for metrics to read."""

from __future__ import annotations

import threading
from collections import Counter
from enum import StrEnum


class Counted(StrEnum):
    """What became of one look."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"
    ERROR = "error"


class CacheCounts:
    """Counts of this process since it began. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str, Counted]] = Counter()

    def add(self, region: str, layer: str, what: Counted) -> None:
        """Count one."""
        with self._lock:
            self._counts[region, layer, what] += 1

    def read(self) -> dict[tuple[str, str, Counted], int]:
        """Return the counts so far, by region, layer (memory, shared, origin) and result."""
        with self._lock:
            return dict(self._counts)
