"""Proves all of the books in the background: once a day, and whenever somebody asks.

Reading the books from end to end takes minutes when they are long. No request waits for that: it asks
for a proof, or shows the last one, and looks itself at what is there now and at the end of the chain.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select, update

from nerava.ledger.alarm_store import BookProof, alarm, watch
from nerava.ledger.audit import CHECKS, audit
from nerava.ledger.findings import Finding
from nerava.ledger.gauges import CHAIN_BREAKS
from nerava.ledger.verify import verify, verify_tail
from nerava.ledger.watching import CHAIN, HISTORY, QUICK_MS, begin, note, stop_if_broken, took

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger.audit import Check
    from nerava.ledger.watching import Alarm
    from nerava.platform.db import Database

LEASE: Final = timedelta(hours=1)
"""A proof that has not ended by then is begun anew: whoever took it on may be gone."""

NOTED_MAX: Final = 100
"""How many findings of one check become alarms; all of them are counted."""

_A: Final = alarm.c
_W: Final[Any] = watch.c


@dataclass(frozen=True, slots=True)
class BookProving:
    """Proves the books when it is due. Safe to share between threads and processes, to repeat and to kill.

    Attributes:
        checks: Of the packages that keep rows beside the ledger.
        stop: Stops all money; called when an invariant of the ledger itself is broken.
    """

    database: Database
    checks: Sequence[Check]
    stop: Callable[[str, datetime], object]

    def run(self, now: datetime) -> int:
        """Prove the books if that was asked for, or not done today, and return 1, else 0."""
        proof_id = self.database.run(lambda session: _taken_on(session, now), essential=True)
        if proof_id is None:
            return 0
        began = time.monotonic_ns()
        read = self.database.read(self._read, patient=True)
        ended_at = now + timedelta(milliseconds=_ms_since(began))
        names = {check.name for check in (*CHECKS, *self.checks)} | set(CHAIN_BREAKS)

        def work(session: Session) -> list[Alarm]:
            _end(session, proof_id, read, ended_at)
            took(session, [HISTORY], ended_at, read.audit_ms)
            took(session, [CHAIN], ended_at, read.chain_ms)
            return note(session, _some(read.found), ended_at, looked_at=names)

        stop_if_broken(self.database.run(work, essential=True), self.stop, ended_at)
        return 1

    def _read(self, session: Session) -> _Read:
        walked = _Walked()
        began = time.monotonic_ns()
        found = audit(session, self.checks)
        audit_ms, audited = _ms_since(began), time.monotonic_ns()
        found += verify(session, on_progress=walked.reached)
        return _Read(found, walked.transfers, audit_ms, _ms_since(audited))


class Looked(NamedTuple):
    """What is known of the books without reading them from end to end.

    Attributes:
        found: What is broken now, and what the last reading of history found broken.
        history_at: When the invariants over all of history were checked.
        last: The last proof that ended; None if there is none, or nobody wanted to know.
        coming: The proof that waits or goes on, if any.
    """

    found: list[Finding]
    history_at: datetime
    last: BookProof | None = None
    coming: BookProof | None = None


def look(session: Session, checks: Sequence[Check], now: datetime, *, chain: bool) -> Looked:
    """Return what is known of the books; short ones are read from end to end, long ones as they were last.

    Args:
        session: A reading session; one snapshot.
        checks: Of the packages that keep rows beside the ledger.
        now: Aware UTC.
        chain: Whether to look at the hash chain, on long books at its end, and say how far it was proven.
    """
    slow = {row.scope: row for row in session.execute(select(watch).where(_W.took_ms > QUICK_MS))}
    history_at, noted = now, set[str]()
    if HISTORY in slow:
        history_at = slow[HISTORY].looked_at
        noted.update(check.name for check in (*CHECKS, *checks) if not check.is_light)
    found = audit(session, checks, only_light=bool(noted))
    if chain and CHAIN in slow:
        found += verify_tail(session)
        noted.update(CHAIN_BREAKS)
    elif chain:
        found += verify(session)
    known = {(one.check, one.subject): one for one in [*_noted(session, noted), *found]}
    looked = Looked(list(known.values()), history_at)
    return looked._replace(last=_last(session), coming=_coming(session)) if chain else looked


def ask(session: Session, now: datetime) -> BookProof:
    """Ask for a proof of all of the books; one that waits already is returned, so it repeats safely.

    While one goes on, another one follows: it began before it was asked for.
    """
    _lock(session, now)
    return _waiting(session) or _add(session, now)


def proofs(session: Session, *, after: UUID | None, limit: int) -> list[BookProof]:
    """Return proofs, the newest first, from behind the id `after`."""
    query = select(BookProof)
    if after is not None:
        query = query.where(BookProof.id < after)
    return list(session.scalars(query.order_by(BookProof.id.desc()).limit(limit)))


class _Read(NamedTuple):
    found: list[Finding]
    transfers: int
    audit_ms: int
    chain_ms: int


class _Walked:
    transfers = 0

    def reached(self, count: int) -> None:
        self.transfers = count


def _taken_on(session: Session, now: datetime) -> UUID | None:
    _lock(session, now)
    if _coming(session) is None:
        last = _last(session)
        if last is None or last.asked_at.date() < now.date():
            _add(session, now)
    due = select(BookProof).where(BookProof.next_at <= now).order_by(BookProof.next_at, BookProof.id).limit(1)
    found = session.scalars(due).one_or_none()
    if found is None:
        return None
    found.began_at, found.next_at = now, now + LEASE
    return found.id


def _lock(session: Session, now: datetime) -> None:
    """Wait for whoever else asks for a proof or takes one on."""
    if session.execute(select(watch).where(_W.scope == CHAIN).with_for_update()).one_or_none() is None:
        begin(session, now)


def _noted(session: Session, names: Iterable[str]) -> list[Finding]:
    """Return what the last proof found broken, as far as it is kept: its alarms still ring."""
    ringing = select(_A.name, _A.about, _A.detail).where(_A.over_at.is_(None), _A.name.in_(names))
    return [Finding(*row) for row in session.execute(ringing.order_by(_A.id))]


def _last(session: Session) -> BookProof | None:
    ended = select(BookProof).where(BookProof.ended_at.is_not(None))
    return session.scalars(ended.order_by(BookProof.id.desc()).limit(1)).one_or_none()


def _coming(session: Session) -> BookProof | None:
    unended = select(BookProof).where(BookProof.next_at.is_not(None))
    return session.scalars(unended.order_by(BookProof.id.desc()).limit(1)).one_or_none()


def _waiting(session: Session) -> BookProof | None:
    return session.scalars(select(BookProof).where(BookProof.began_at.is_(None)).limit(1)).one_or_none()


def _add(session: Session, now: datetime) -> BookProof:
    added = BookProof(asked_at=now, next_at=now)
    session.add(added)
    session.flush()
    return added


def _end(session: Session, proof_id: UUID, read: _Read, now: datetime) -> None:
    mine = update(BookProof).where(BookProof.id == proof_id, BookProof.ended_at.is_(None))
    session.execute(mine.values(ended_at=now, next_at=None, transfers=read.transfers, broken=len(read.found)))


def _some(found: Iterable[Finding]) -> list[Finding]:
    kept: dict[str, list[Finding]] = {}
    for one in found:
        of_check = kept.setdefault(one.check, [])
        if len(of_check) < NOTED_MAX:
            of_check.append(one)
    return [one for of_check in kept.values() for one in of_check]


def _ms_since(began_ns: int) -> int:
    return (time.monotonic_ns() - began_ns) // 1_000_000
