"""Charge records that come in while a demo serves, one after the other, each through the whole product."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from nerava.charging.queries import ids_by_reference
from nerava.kernel.errors import NeravaError
from nerava.replay.run import Replay, Sorted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from uuid import UUID

    from nerava.charging.recordings import RecordedSession
    from nerava.installation import Installation
    from nerava.replay.run import ReplayOptions
    from nerava.replay.settling import Ground

log = logging.getLogger(__name__)

EVERY_S: Final = 1.5
"""Between two records: slow enough to be watched."""

KEPT: Final = 200
"""How many of the newest sessions somebody who begins to watch may still be told of."""


class Arrivals:
    """What has come in, numbered as it came, and how much is to come. Safe to share between threads."""

    def __init__(self, earlier: Sequence[UUID], left: int) -> None:
        self._lock = threading.Lock()
        self._came = list(earlier)[-KEPT:]
        self._number = len(self._came)
        self._left = left

    def came(self, session_id: UUID | None) -> None:
        """Note that one more came in; None is a row that the product refused as a whole."""
        with self._lock:
            self._left -= 1
            if session_id is not None:
                self._number += 1
                self._came = [*self._came[1 - KEPT :], session_id]

    def after(self, number: int) -> tuple[int, int, list[tuple[int, UUID]]]:
        """Return the newest number, how many records are to come, and what came after a number."""
        with self._lock:
            first = self._number - len(self._came) + 1
            numbered = list(enumerate(self._came, first))
            return self._number, self._left, [one for one in numbered if one[0] > number]


def apart(recording: Sorted, sessions: int) -> tuple[Sorted, Sorted]:
    """Return what is replayed before a demo serves, and what comes in meanwhile."""
    before, later = recording.sessions[:sessions], recording.sessions[sessions:]
    return recording._replace(sessions=before), Sorted(later, [])


@contextmanager
def arriving(
    installation: Installation,
    later: Sorted,
    options: ReplayOptions,
    grounds: Sequence[Ground],
    earlier: Sequence[UUID],
    *,
    every_s: float = EVERY_S,
) -> Iterator[Arrivals]:
    """Let records come in, in a thread, until the block ends. What came in an earlier demo is known.

    Their drivers are others than those of the replay before, so nobody whom the demo shows is touched.
    """
    options = replace(options, crowd=":later")
    places = {ground.name: ground.location_id for ground in grounds}
    replay = Replay(
        installation.database, installation.ledger, installation.clock, options, places=places or None
    )
    known = _known(installation, options.source, later.sessions)
    waiting = [one for one in later.sessions if one.reference not in known]
    before = [known[one.reference] for one in later.sessions if one.reference in known]
    seen = [one for one in earlier if one not in before]
    arrivals, ended = Arrivals([*seen, *before], len(waiting)), threading.Event()

    def work() -> None:
        for one in waiting:
            if ended.wait(every_s):
                return
            try:
                replay.run(Sorted([one], []), lambda _: None)
                found = _known(installation, options.source, [one])
            except NeravaError as error:
                # Such as money that somebody stopped: the next record is tried all the same.
                log.warning("a charge record did not come in: %s", error.detail or error.title)
                found = {}
            arrivals.came(found.get(one.reference))

    thread = threading.Thread(target=work, name="arrivals", daemon=True)
    thread.start()
    try:
        yield arrivals
    finally:
        ended.set()
        thread.join()


def _known(installation: Installation, source: str, sessions: Sequence[RecordedSession]) -> dict[str, UUID]:
    references = [one.reference for one in sessions]
    return installation.database.read(lambda session: ids_by_reference(session, source, references))
