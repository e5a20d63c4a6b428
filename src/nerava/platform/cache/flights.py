"""One call at a time for each key of a process: who comes meanwhile waits for its outcome."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.kernel.outcomes import Outcome
    from nerava.platform.cache.entries import Entry


@dataclass(slots=True)
class Flight:
    """A call under way; both results are None if its leader ended by a mistake of ours.

    Attributes:
        entry: What it brought, if that may be kept.
        outcome: What it brought else.
    """

    landed: threading.Event = field(default_factory=threading.Event)
    entry: Entry | None = None
    outcome: Outcome[object] | None = None


class Flights:
    """The calls under way, by place. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flying: dict[str, Flight] = {}

    def join(self, place: str) -> tuple[Flight, bool]:
        """Return the flight for a place, and whether the caller leads it and has to `land` it."""
        with self._lock:
            found = self._flying.get(place)
            if found is not None:
                return found, False
            led = self._flying[place] = Flight()
            return led, True

    def land(self, place: str, flight: Flight) -> None:
        """Wake who waits; the next caller leads a flight of its own."""
        with self._lock:
            self._flying.pop(place, None)
        flight.landed.set()
