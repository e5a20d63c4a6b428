"""Staging of an import: its run, and the records that wait there until their area is swapped."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
from sqlalchemy import delete, func, insert, select, update

from nerava.discovery.cells import cell_of
from nerava.discovery.checking import complaint_about
from nerava.discovery.errors import ImportOvertaken
from nerava.discovery.feeds import BATCH_MAX, Reject
from nerava.discovery.model import DiscoverySource, ImportReject, ImportRun, ImportStaged
from nerava.discovery.records import PlaceRecord, SiteRecord, WalkCellRecord
from nerava.kernel.ids import new_id
from nerava.platform.db.bulk import BulkInsert

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.discovery.feeds import Batch, Feed
    from nerava.discovery.records import Record

REJECTS_KEPT_MAX: Final = 10_000
"""Rejects that are kept with their reasons; all are counted."""

_SOURCE: Final[Any] = DiscoverySource.__table__
_RUN: Final[Any] = ImportRun.__table__
_STAGED: Final[Any] = ImportStaged.__table__
_REJECT: Final[Any] = ImportReject.__table__

_STAGE: Final = BulkInsert(_STAGED, ("run_id", "thing", "reference", "cell", "fingerprint", "body"))
_NOTE: Final = BulkInsert(_REJECT, ("run_id", "number", "row", "reference", "reason", "detail"))


@dataclass(frozen=True, slots=True)
class Run:
    """An import as its row has it."""

    id: UUID
    source: str
    fingerprint: str
    phase: str
    position: str | None
    batches: int
    staged: int
    rejected: int
    swapped_to: int
    counts: dict[str, int] = field(default_factory=dict)
    is_resumed: bool = False


class Staged(NamedTuple):
    """A record in staging; `body` is its JSON, or the packed network of a cell."""

    thing: str
    reference: str
    cell: int
    fingerprint: str
    body: bytes


def open_run(session: Session, feed: Feed, now: datetime) -> Run:
    """Return the unfinished import of this feed, or a new one in its place. Repeats safely.

    An unfinished import of *other* rows of the source is given up: what it swapped stays, and the new
    one compares with that.
    """
    _know_source(session, feed, now)
    query = select(_RUN).where(_RUN.c.source == feed.source, _RUN.c.finished_at.is_(None))
    # Its key, too: what is being staged for it at this moment is waited for, and then swept.
    found = session.execute(query.with_for_update()).one_or_none()
    if found is not None:
        run = _run_of(found)
        if run.fingerprint == feed.fingerprint:
            return replace(run, is_resumed=True)
        finish(session, run, "abandoned", now)
    values = {
        "id": new_id(),
        "source": feed.source,
        "fingerprint": feed.fingerprint,
        "phase": "staging",
        "position": None,
        "batches": 0,
        "staged": 0,
        "rejected": 0,
        "swapped_to": -1,
        "counts": {},
        "started_at": now,
    }
    session.execute(insert(_RUN).values(**values))
    return Run(**{name: value for name, value in values.items() if name != "started_at"})  # type: ignore[arg-type]


def stage(session: Session, run: Run, batch: Batch) -> Run:
    """Stage the records of a batch and note where the feed goes on.

    Raises:
        ImportOvertaken: Another process has staged this batch (409).
    """
    if len(batch.records) > BATCH_MAX:
        message = f"a batch has at most {BATCH_MAX} records, not {len(batch.records)}"
        raise AssertionError(message)
    rejects = list(batch.rejects)
    staged: dict[tuple[str, str], Staged] = {}
    for record in batch.records:
        complaint = complaint_about(record)
        if complaint is None:
            one = packed(record)
            staged[one.thing, one.reference] = one
        else:
            rejects.append(complaint)
    _forget(session, run, staged)
    _STAGE.run(session, [(run.id, *one) for one in staged.values()])
    _note(session, run, rejects)
    moved = replace(
        run,
        batches=run.batches + 1,
        position=batch.position,
        staged=run.staged + len(staged),
        rejected=run.rejected + len(rejects),
    )
    advance(session, run, moved)
    return moved


def advance(session: Session, before: Run, after: Run) -> None:
    """Write how far an import is, unless somebody else has in the meantime.

    Raises:
        ImportOvertaken: Another process has moved it (409).
    """
    mine = (
        _RUN.c.id == before.id,
        _RUN.c.batches == before.batches,
        _RUN.c.phase == before.phase,
        _RUN.c.swapped_to == before.swapped_to,
        _RUN.c.finished_at.is_(None),
    )
    changed = (
        update(_RUN)
        .where(*mine)
        .values(
            phase=after.phase,
            position=after.position,
            batches=after.batches,
            staged=after.staged,
            rejected=after.rejected,
            swapped_to=after.swapped_to,
            counts=after.counts,
        )
    )
    if session.execute(changed).rowcount != 1:  # type: ignore[attr-defined]
        raise ImportOvertaken(f"another process is importing {before.source}", source=before.source)


def finish(session: Session, run: Run, phase: str, now: datetime) -> None:
    """End an import; what it staged is thrown away by `sweep`."""
    session.execute(update(_RUN).where(_RUN.c.id == run.id).values(phase=phase, finished_at=now))


def sweep(session: Session, most: int = 20_000) -> int:
    """Throw away records of imports that are over, so many at a time; return how many there were."""
    over = select(_RUN.c.id).where(_RUN.c.finished_at.is_not(None))
    run_id = session.scalar(select(_STAGED.c.run_id).where(_STAGED.c.run_id.in_(over)).limit(1))
    if run_id is None:
        return 0
    last = session.scalar(
        select(_STAGED.c.cell)
        .where(_STAGED.c.run_id == run_id)
        .order_by(_STAGED.c.cell)
        .offset(most)
        .limit(1)
    )
    mine = [_STAGED.c.run_id == run_id] + ([] if last is None else [_STAGED.c.cell <= last])
    return int(session.execute(delete(_STAGED).where(*mine)).rowcount)  # type: ignore[attr-defined]


def rejects_of(session: Session, run_id: UUID, limit: int = 1_000) -> list[Reject]:
    """Return the first rejects of an import, in their order."""
    query = select(_REJECT).where(_REJECT.c.run_id == run_id).order_by(_REJECT.c.number).limit(limit)
    return [Reject(row.row, row.reference, row.reason, row.detail) for row in session.execute(query)]


def reject_reasons(session: Session, run_id: UUID) -> dict[str, int]:
    """Return how many rejects there are of each reason, among those that are kept."""
    number = func.count().label("number")
    query = select(_REJECT.c.reason, number).where(_REJECT.c.run_id == run_id).group_by(_REJECT.c.reason)
    return {row.reason: row.number for row in session.execute(query)}


def packed(record: Record) -> Staged:
    """Return a record as it waits in staging."""
    if isinstance(record, WalkCellRecord):
        digest = _fingerprint(record.body)
        return Staged("walk", str(record.cell), record.cell, digest, record.body)
    body = orjson.dumps(record, default=_plain)
    thing = "site" if isinstance(record, SiteRecord) else "place"
    if not isinstance(record, SiteRecord | PlaceRecord):
        message = f"{type(record).__name__} is no record"
        raise AssertionError(message)
    return Staged(thing, record.reference, cell_of(record.position), _fingerprint(body), body)


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    message = f"no record holds {type(value).__name__}"
    raise TypeError(message)


def _fingerprint(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def _know_source(session: Session, feed: Feed, now: datetime) -> None:
    values = {
        "attribution": feed.attribution.text,
        "url": feed.attribution.url,
        "licence": feed.attribution.licence,
        "imported_at": now,
    }
    changed = session.execute(update(_SOURCE).where(_SOURCE.c.source == feed.source).values(**values))
    if changed.rowcount == 0:  # type: ignore[attr-defined]
        session.execute(insert(_SOURCE).values(source=feed.source, **values))


def _forget(session: Session, run: Run, staged: dict[tuple[str, str], Staged]) -> None:
    """Make room for records that come again: the later one counts."""
    for thing in {thing for thing, _ in staged}:
        references = [reference for kind, reference in staged if kind == thing]
        session.execute(
            delete(_STAGED).where(
                _STAGED.c.run_id == run.id, _STAGED.c.thing == thing, _STAGED.c.reference.in_(references)
            )
        )


def _note(session: Session, run: Run, rejects: Sequence[Reject]) -> None:
    room = max(0, REJECTS_KEPT_MAX - run.rejected)
    rows = [
        (
            run.id,
            run.rejected + number,
            one.row,
            None if one.reference is None else one.reference[:200].replace("\0", ""),
            one.reason[:40],
            one.detail[:300].replace("\0", ""),
        )
        for number, one in enumerate(rejects[:room], start=1)
    ]
    _NOTE.run(session, rows)


def _run_of(row: Any) -> Run:  # noqa: ANN401 - a row of the table
    return Run(
        id=row.id,
        source=row.source,
        fingerprint=row.fingerprint,
        phase=row.phase,
        position=row.position,
        batches=row.batches,
        staged=row.staged,
        rejected=row.rejected,
        swapped_to=row.swapped_to,
        counts=dict(row.counts),
    )
