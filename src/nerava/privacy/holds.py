"""Legal holds: what ops orders to be kept stays, whatever its age and whoever asks for its end."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, cast, literal, or_, select, text, union, update

from nerava.audit import Result
from nerava.charging.model import ChargingSession
from nerava.drivers.model import Driver
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.identity.user_store import AppUser, UserContact
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.privacy.model import HoldKind, LegalHold

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import ColumnElement, Select
    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.acting import Actor
    from nerava.platform.db import Database
    from nerava.privacy.subjects import Subject

_TABLES: Final[dict[HoldKind, Any]] = {
    HoldKind.USER: AppUser,
    HoldKind.DRIVER: Driver,
    HoldKind.SESSION: ChargingSession,
}
_LOCK: Final = zlib.crc32(b"legal holds")


class NothingToHold(NeravaError):
    """There is no such object."""

    code = "nothing-to-hold"
    status = HTTPStatus.NOT_FOUND
    title = "There is no such object"
    outcome = "not_executed"


class UnknownHold(NeravaError):
    """Nobody placed this hold."""

    code = "unknown-hold"
    status = HTTPStatus.NOT_FOUND
    title = "No such legal hold"


class OwnHold(NeravaError):
    """Who placed a hold does not lift it."""

    code = "own-hold"
    status = HTTPStatus.FORBIDDEN
    title = "Somebody else has to lift it"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Held:
    """What is to be held, and why."""

    kind: HoldKind
    object_id: UUID
    reason: str


class Holds:
    """Places and lifts legal holds. Safe to share between threads and processes."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def place(self, actor: Actor, wanted: Held, now: datetime) -> LegalHold:
        """Place a hold; one in force with the same words by the same person is returned as it is.

        From its commit on neither retention nor erasure touches the object.

        Raises:
            NothingToHold: There is no such object (404).
        """
        return self._database.run(lambda session: self._place(session, actor, wanted, now))

    def lift(self, actor: Actor, hold_id: UUID, reason: str, now: datetime) -> LegalHold:
        """End a hold that somebody else placed; one that is lifted already is returned as it is.

        That its placer tried is kept in the audit log.

        Raises:
            UnknownHold: Nobody placed it (404).
            OwnHold: The actor placed it (403).
        """
        try:
            return self._database.run(lambda session: self._lift(session, actor, hold_id, reason, now))
        except OwnHold:
            tried = actor.entry("hold.lift", "legal_hold", hold_id, reason=reason, result=Result.DENIED)
            self._database.run(lambda session: self._audit.record(session, tried, now))
            raise

    def _place(self, session: Session, actor: Actor, wanted: Held, now: datetime) -> LegalHold:
        table = _TABLES[wanted.kind]
        if session.scalar(select(table.id).where(table.id == wanted.object_id)) is None:
            raise NothingToHold
        take_turn(session, alone=True)
        same = select(LegalHold).where(
            LegalHold.kind == wanted.kind.value,
            LegalHold.object_id == wanted.object_id,
            LegalHold.reason == wanted.reason,
            LegalHold.placed_by == actor.subject,
            LegalHold.lifted_at.is_(None),
        )
        found = session.scalars(same).first()
        if found is not None:
            return found
        row = LegalHold(
            id=new_id(),
            kind=wanted.kind.value,
            object_id=wanted.object_id,
            reason=wanted.reason,
            placed_by=actor.subject,
            placed_at=now,
        )
        session.add(row)
        after = {"kind": row.kind, "object_id": str(row.object_id)}
        entry = actor.entry("hold.place", "legal_hold", row.id, reason=wanted.reason, after=after)
        self._audit.record(session, entry, now)
        session.flush()
        return row

    def _lift(self, session: Session, actor: Actor, hold_id: UUID, reason: str, now: datetime) -> LegalHold:
        lifted: LegalHold | None = session.scalar(
            update(LegalHold)
            .where(
                LegalHold.id == hold_id, LegalHold.lifted_at.is_(None), LegalHold.placed_by != actor.subject
            )
            .values(lifted_by=actor.subject, lifted_at=now, lifted_because=reason)
            .returning(LegalHold)
        )
        if lifted is not None:
            entry = actor.entry("hold.lift", "legal_hold", hold_id, reason=reason)
            self._audit.record(session, entry, now)
            return lifted
        found = session.scalar(select(LegalHold).where(LegalHold.id == hold_id))
        if found is None:
            raise UnknownHold
        if found.placed_by == actor.subject:
            raise OwnHold
        return found


