"""Sends what was recorded, in a thread of its own: nobody waits for it, and what does not fit is dropped."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.platform.tracing import THREAD, size_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nerava.platform.tracing import Bunch

log = logging.getLogger(__name__)

BATCH_MAX: Final = 4_096
"""So many spans are enough to be sent at once; a bunch goes whole, and may make it a few more."""

PAUSE_S: Final = 2.0
"""So long a span waits for others at most, unless a batch is full."""

FLUSH_S: Final = 3.0
"""How long the end of the process may wait for a collector."""

TOLD_EVERY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What became of the spans of this process so far.

    Attributes:
        sent: The collector has them.
        dropped: It has them not: there was no room, it did not answer, or it did not want them.
        waiting: Still to be sent.
    """

    sent: int
    dropped: int
    waiting: int


class Export:
    """Takes spans from any thread and sends them in batches.

    Args:
        encode: Turns what has ended into bytes.
        send: Brings a batch to the collector and returns how many it refused; raises if none arrived.
            Takes a bounded time.
        room: How many spans may wait; more are dropped and counted.
        pause_s: How long a span may wait for others.
    """

    def __init__(
        self,
        encode: Callable[[Bunch], list[bytes]],
        send: Callable[[Sequence[list[bytes]]], int],
        *,
        room: int,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._encode = encode
        self._send = send
        self._room = room
        self._enough = min(BATCH_MAX, max(1, room // 2))
        self._pause_s = pause_s
        self._queue: deque[tuple[list[bytes], int]] = deque()
        self._waiting = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._is_flushing = False
        self._sending = False
        self._sent = 0
        self._dropped = 0
        self._told = 0
        self._told_at = -TOLD_EVERY_S
        self._wake = threading.Event()
        self._until: float | None = None
        self._thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
        self._thread.start()

    def take(self, bunch: Bunch) -> None:
        """Queue what has ended, or drop it. Neither waits nor fails."""
        size = size_of(bunch)
        with self._lock:
            if self._waiting >= self._room:
                self._dropped += size
                return
        try:
            # Here and not in the thread: what was just recorded is still in the processor's cache.
            pieces = self._encode(bunch)
        except Exception:  # noqa: BLE001 - whatever it is, it must end nothing but this bunch
            with self._lock:
                self._dropped += size
            return
        with self._lock:
            waiting = self._waiting
            self._waiting = waiting + size
            self._queue.append((pieces, size))
        if waiting < self._enough <= waiting + size:
            self._wake.set()

    @property
    def counts(self) -> Counts:
        """What became of the spans so far."""
        with self._changed:
            return Counts(self._sent, self._dropped, self._waiting)

    def wait(self, patience_s: float = FLUSH_S) -> None:
        """Have what waits sent now, and wait for that, as far as the time allows."""
        until = time.monotonic() + patience_s
        with self._changed:
            self._is_flushing = True
            self._wake.set()
            while self._queue or self._sending:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    return

    def close(self, patience_s: float = FLUSH_S) -> None:
        """Send what waits, as far as the time allows, and end. Repeats safely."""
        if self._until is None:
            self._until = time.monotonic() + patience_s
        self._wake.set()
        self._thread.join(patience_s)
        with self._changed:
            # What the thread still has in hand when nobody waits for it any longer is counted by it.
            self._dropped += self._waiting
            self._waiting = 0
            self._queue.clear()
        self._tell()

    def _work(self) -> None:
        while self._until is None:
            is_asked = self._wake.wait(self._pause_s)
            self._wake.clear()
            with self._lock:
                is_flushing, self._is_flushing = self._is_flushing, False
            # Sending a few costs as much as sending many: who is woken because there are enough leaves
            # those that come meanwhile to the next round.
            self._send_while(self._enough if is_asked and not is_flushing else 1)
        self._send_while(1)

    def _send_while(self, least: int) -> None:
        """Send batch after batch while so many wait."""
        while self._waiting >= least and (self._until is None or time.monotonic() < self._until):
            self._sending = True
            batch, size = self._next()
            try:
                refused = self._send(batch)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must end nothing but this batch
                refused = size
                log.debug("spans were not sent: %s", type(error).__name__)
            with self._changed:
                self._sent += size - refused
                self._dropped += refused
                self._sending = False
                self._changed.notify_all()
            self._tell()

    def _next(self) -> tuple[list[list[bytes]], int]:
        """Take a batch out of the queue; return it and how many spans it has."""
        batch, total = [], 0
        with self._lock:
            while self._queue and total < BATCH_MAX:
                pieces, size = self._queue.popleft()
                batch.append(pieces)
                total += size
            self._waiting -= total
        return batch, total

    def _tell(self) -> None:
        """Say that spans were lost, once a minute at most."""
        now = time.monotonic()
        if self._dropped > self._told and now - self._told_at >= TOLD_EVERY_S:
            log.warning("spans were dropped", extra={"count": self._dropped - self._told})
            self._told, self._told_at = self._dropped, now
