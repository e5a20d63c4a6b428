"""Brings the rows of a feed in: staged, then swapped area by area; killed anywhere it goes on where it was.

A batch is one transaction of staging and an area is one of swapping, so readers see an area as it was
or as it is, and never wait long for either. Whoever runs the same import again changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy import func, select

from nerava.discovery import staging
from nerava.discovery.areas import Area
from nerava.discovery.cells import CELL_MAX, inside
from nerava.discovery.errors import ImportEmpty
from nerava.discovery.model import ChargingSite, ImportStaged, Place
from nerava.discovery.place_rows import swap_places
from nerava.discovery.site_rows import swap_sites
from nerava.discovery.staging import Run, Staged
from nerava.discovery.walk_rows import swap_walks, want_links

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.discovery.feeds import Feed
    from nerava.platform.db import Database

AREA_ROWS: Final = 2_000
"""About how many rows are swapped in one transaction."""

SHRINK: Final = 2
"""A complete feed with less than one row where this many are known is taken for a broken file."""

_STAGED: Final[Any] = ImportStaged.__table__
_THINGS: Final[dict[str, Any]] = {"place": Place.__table__, "site": ChargingSite.__table__}


class Progress(Protocol):
    """Told how far a step is: its name, how much is done, and of how much (0 where nobody knows)."""

    def __call__(self, step: str, done: int, total: int) -> None:
        """Note the progress; may raise to stop the import, which can be gone on with later."""
        ...


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    `counts` has `added`, `changed`, `same`, `returned`, `merged` (sites that another source has, too),
    `absent` (missing, but not often enough to be gone) and `gone`.
    """

    run_id: UUID
    source: str
    is_resumed: bool
    staged: int
    rejected: int
    counts: dict[str, int]

    def as_dict(self) -> dict[str, object]:
        """Return the report as a document of JSON."""
        return {
            "run": str(self.run_id),
            "source": self.source,
            "resumed": self.is_resumed,
            "staged": self.staged,
            "rejected": self.rejected,
            **self.counts,
        }


def run_import(
    database: Database,
    feed: Feed,
    *,
    now: Callable[[], datetime],
    progress: Progress | None = None,
    allow_shrink: bool = False,
) -> ImportReport:
    """Stage a feed and swap its rows in; an import of the same feed that was interrupted is gone on with.

    Raises:
        ImportEmpty: A complete feed has less than half of the rows that are known where it is complete;
            nothing was changed. `allow_shrink` says that this is meant (422).
        ImportOvertaken: Another process goes on with the same import (409).
        NeravaError: What the feed raises; what was staged stays.
    """
    tell = progress or _nobody
    run = database.run(lambda session: staging.open_run(session, feed, now()))
    if run.phase == "staging":
        run = _stage(database, feed, run, tell)
        if not allow_shrink:
            database.read(lambda session: _refuse_shrinking(session, feed, run), patient=True)
        run = _begin_swap(database, run)
    run = _swap(database, feed, run, now, tell)
    database.run(lambda session: staging.finish(session, run, "done", now()))
    while database.run(staging.sweep):
        pass
    return ImportReport(run.id, run.source, run.is_resumed, run.staged, run.rejected, run.counts)


def _stage(database: Database, feed: Feed, run: Run, tell: Progress) -> Run:
    for batch in feed.batches(run.position):
        before = run
        run = database.run(lambda session, at=before, one=batch: staging.stage(session, at, one))  # type: ignore[misc]
        tell("reading", run.staged + run.rejected, feed.total or 0)
    return run


def _refuse_shrinking(session: Session, feed: Feed, run: Run) -> None:
    box = feed.coverage
    if box is None:
        return
    for thing, table in _THINGS.items():
        here = (table.c.source == run.source, table.c.gone_at.is_(None), inside(table.c, box))
        known = session.scalar(select(func.count()).select_from(table).where(*here)) or 0
        mine = (_STAGED.c.run_id == run.id, _STAGED.c.thing == thing)
        staged = session.scalar(select(func.count()).select_from(_STAGED).where(*mine)) or 0
        if staged * SHRINK < known:
            raise ImportEmpty(
                f"{staged} rows of {thing}s where {known} are known: is the file whole?",
                staged=staged,
                known=known,
            )


def _begin_swap(database: Database, run: Run) -> Run:
    def work(session: Session) -> Run:
        count = select(func.count()).select_from(_STAGED).where(_STAGED.c.run_id == run.id)
        # What came twice in different batches was counted twice.
        begun = replace(run, phase="swapping", staged=session.scalar(count) or 0)
        staging.advance(session, run, begun)
        return begun

    return database.run(work)


def _swap(database: Database, feed: Feed, run: Run, now: Callable[[], datetime], tell: Progress) -> Run:
    done = 0
    while run.swapped_to < CELL_MAX:
        before = run
        run, rows = database.run(lambda session, at=before: _swap_area(session, feed, at, now()))  # type: ignore[misc]
        done += rows
        tell("swapping", done, run.staged)
    return run


def _swap_area(session: Session, feed: Feed, run: Run, now: datetime) -> tuple[Run, int]:
    staged = _next_area(session, run)
    last = staged[-1].cell if len(staged) >= AREA_ROWS else CELL_MAX
    area = Area(
        run_id=run.id,
        source=run.source,
        first=run.swapped_to + 1,
        last=last,
        coverage=feed.coverage,
        absences_max=feed.absences_max,
        now=now,
        counts=Counter(run.counts),
    )
    moved = swap_places(session, area, [one for one in staged if one.thing == "place"])
    swap_sites(session, area, [one for one in staged if one.thing == "site"])
    moved += swap_walks(session, area, [one for one in staged if one.thing == "walk"])
    want_links(session, moved)
    after = replace(run, swapped_to=last, counts=dict(area.counts))
    staging.advance(session, run, after)
    return after, len(staged)


def _next_area(session: Session, run: Run) -> list[Staged]:
    """Return what is staged for the next cells, whole cells only."""
    columns = (_STAGED.c.thing, _STAGED.c.reference, _STAGED.c.cell, _STAGED.c.fingerprint, _STAGED.c.body)
    mine = (_STAGED.c.run_id == run.id, _STAGED.c.cell > run.swapped_to)
    last = session.scalar(
        select(_STAGED.c.cell).where(*mine).order_by(_STAGED.c.cell).offset(AREA_ROWS - 1).limit(1)
    )
    query = select(*columns).where(*mine).order_by(_STAGED.c.cell)
    if last is not None:
        query = query.where(_STAGED.c.cell <= last)
    return [Staged(*row) for row in session.execute(query)]


def _nobody(step: str, done: int, total: int) -> None:
    """Tell nobody."""
