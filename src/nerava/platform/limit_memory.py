"""Limits that one process keeps for itself: for reads, which need no database to be counted."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from nerava.platform.limit_window import NOTHING, Counts, Standing, judge, microseconds, standing_of
from nerava.platform.limits import RateLimited

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nerava.platform.limit_numbers import Limit
    from nerava.platform.limits import Hit

KEYS_MAX: Final = 20_000
"""How many keys are remembered; of more, those that were not seen for the longest time are forgotten."""


class LimitMemory:
    """Counts hits of one process. Safe to share between threads. Decides as `Limits` does."""

    def __init__(self, quota_of: Callable[[Limit], int]) -> None:
        self._quota_of = quota_of
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], Counts] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counts)

    def hit(self, hits: Sequence[Hit], now: datetime) -> tuple[Standing, ...]:
        """Count one hit for every key, or none at all; return where each key stands afterwards.

        Raises:
            RateLimited: At least one limit refuses (429).
        """
        at = microseconds(now)
        with self._lock:
            judged = {
                (limit.id, key): judge(
                    limit, self._quota_of(limit), self._counts.get((limit.id, key), NOTHING), at
                )
                for limit, key in hits
            }
            refused = [one.standing for one in judged.values() if not one.accepted]
            if not refused:
                for place, one in judged.items():
                    self._counts[place] = one.counts
                    self._counts.move_to_end(place)
                while len(self._counts) > KEYS_MAX:
                    self._counts.popitem(last=False)
        if refused:
            raise RateLimited(refused)
        return tuple(one.standing for one in judged.values())

    def check(self, hits: Sequence[Hit], now: datetime) -> None:
        """Count nothing, and refuse what a hit would be refused.

        Raises:
            RateLimited: At least one limit would refuse a hit (429).
        """
        at = microseconds(now)
        standings = [
            standing_of(limit, self._quota_of(limit), self._counts.get((limit.id, key), NOTHING), at)
            for limit, key in hits
        ]
        refused = [one for one in standings if one.remaining == 0]
        if refused:
            raise RateLimited(refused)
