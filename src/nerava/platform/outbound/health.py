"""What one process knows of one provider: tokens for second attempts, breakers, calls on their way."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from nerava.platform.outbound.breaker import Breakers, Circuit
from nerava.platform.outbound.tokens import RetryTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CALLS_AT_ONCE: Final = 8


class Healths:
    """What is known of every provider that was called, for whoever looks. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, WeakSet[ProviderHealth]] = {}

    def note(self, provider: str, health: ProviderHealth) -> None:
        """Remember whose health it is. Repeats safely."""
        with self._lock:
            self._known.setdefault(provider, WeakSet()).add(health)

    def breakers_open(self) -> dict[str, int]:
        """Return how many breakers are open, by provider."""
        with self._lock:
            known = {provider: list(healths) for provider, healths in self._known.items()}
        return {
            provider: sum(
                one is Circuit.OPEN for health in healths for one in health.breakers.circuits().values()
            )
            for provider, healths in known.items()
        }


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
