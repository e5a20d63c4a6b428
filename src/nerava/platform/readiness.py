"""Whether this process should get traffic: found out in the background, never on the request path."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias

from sqlalchemy import exc, text

from nerava.kernel.errors import NeravaError
from nerava.platform.clock_keeping import ClockKeeper
from nerava.platform.readiness_store import write_probe

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

CHECK_EVERY_S: Final = 1.0
WRITE_EVERY: Final = timedelta(seconds=5)
PROBE_MAX_S: Final = 0.5
STALE_AFTER: Final = timedelta(seconds=10)
DISK_FREE_SHARE_MIN: Final = 0.05
STORAGE_FAILURES_MAX: Final = 2


COMPONENTS: Final = ("database", "schema", "clock", "disk", "workers", "outbox", "redis")
"""What the map of `/readyz` tells about; faults and warnings begin with one of these."""

Warns: TypeAlias = "Callable[[Session, datetime], Sequence[str]]"


class Word(StrEnum):
    """What `/readyz` says."""

    STARTING = "starting"
    READY = "ready"
    NOT_READY = "not-ready"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must be found for this process to be ready.

    Attributes:
        schema_head: The newest migration this code knows; None leaves the schema unchecked.
        data_folder: Where the free space counts; None leaves it unchecked.
        warns: Finds what does not go well and takes nothing out of service, as `component: what`.
    """

    schema_head: str | None = None
    data_folder: Path | None = None
    warns: Warns | None = None


class Readiness:
    """Checks every second, in its own thread, whether requests can be served.

    Partners, caches, workers and backlogs degrade a feature and must not take a process out of
    service: they are warnings, which the map tells and the word does not.
    """

    def __init__(self, database: Database, clock: Clock, expectations: Expectations) -> None:
        self._database = database
        self._clock = clock
        self._keeper = ClockKeeper(database, clock)
        self._expect = expectations
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._draining = False
        self._checked: tuple[datetime, tuple[str, ...]] | None = None
        self._warn_due = datetime.min.replace(tzinfo=clock.now().tzinfo)
        self._warned: tuple[str, ...] = ()
        self._write_due = datetime.min.replace(tzinfo=clock.now().tzinfo)

    def start(self) -> None:
        """Begin to check."""
        self._thread = threading.Thread(target=self._work, name="readiness", daemon=True)
        self._thread.start()

    def drain(self) -> None:
        """Say from now on that no new traffic is wanted."""
        self._draining = True

    def stop(self) -> None:
        """End the checks. Repeats safely."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def word(self) -> Word:
        """What the last check found; an answer too old to be believed means not ready."""
        if self._draining:
            return Word.DRAINING
        checked = self._checked
        if checked is None:
            return Word.STARTING
        at, faults = checked
        stale = self._clock.now() - at > STALE_AFTER
        return Word.NOT_READY if faults or stale else Word.READY

    @property
    def clock_offset(self) -> timedelta | None:
        """How far the database's clock was ahead at the last check; None with SQLite."""
        return self._keeper.offset

    def components(self) -> dict[str, str]:
        """Return how each component stood at the last check: `ok`, or what is the matter with it."""
        checked = self._checked
        told = ("database: not checked yet",) if checked is None else checked[1]
        found = dict.fromkeys(COMPONENTS, "ok")
        for prefix, lines in (("degraded", self._warned), ("failed", told)):
            for line in lines:
                name, _, what = line.partition(": ")
                found[name] = f"{prefix}: {what or 'no answer'}"
        return found

    def check(self) -> tuple[str, ...]:
        """Check everything once and return what is wrong, by component."""
        try:
            faults = (*self._database_faults(), *self._storage_faults(), *self._disk_faults())
        except NeravaError as error:
            faults = (f"database: {error.code}",)
        except exc.SQLAlchemyError as error:
            faults = (f"database: {type(error).__name__}",)
        self._look_for_warnings()
        before = self._checked[1] if self._checked else None
        if faults != before:
            log.log(
                logging.WARNING if faults else logging.INFO, "readiness: %s", "; ".join(faults) or "ready"
            )
        self._checked = (self._clock.now(), faults)
        return faults

    def _work(self) -> None:
        while not self._stop.is_set():
            try:
                self.check()
            except Exception:  # a check that breaks must not leave the last good word standing
                log.exception("the readiness check failed")
                self._checked = (self._clock.now(), ("check",))
            self._stop.wait(CHECK_EVERY_S)

    def _database_faults(self) -> list[str]:
        started, began_s = self._clock.now(), time.monotonic()  # The look may set the clock.
        faults = self._database.read(self._look)
        if started >= self._write_due:
            self._database.run(self._write, repeatable=True, essential=True)
            self._write_due = started + WRITE_EVERY
        if time.monotonic() - began_s > PROBE_MAX_S:
            faults.append("database: slow")
        return faults

    def _look_for_warnings(self) -> None:
        warns, now = self._expect.warns, self._clock.now()
        if warns is None or now < self._warn_due:
            return
        self._warn_due = now + WRITE_EVERY
        try:
            found = tuple(self._database.read(lambda session: warns(session, now)))
        except (NeravaError, exc.SQLAlchemyError) as error:
            found = (f"workers: could not be asked ({type(error).__name__})",)
        if found != self._warned:
            log.warning("degraded: %s", "; ".join(found) or "no more")
        self._warned = found

    def _look(self, session: Session) -> list[str]:
        faults = []
        if self._expect.schema_head is not None:
            found = session.scalar(text("SELECT version_num FROM alembic_version"))
            if found != self._expect.schema_head:
                faults.append("schema: not the one this version was made for")
        if not self._keeper.keep(session):
            faults.append("clock: more than 5 s from the database")
        return faults

    def _write(self, session: Session) -> None:
        write_probe(session, self._clock.now())

    def _storage_faults(self) -> list[str]:
        failed = self._database.storage_failures
        if failed > STORAGE_FAILURES_MAX:
            self._write_due = self._clock.now()  # Only a commit shows that the disk is well again.
            return [f"disk: failed {failed} times in a row"]
        return []

    def _disk_faults(self) -> list[str]:
        folder = self._expect.data_folder
        if folder is None or not folder.exists():
            return []
        usage = shutil.disk_usage(folder)
        return ["disk: almost full"] if usage.free < usage.total * DISK_FREE_SHARE_MIN else []
