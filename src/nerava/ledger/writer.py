"""Group commit: callers queue, one thread per lane commits whatever is waiting, once."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from nerava.ledger.errors import LedgerClosed, LedgerOverloaded
from nerava.ledger.posting import apply_effects, checked, post_in
from nerava.platform import tracing
from nerava.platform.db.errors import DatabaseError, LostRace
from nerava.platform.metrics.catalogue import (
    LEDGER_BATCH_CHAINS,
    LEDGER_BATCH_DURATION,
    LEDGER_BATCHES,
    LEDGER_SHED,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.ledger.effects import Effect
    from nerava.ledger.values import Chain, Verdict
    from nerava.platform.db import Database
    from nerava.platform.metrics.meter import Meter

BATCH_MAX: Final = 2_000
SUBMIT: Final = "ledger submit"
_SMOOTHING: Final = 0.2


@dataclass(slots=True)
class _Entry:
    """One caller's chain on its way; answered exactly once."""

    chain: Chain
    effects: Sequence[Effect]
    verdict: Verdict | None = None
    error: BaseException | None = None
    turn: threading.Lock | None = None
    future: asyncio.Future[Verdict] | None = None
    loop: asyncio.AbstractEventLoop | None = field(default=None, repr=False)
    span: tracing.Span | None = field(default_factory=tracing.current, repr=False)

    def result(self) -> Verdict:
        if self.error is not None:
            raise self.error
        if self.verdict is None:
            raise AssertionError("an entry was answered with nothing")
        return self.verdict


class LaneWriter:
    """The one writer of a lane in this process.

    There is no timer: while one batch commits, the next gathers, so the busier the lane, the
    larger its batches. Several processes may write one lane of a PostgreSQL; row locks keep them
    apart.
    """

    def __init__(
        self, database: Database, clock: Clock, lane: str, *, wait_max_s: float, meter: Meter | None = None
    ) -> None:
        self._database = database
        self._clock = clock
        self._lane = lane
        self._wait_max_s = wait_max_s
        self._meter = meter
        self._queue: deque[_Entry] = deque()
        self._ready = threading.Condition()
        self._closing = False
        self._batch_s = 0.0
        self._busy_since: float | None = None
        self._thread = threading.Thread(target=self._work, name=f"ledger-{lane}", daemon=True)
        self._thread.start()

    def submit(self, chain: Chain, effects: Sequence[Effect]) -> Verdict:
        """Queue a chain and wait for its commit."""
        turn = threading.Lock()
        turn.acquire()
        with tracing.span(SUBMIT):
            entry = _Entry(checked(chain), effects, turn=turn)
            self._enqueue([entry], shed=True)
            turn.acquire()
            return entry.result()

    async def submit_async(self, chain: Chain, effects: Sequence[Effect]) -> Verdict:
        """Queue a chain and await its commit. Cancelling the caller does not cancel the chain."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        with tracing.span(SUBMIT):
            self._enqueue([_Entry(checked(chain), effects, future=future, loop=loop)], shed=True)
            return await future

    def submit_many(self, chains: Sequence[Chain]) -> list[Verdict]:
        """Queue many chains, wait for all, and return their verdicts in order.

        Bulk work waits its turn however long the queue is; it is never shed.
        """
        turns = [_Entry(checked(one), ()) for one in chains]
        if not turns:
            return []
        last = threading.Lock()
        last.acquire()
        turns[-1].turn = last
        self._enqueue(turns, shed=False)
        last.acquire()
        return [entry.result() for entry in turns]

    @property
    def waiting(self) -> int:
        """How many chains wait for the next batch."""
        return len(self._queue)

    def close(self) -> None:
        """Finish what is queued, refuse what comes later, end the thread."""
        with self._ready:
            self._closing = True
            self._ready.notify()
        self._thread.join()

    def _enqueue(self, entries: Sequence[_Entry], *, shed: bool) -> None:
        with self._ready:
            if self._closing:
                raise LedgerClosed
            if shed and self._expected_wait_s() > self._wait_max_s:
                if self._meter is not None:
                    self._meter.count(LEDGER_SHED, self._lane, times=len(entries))
                raise LedgerOverloaded
            self._queue.extend(entries)
            self._ready.notify()

    def _expected_wait_s(self) -> float:
        if self._busy_since is None and not self._queue:
            # However slow the batches before were, nobody is ahead, and only another one can show
            # that they are faster now.
            return 0.0
        running_s = 0.0 if self._busy_since is None else time.monotonic() - self._busy_since
        batches_ahead = 1 + len(self._queue) // BATCH_MAX
        return max(running_s, self._batch_s * batches_ahead)

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._queue and not self._closing:
                    self._ready.wait()
                if not self._queue:
                    return
                entries = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
                self._busy_since = time.monotonic()
            outcome = self._commit(entries)
            with self._ready:
                took_s = time.monotonic() - self._busy_since
                self._batch_s += _SMOOTHING * (took_s - self._batch_s)
                self._busy_since = None
            _answer(entries)
            if self._meter is not None:
                self._meter.count(LEDGER_BATCHES, self._lane, outcome)
                self._meter.observe(LEDGER_BATCH_CHAINS, len(entries), self._lane)
                self._meter.observe(LEDGER_BATCH_DURATION, took_s, self._lane)

    def _commit(self, entries: Sequence[_Entry]) -> str:
        """Commit a batch and return how that went, in a word."""
        try:
            self._commit_together(entries)
        except LostRace as error:
            self._commit_apart(entries, error)  # A row of one caller's effect may be taken for good.
            return "apart"
        except DatabaseError as error:
            for entry in entries:
                entry.error = error
            return "failed"
        except Exception as error:  # noqa: BLE001 - an effect may raise anything; its caller gets it
            self._commit_apart(entries, error)
            return "apart"
        return "posted"

    def _commit_apart(self, entries: Sequence[_Entry], error: Exception) -> None:
        """Commit each chain alone, because one bad caller must not fail its neighbours."""
        if len(entries) == 1:
            entries[0].error = error
            return
        for entry in entries:
            self._commit([entry])

    def _commit_together(self, entries: Sequence[_Entry]) -> None:
        def work(session: Session) -> list[Verdict]:
            verdicts = post_in(session, [entry.chain for entry in entries], self._clock.now())
            effects = [(entry.effects, verdict) for entry, verdict in zip(entries, verdicts, strict=True)]
            apply_effects(session, effects)
            return verdicts

        with tracing.together("ledger batch", (entry.span for entry in entries)) as span:
            span.set("nerava.ledger.lane", self._lane)
            span.set("nerava.ledger.chains", len(entries))
            # Repeatable, because every chain has its key and effects run with the posting only.
            for entry, verdict in zip(entries, self._database.run(work, repeatable=True), strict=True):
                entry.verdict = verdict


def _answer(entries: Sequence[_Entry]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[_Entry]] = defaultdict(list)
    for entry in entries:
        if entry.turn is not None:
            entry.turn.release()
        elif entry.loop is not None:
            loops[entry.loop].append(entry)
    for loop, waiting in loops.items():
        # A loop may have been closed while its callers waited; their chains stand all the same.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_resolve, waiting)


def _resolve(entries: Sequence[_Entry]) -> None:
    for entry in entries:
        if entry.future is None or entry.future.done():
            continue
        if entry.error is not None:
            entry.future.set_exception(entry.error)
        else:
            entry.future.set_result(entry.result())
