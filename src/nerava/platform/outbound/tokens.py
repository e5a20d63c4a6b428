"""A budget of second attempts, so that a provider in trouble is not asked three times as often."""

from __future__ import annotations

import threading
from typing import Final

FULL: Final = 100
RETRY_COSTS: Final = 5
HARD_RETRY_COSTS: Final = 10
"""After a time-out or a 429: the other side is busy."""

SUCCESS_GIVES: Final = 1


class RetryTokens:
    """The budget of one provider in this process. Safe to share between threads.

    A provider that answers nothing but errors gets less than 15 % more calls than there are requests.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left = FULL

    def take(self, *, hard: bool) -> bool:
        """Pay for a second attempt; return whether the budget had it."""
        cost = HARD_RETRY_COSTS if hard else RETRY_COSTS
        with self._lock:
            if self._left < cost:
                return False
            self._left -= cost
            return True

    def give_back(self) -> None:
        """A call succeeded at the first attempt."""
        with self._lock:
            self._left = min(FULL, self._left + SUCCESS_GIVES)