def in_force(session: Session, *, after: UUID | None, limit: int) -> list[LegalHold]:
    """Return the holds in force, the oldest first, from behind the id `after`."""
    found = select(LegalHold).where(LegalHold.lifted_at.is_(None))
    if after is not None:
        found = found.where(LegalHold.id > after)
    return list(session.scalars(found.order_by(LegalHold.id).limit(limit)))


def take_turn(session: Session, *, alone: bool = False) -> None:
    """Make sure until the commit that no hold is placed, or with `alone` that nobody removes anything.

    Called before the transaction looks at holds; so what was removed was not held.
    """
    if session.get_bind().dialect.name == "postgresql":
        shared = "" if alone else "_shared"
        session.execute(_TURNS[shared], {"lock": _LOCK})


_TURNS: Final = {
    "": text("SELECT pg_advisory_xact_lock(:lock)"),
    "_shared": text("SELECT pg_advisory_xact_lock_shared(:lock)"),
}


def holds_person(session: Session, who: Subject) -> bool:
    """Return whether a hold in force keeps a person, one of their drivers or a session of theirs."""
    theirs = select(ChargingSession.id).where(ChargingSession.driver_id.in_(who.driver_ids))
    found = select(LegalHold.id).where(
        LegalHold.lifted_at.is_(None),
        or_(
            (LegalHold.kind == HoldKind.USER.value) & (LegalHold.object_id == who.user_id),
            (LegalHold.kind == HoldKind.DRIVER.value) & LegalHold.object_id.in_(who.driver_ids),
            (LegalHold.kind == HoldKind.SESSION.value) & LegalHold.object_id.in_(theirs),
        ),
    )
    return session.scalar(found.limit(1)) is not None


def _objects(kind: HoldKind) -> Select[UUID]:
    return select(LegalHold.object_id).where(LegalHold.kind == kind.value, LegalHold.lifted_at.is_(None))


def _drivers() -> ColumnElement[bool]:
    users = _objects(HoldKind.USER)
    roles = select(RoleMembership.tenant_id).where(
        RoleMembership.role == Role.DRIVER.value, RoleMembership.subject.in_(users)
    )
    named = select(literal("user:") + cast(LegalHold.object_id, String)).where(
        LegalHold.kind == HoldKind.USER.value, LegalHold.lifted_at.is_(None)
    )
    known = select(Driver.id).where(Driver.reference.in_(named))
    return ChargingSession.driver_id.in_(union(_objects(HoldKind.DRIVER), roles, known))


def held_user(column: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column of any table
    """Return the condition that a column of user ids names somebody who is held."""
    return column.in_(_objects(HoldKind.USER))  # type: ignore[no-any-return]


def held_contact(column: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column of any table
    """Return the condition that a column of contacts' hashes names somebody who is held."""
    theirs = select(UserContact.contact_ix).where(held_user(UserContact.user_id))
    return column.in_(theirs)  # type: ignore[no-any-return]


def held_session(column: Any) -> ColumnElement[bool]:  # noqa: ANN401 - a column of any table
    """Return the condition that a column of session ids names one that is held, or whose driver is."""
    kept = select(ChargingSession.id).where(
        or_(ChargingSession.id.in_(_objects(HoldKind.SESSION)), _drivers())
    )
    return column.in_(kept)  # type: ignore[no-any-return]
