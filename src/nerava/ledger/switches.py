"""Kill switches: turning them on alone, off only by two people, and asking what is off.

Nothing here writes the audit log: `nerava.audit.switching` does it in the same transaction.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, update

from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import READONLY, checked_name
from nerava.ledger.errors import LedgerError
from nerava.ledger.stops import refuse_if_on
from nerava.ledger.switch_store import release as _release
from nerava.ledger.switch_store import switch as _switch
from nerava.platform.db import DatabaseUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

_S: Final = _switch.c
_R: Final = _release.c
_OPEN: Final = _R.checker.is_(None) & _R.voided_at.is_(None)

FRESH_NS: Final = 500_000_000
"""How old a process's knowledge of the switches may be before it asks again, in nanoseconds."""

STALE_NS: Final = 5_000_000_000
"""Older than this nobody goes on without having asked."""


class UnknownRelease(LedgerError):
    """Nobody asked for this, or it was overtaken by a new stop."""

    code = "unknown-release"
    status = HTTPStatus.NOT_FOUND
    title = "No such request to end a stop"


class NotSwitchedOff(LedgerError):
    """The switch is not on, so there is nothing to end."""

    code = "not-stopped"
    status = HTTPStatus.CONFLICT
    title = "Nothing is stopped by this switch"


class SelfApproval(LedgerError):
    """Who asked for something cannot also be the one who agrees to it."""

    code = "self-approval"
    status = HTTPStatus.FORBIDDEN
    title = "A second person must approve this"


@dataclass(frozen=True, slots=True)
class SwitchState:
    """A switch that was ever turned on.

    Attributes:
        set_by: Who turned it on or, when it is off, who agreed to that; an opaque id.
        release: The request to end the stop that waits for a second person, if there is one.
    """

    name: str
    is_on: bool
    set_by: str
    reason: str
    set_at: datetime
    release: Release | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """Somebody's request to end a stop; it waits for another person to agree."""

    id: UUID
    name: str
    maker: str
    reason: str
    asked_at: datetime


def turn_on(session: Session, name: str, *, by: str, reason: str, now: datetime) -> bool:
    """Stop what the switch stops, from the commit on; return whether it was off before.

    A new stop overtakes a request to end the old one: that was asked for other reasons. Repeats
    safely.

    Raises:
        UnknownSwitch: It would stop nothing (404).
    """
    checked_name(name)
    voided = update(_release).where(_R.name == name, _OPEN).values(voided_at=now)
    session.execute(voided)
    values = {"is_on": True, "set_by": by, "reason": reason, "set_at": now}
    values |= {"release_id": None, "released_by": None}
    was_on = session.scalar(select(_S.is_on).where(_S.name == name).with_for_update())
    if was_on is None:
        session.execute(insert(_switch).values(name=name, **values))
    elif not was_on:
        session.execute(update(_switch).where(_S.name == name).values(**values))
    return not was_on


def ask_release(session: Session, name: str, *, by: str, reason: str, now: datetime) -> Release:
    """Ask to end a stop and return the request that a second person has to approve.

    Where somebody has asked already, that request is returned. Repeats safely.

    Raises:
        NotSwitchedOff: It is not on (409).
    """
    if not session.scalar(select(_S.is_on).where(_S.name == name).with_for_update()):
        raise NotSwitchedOff(f"{name} is not on")
    found = session.execute(select(_release).where(_R.name == name, _OPEN)).one_or_none()
    if found is not None:
        return _release_of(found)
    asked = Release(new_id(), name, by, reason, now)
    session.execute(insert(_release).values(id=asked.id, name=name, maker=by, reason=reason, asked_at=now))
    return asked


def approve_release(session: Session, release_id: UUID, *, by: str, now: datetime) -> Release:
    """End a stop that somebody else asked to end, and return the request. Repeats safely for `by`.

    Raises:
        UnknownRelease: There is no such request, or a new stop or another person was faster (404).
        SelfApproval: `by` asked for it (403).
    """
    # Its key, too: `checker` is part of what a switch points at.
    row = session.execute(select(_release).where(_R.id == release_id).with_for_update()).one_or_none()
    if row is None or row.voided_at is not None or row.checker not in {None, by}:
        raise UnknownRelease(f"no request {release_id} waits for approval")
    if row.maker == by:
        raise SelfApproval
    if row.checker is None:
        # The row is locked since it was looked at, so of two who approve at once the second sees the first.
        session.execute(
            update(_release).where(_R.id == release_id, _OPEN).values(checker=by, approved_at=now)
        )
        off = {"is_on": False, "set_by": by, "reason": row.reason, "set_at": now}
        session.execute(
            update(_switch)
            .where(_S.name == row.name, _S.is_on)
            .values(**off, release_id=release_id, released_by=by)
        )
    return _release_of(row)


def switches_on(session: Session) -> frozenset[str]:
    """Return the names of the switches that are on, as the session's transaction sees them."""
    return frozenset(session.scalars(select(_S.name).where(_S.is_on)))


def require_off(session: Session, *names: str) -> None:
    """Go on only if none of these switches is on, as the session's transaction sees it.

    Raises:
        SwitchedOff: One is (503).
    """
    refuse_if_on(switches_on(session), *names)


def list_switches(session: Session) -> list[SwitchState]:
    """Return every switch that was ever on, those that are on first, then by name."""
    waiting = {row.name: _release_of(row) for row in session.execute(select(_release).where(_OPEN))}
    rows = session.execute(select(_switch).order_by(_S.is_on.desc(), _S.name)).all()
    return [
        SwitchState(row.name, bool(row.is_on), row.set_by, row.reason, row.set_at, waiting.get(row.name))
        for row in rows
    ]


class _Known(NamedTuple):
    asked_at_ns: int
    on: frozenset[str]


class SwitchBoard:
    """What is switched off, as a process knows it: at most half a second old while anybody asks.

    Money is not stopped by it, but by what its own transaction reads. Safe to share between threads.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._known: _Known | None = None

    def on(self) -> frozenset[str]:
        """Return the names of the switches that are on.

        Raises:
            DatabaseUnavailable: They could not be read for 5 s (503).
        """
        known = self._known
        age_ns = STALE_NS if known is None else time.monotonic_ns() - known.asked_at_ns
        if known is not None and age_ns < FRESH_NS:
            return known.on
        # One asks; the others go on with what is known, unless it is too old to go on with.
        if self._lock.acquire(blocking=known is None or age_ns >= STALE_NS):
            try:
                return self._read(known)
            except DatabaseUnavailable:
                if known is None or age_ns >= STALE_NS:
                    raise
            finally:
                self._lock.release()
        if known is None:
            raise AssertionError("whoever knows nothing waits for the one who asks")
        return known.on

    def require_off(self, *names: str) -> None:
        """Go on only if none of these switches is on.

        Raises:
            SwitchedOff: One is (503).
        """
        refuse_if_on(self.on(), *names)

    def require_writable(self) -> None:
        """Go on only if the installation is not read-only; the gate of `Database.run`.

        Raises:
            SwitchedOff: It is (503).
        """
        self.require_off(READONLY)

    def forget(self) -> None:
        """Ask the database next time, because this process has just changed a switch."""
        self._known = None

    def _read(self, before: _Known | None) -> frozenset[str]:
        current = self._known
        if current is not None and current is not before:  # Somebody asked while we waited.
            return current.on
        asked_at_ns = time.monotonic_ns()
        self._known = _Known(asked_at_ns, self._database.read(switches_on))
        return self._known.on


def _release_of(row: Row[Any]) -> Release:
    return Release(row.id, row.name, row.maker, row.reason, row.asked_at)
