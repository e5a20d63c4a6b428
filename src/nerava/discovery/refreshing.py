"""Charging sites come from providers in the background: thin areas that are looked at, all of it at night.

Nobody who looks at a map waits for a provider. What is known is shown; a square that was never read,
or not for a day, is put on a list, and a job reads it. The list is a table, so that a restart forgets
nothing and several workers share it.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, or_, select, update

from nerava.discovery.errors import ImportOvertaken
from nerava.discovery.feeds import BATCH_MAX, Batch
from nerava.discovery.importing import run_import
from nerava.discovery.model import ImportRun
from nerava.discovery.refresh_store import AreaRefresh
from nerava.discovery.squares import WORLD, Square, squares_of
from nerava.kernel.errors import NeravaError
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.discovery.feeds import Attribution, Feed
    from nerava.discovery.ports import AreaRead, LocationDirectory
    from nerava.kernel.clock import Clock
    from nerava.kernel.geography import Box
    from nerava.kernel.outcomes import Outcome
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

THIN: Final = 20
"""With fewer sites than this in sight an area is worth another look."""

SQUARES_MAX: Final = 4
"""Whoever looks at more squares than this sees a country, which the nightly load is for."""

KEPT: Final = timedelta(days=1)
EVERY_NIGHT: Final = timedelta(days=1)
LEASE: Final = timedelta(minutes=30)
FIRST_WAIT: Final = timedelta(minutes=1)
LONGEST_WAIT: Final = timedelta(hours=6)
FOR_A_PERSON: Final = timedelta(hours=1)
BEHIND_ANOTHER: Final = timedelta(minutes=5)
REMEMBERED: Final = timedelta(minutes=10)
REMEMBERED_MAX: Final = 10_000
NIGHTLY_FRESH: Final = timedelta(days=8)
"""A provider whose everything was loaded within this has no thin areas: what is not there does not exist."""

_TABLE: Final[Any] = AreaRefresh.__table__
_RUN: Final[Any] = ImportRun.__table__
_NEW: Final = BulkInsert(
    _TABLE, ("source", "zoom", "map_column", "map_row", "asked_at", "due_at", "attempts"), if_new=True
)


@dataclass(frozen=True, slots=True)
class _AreaFeed:
    """What a provider said about one square, as a feed; nothing vanishes by it."""

    source: str
    attribution: Attribution
    fingerprint: str
    read: AreaRead
    coverage: Box | None = None
    absences_max: int = 1

    @property
    def total(self) -> int | None:
        return len(self.read.sites)

    def batches(self, resume_at: str | None) -> Iterator[Batch]:
        for at in range(int(resume_at or 0), len(self.read.sites), BATCH_MAX):
            rejects = self.read.rejects if at == 0 else ()
            yield Batch(self.read.sites[at : at + BATCH_MAX], str(at + BATCH_MAX), rejects)


class ThinAreas:
    """Notices that an area is thin when somebody looks at it, and has it read. Threads may share it."""

    def __init__(self, database: Database, sources: Sequence[str]) -> None:
        """Prepare for the providers that can be asked about a box."""
        self._database = database
        self._sources = tuple(sources)
        self._lock = threading.Lock()
        self._noticed: OrderedDict[Square, datetime] = OrderedDict()

    def notice(self, box: Box, sites_in_sight: int, now: datetime) -> int:
        """Put the squares of a thin area on the list; return how many are new there. Asks no provider.

        Repeats safely and cheaply: a square is looked at once in ten minutes by each process.
        """
        if not self._sources or sites_in_sight >= THIN:
            return 0
        squares = list(islice(squares_of(box), SQUARES_MAX + 1))
        if len(squares) > SQUARES_MAX:
            return 0
        fresh = [one for one in squares if self._is_news(one, now)]
        if not fresh:
            return 0
        return self._database.run(lambda session: want(session, self._sources, fresh, now))

    def _is_news(self, square: Square, now: datetime) -> bool:
        with self._lock:
            if self._noticed.get(square, now) > now:
                return False
            self._noticed[square] = now + REMEMBERED
            self._noticed.move_to_end(square)
            while len(self._noticed) > REMEMBERED_MAX:
                self._noticed.popitem(last=False)
            return True


def want(session: Session, sources: Sequence[str], squares: Sequence[Square], now: datetime) -> int:
    """Have squares read unless they were within a day, or everything of the source a few nights ago."""
    wanted = 0
    for source in sources:
        everything = session.scalar(
            select(_TABLE.c.read_at).where(_TABLE.c.source == source, _TABLE.c.zoom == WORLD.zoom)
        )
        if everything is not None and everything > now - NIGHTLY_FRESH:
            continue
        wanted += _NEW.run(session, [(source, *one, now, now, 0) for one in squares])
        old = or_(*(_is_square(source, one) for one in squares))
        again = (
            update(_TABLE)
            .where(
                old, _TABLE.c.due_at.is_(None), or_(_TABLE.c.read_at.is_(None), _TABLE.c.read_at < now - KEPT)
            )
            .values(asked_at=now, due_at=now)
        )
        wanted += int(session.execute(again).rowcount)  # type: ignore[attr-defined]
    return wanted


class Refreshing:
    """Reads what is on the list. Safe to share between threads and processes, and to kill anywhere.

    Args:
        directories: By source, who can be asked. Each is read as a whole every night, too.
    """

    def __init__(
        self, database: Database, directories: Mapping[str, LocationDirectory], clock: Clock
    ) -> None:
        self._database = database
        self._directories = directories
        self._clock = clock
        self._is_planned = False

    def run(self, now: datetime) -> int:
        """Read one square, or everything of one provider; return how many were done."""
        if not self._has_work(now):
            return 0
        claimed = self._database.run(lambda session: self._claim(session, now))
        self._is_planned = True
        if claimed is None:
            return 0
        if self._is_busy(claimed):
            self._put_off(claimed, BEHIND_ANOTHER, "behind-another-import")
            return 1
        try:
            self._read(claimed)
        except ImportOvertaken as error:
            self._put_off(claimed, BEHIND_ANOTHER, error.code)
        except NeravaError as error:
            log.warning("sites of %s cannot be brought in: %s", claimed.source, error)
            self._put_off(claimed, _backoff(claimed.attempts), str(error.facts.get("code", error.code)))
        return 1

    def _has_work(self, now: datetime) -> bool:
        """Say whether a look into the list is worth a transaction that writes."""
        if not self._directories or not self._is_planned:
            return bool(self._directories)
        due = select(_TABLE.c.source).where(_TABLE.c.due_at <= now).limit(1)
        return self._database.read(lambda session: session.scalar(due)) is not None

    def _claim(self, session: Session, now: datetime) -> _Claim | None:
        sources = sorted(self._directories)
        _NEW.run(session, [(source, *WORLD, now, now, 0) for source in sources])
        due = (
            select(AreaRefresh)
            .where(AreaRefresh.due_at <= now, AreaRefresh.source.in_(sources))
            # Somebody looks at a square; nobody waits for the night's load.
            .order_by(
                AreaRefresh.zoom.desc(), AreaRefresh.due_at, AreaRefresh.map_column, AreaRefresh.map_row
            )
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = session.scalars(due).one_or_none()
        if row is None:
            return None
        row.attempts += 1
        row.due_at = now + LEASE
        session.flush()
        square = Square(row.zoom, row.map_column, row.map_row)
        return _Claim(row.source, square, row.attempts, row.fingerprint)

    def _is_busy(self, claimed: _Claim) -> bool:
        """Say whether the source has a load of everything on its way that a square must not push aside."""
        if claimed.square == WORLD:
            return False
        running = select(func.count()).where(
            _RUN.c.source == claimed.source,
            _RUN.c.finished_at.is_(None),
            ~_RUN.c.fingerprint.startswith("area/"),
        )
        return bool(self._database.read(lambda session: session.scalar(running)))

    def _read(self, claimed: _Claim) -> None:
        directory = self._directories[claimed.source]
        if claimed.square != WORLD:
            found = directory.within(claimed.square.box)
            if not isinstance(found, Ok):
                self._failed(claimed, found)
                return
            mark = hashlib.sha256(repr((claimed.square, found.value.sites)).encode()).hexdigest()[:32]
            self._bring_in(
                claimed, _AreaFeed(claimed.source, directory.attribution, f"area/{mark}", found.value), None
            )
            return
        opened = directory.everything(self._clock.now())
        if not isinstance(opened, Ok):
            self._failed(claimed, opened)
        elif opened.value.fingerprint == claimed.fingerprint:
            self._done(claimed, EVERY_NIGHT, {"read_at": self._clock.now()})
        else:
            self._bring_in(claimed, opened.value, EVERY_NIGHT)

    def _bring_in(self, claimed: _Claim, feed: Feed, again_after: timedelta | None) -> None:
        report = run_import(self._database, feed, now=self._clock.now)
        facts = {"read_at": self._clock.now(), "sites": report.staged, "fingerprint": feed.fingerprint}
        self._done(claimed, again_after, facts)

    def _failed(self, claimed: _Claim, outcome: Outcome[Any]) -> None:
        match outcome:
            case RetryLater(code, not_before) if not_before is not None:
                self._put_off(claimed, max(FIRST_WAIT, not_before - self._clock.now()), code)
            case Misconfigured(code, message):
                log.warning("sites of %s cannot be read: %s %s", claimed.source, code, message)
                self._put_off(claimed, FOR_A_PERSON, code)
            case Refused(code):
                # It will be refused again; the next one who looks at the area has it tried once more.
                again_after = EVERY_NIGHT if claimed.square == WORLD else None
                self._done(claimed, again_after, {"trouble": code[:80]})
            case _:
                self._put_off(claimed, _backoff(claimed.attempts), getattr(outcome, "code", "unknown"))

    def _done(self, claimed: _Claim, again_after: timedelta | None, facts: Mapping[str, object]) -> None:
        due_at = None if again_after is None else self._clock.now() + again_after
        self._write(claimed, {"trouble": None, **facts, "due_at": due_at, "attempts": 0})

    def _put_off(self, claimed: _Claim, wait: timedelta, code: str) -> None:
        self._write(claimed, {"due_at": self._clock.now() + wait, "trouble": code[:80]})

    def _write(self, claimed: _Claim, values: Mapping[str, object]) -> None:
        """Write what became of it, unless somebody else has taken it over."""
        mine = and_(_is_square(claimed.source, claimed.square), _TABLE.c.attempts == claimed.attempts)
        self._database.run(lambda session: session.execute(update(_TABLE).where(mine).values(**values)))


@dataclass(frozen=True, slots=True)
class _Claim:
    source: str
    square: Square
    attempts: int
    fingerprint: str | None


def _is_square(source: str, square: Square) -> Any:  # noqa: ANN401 - a condition
    return and_(
        _TABLE.c.source == source,
        _TABLE.c.zoom == square.zoom,
        _TABLE.c.map_column == square.column,
        _TABLE.c.map_row == square.row,
    )


def _backoff(attempts: int) -> timedelta:
    doubled: timedelta = FIRST_WAIT * (1 << min(attempts - 1, 12))
    return min(LONGEST_WAIT, doubled)
