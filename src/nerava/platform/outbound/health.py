"""What one process knows of one provider: tokens for second attempts, breakers, calls on their way."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from nerava.platform.outbound.breaker import Breakers
from nerava.platform.outbound.tokens import RetryTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS_AT_ONCE: Final = 8


class ProviderHealth:
    """Shared by everything that calls one provider, also under several addresses. Thread-safe."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic, *, at_once: int = CALLS_AT_ONCE) -> None:
        """Begin with full tokens and closed breakers.

        Args:
            ticks: Seconds that only go forwards.
            at_once: How many calls may be on their way.
        """
        self.tokens = RetryTokens()
        self.breakers = Breakers(ticks)
        self._places = threading.BoundedSemaphore(at_once)

    @contextmanager
    def place(self, patience_s: float) -> Iterator[bool]:
        """Hold one of the places for a call while the block runs; false if none became free in time."""
        held = self._places.acquire(timeout=max(0.0, patience_s))
        try:
            yield held
        finally:
            if held:
                self._places.release()
