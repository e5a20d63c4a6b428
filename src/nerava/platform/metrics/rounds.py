"""Watches the rounds of background work: signs of life for everybody, counts where somebody measures."""

from __future__ import annotations

import logging
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Protocol

from nerava.platform.log_context import begin_about, end_about
from nerava.platform.metrics.catalogue import JOB_DURATION, JOB_RUNS, JOB_SUCCESS
from nerava.platform.metrics.sample import Sample

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from nerava.platform.metrics.meter import Meter

log = logging.getLogger(__name__)

BEAT_EVERY: Final = timedelta(seconds=10)
_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class Ended(Protocol):
    """Says how a round ended; returns how much was done."""

    def __call__(self, outcome: str, done: int = 0) -> int:
        """Take note of `done`, `idle`, `failed` or `switched_off`."""
        ...


class Rounds:
    """What is known of the rounds of one process. Safe to share between the threads of different shares."""

    def __init__(
        self, beat: Callable[[str, datetime], None] | None = None, meter: Meter | None = None
    ) -> None:
        """Prepare.

        Args:
            beat: Is told of a share that is worked on, every 10 s at most; what it raises is logged.
            meter: Counts rounds; None counts nothing.
        """
        self._beat = beat
        self._meter = meter
        self._beats_due: dict[str, datetime] = {}
        self._ended_well: dict[str, datetime] = {}
        if meter is not None:
            meter.add_reading(self._read)

    def alive(self, share: str, now: datetime) -> None:
        """Show that a share of the work is worked on."""
        if self._beat is None or now < self._beats_due.get(share, _LONG_AGO):
            return
        self._beats_due[share] = now + BEAT_EVERY
        try:
            self._beat(share, now)
        except Exception as error:  # noqa: BLE001 - the work goes on all the same
            log.warning("no sign of life of %s: %s", share, error)

    def begin(self, job: str, now: datetime) -> Ended:
        """Begin a round of a job, which the log names until what is returned is called at its end."""
        before = begin_about({"job": job})
        meter, began = self._meter, time.perf_counter()

        def ended(outcome: str, done: int = 0) -> int:
            end_about(before)
            if meter is not None:
                self._count(meter, job, outcome, time.perf_counter() - began)
                if outcome in {"done", "idle"}:
                    self._ended_well[job] = now
            return done

        return ended

    def _count(self, meter: Meter, job: str, outcome: str, took_s: float) -> None:
        meter.count(JOB_RUNS, job, outcome)
        if outcome in {"done", "failed"}:
            meter.observe(JOB_DURATION, took_s, job)

    def _read(self) -> Iterator[Sample]:
        for job, at in dict(self._ended_well).items():
            yield Sample(JOB_SUCCESS, (job,), at.timestamp())
