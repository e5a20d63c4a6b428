"""What peers told us, object by object: one row each, found by its owner and its name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from nerava.kernel.ids import new_id
from nerava.roaming.model import Module, ObjectState, RoamingObject, key_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.roaming.charges import Result

GAPS: Final = (
    timedelta(seconds=30),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=6),
    timedelta(hours=12),
    *[timedelta(hours=24)] * 14,
)
"""How long an object waits for another one, time after time: two weeks, since records come days late."""

_O: Final[Any] = RoamingObject.__table__


@dataclass(frozen=True, slots=True)
class ObjectName:
    """Whose object it is and which; ids compare without case."""

    peer_id: UUID
    module: Module
    country_code: str
    party_id: str
    object_id: str

    @property
    def key(self) -> str:
        """How other objects of the peer name it when they wait for it."""
        return key_of(self.module.value, self.country_code.upper(), self.party_id.upper(), self.object_id)


@dataclass(frozen=True, slots=True)
class Contents:
    """An object as it is to be kept.

    Attributes:
        body: JSON text; `body_hash` of its canonical form.
        patch_hash: Of the partial update that made it so, None for a whole one.
        has_work: Whether something is to follow from it.
    """

    version: str
    body: str
    body_hash: bytes
    last_updated: datetime
    patch_hash: bytes | None = None
    has_work: bool = True


def found(session: Session, name: ObjectName, *, lock: bool = False) -> RoamingObject | None:
    """Return an object, None when its owner never sent it; locked for a change where that is wanted."""
    query = select(RoamingObject).where(
        _O.c.peer_id == name.peer_id,
        _O.c.module == name.module.value,
        _O.c.country_code == name.country_code.upper(),
        _O.c.party_id == name.party_id.upper(),
        _O.c.object_key == name.object_id.lower(),
    )
    return session.scalars(query.with_for_update() if lock else query).one_or_none()


def by_id(session: Session, peer_id: UUID, module: Module, object_id: UUID) -> RoamingObject | None:
    """Return an object of a peer by our own id."""
    query = select(RoamingObject).where(_O.c.id == object_id, _O.c.peer_id == peer_id)
    return session.scalars(query.where(_O.c.module == module.value)).one_or_none()


def write(
    session: Session, name: ObjectName, row: RoamingObject | None, contents: Contents, now: datetime
) -> RoamingObject:
    """Keep an object, new or in place of what was there (`row`, locked), and wake what waits for it."""
    if row is None:
        row = RoamingObject(
            id=new_id(),
            peer_id=name.peer_id,
            module=name.module.value,
            country_code=name.country_code.upper(),
            party_id=name.party_id.upper(),
            object_key=name.object_id.lower(),
        )
        session.add(row)
    row.version, row.body, row.body_hash = contents.version, contents.body, contents.body_hash
    row.patch_hash, row.last_updated, row.received_at = contents.patch_hash, contents.last_updated, now
    if contents.has_work:
        row.state, row.due_at, row.attempts = ObjectState.WAITING.value, now, 0
    else:
        row.state, row.due_at, row.attempts = ObjectState.KEPT.value, None, 0
    session.flush()
    wake(session, name.peer_id, name.key, now)
    return row


def wake(session: Session, peer_id: UUID, key: str, now: datetime) -> None:
    """Let objects of a peer that wait for this one be looked at now, given-up ones included."""
    waiting = update(RoamingObject).where(_O.c.peer_id == peer_id, _O.c.waits_for == key)
    session.execute(waiting.values(due_at=now, state=ObjectState.WAITING.value, attempts=0))


def due(session: Session, now: datetime, limit: int, *, of: tuple[UUID, Module] | None = None) -> list[UUID]:
    """Return objects from which something is to follow, the longest waiting first; of one module or all."""
    query = select(_O.c.id).where(_O.c.state == ObjectState.WAITING.value, _O.c.due_at <= now)
    if of is not None:
        query = query.where(_O.c.peer_id == of[0], _O.c.module == of[1].value)
    return list(session.scalars(query.order_by(_O.c.due_at, _O.c.id).limit(limit)))


def outcomes(session: Session, peer_id: UUID, module: Module) -> dict[str, str | None]:
    """Return what followed from the objects of a peer, by their owner and name, in their order."""
    query = select(_O.c.country_code, _O.c.party_id, _O.c.object_key, _O.c.outcome).where(
        _O.c.peer_id == peer_id, _O.c.module == module.value
    )
    rows = session.execute(query.order_by(_O.c.country_code, _O.c.party_id, _O.c.object_key))
    return {f"{row.country_code}-{row.party_id}/{row.object_key}": row.outcome for row in rows}


def claimed(session: Session, object_id: UUID, now: datetime) -> RoamingObject | None:
    """Return an object that is due, locked; None when somebody else has it or had it."""
    query = select(RoamingObject).where(
        _O.c.id == object_id, _O.c.state == ObjectState.WAITING.value, _O.c.due_at <= now
    )
    return session.scalars(query.with_for_update(skip_locked=True)).one_or_none()


def note(session: Session, row: RoamingObject, result: Result, now: datetime) -> None:
    """Write what followed from a claimed object; one that waits is looked at later, and at last given up."""
    row.outcome = result.outcome
    row.driver_id = result.driver_id or row.driver_id
    row.session_id = result.session_id or row.session_id
    row.waits_for = result.waits_for
    if result.waits_for is None and result.again_at is None:
        row.state, row.due_at = ObjectState.DONE.value, None
    elif result.again_at is not None:
        row.due_at = result.again_at
    elif row.attempts >= len(GAPS):
        row.state, row.due_at = ObjectState.GIVEN_UP.value, None
    else:
        row.due_at = now + GAPS[row.attempts]
        row.attempts += 1
    session.flush()
