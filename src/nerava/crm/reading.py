"""The reader of the outbox for customer records: decides who is in them and queues what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import select, update

from nerava.crm.leaving import EVENTS, event_properties
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.identity.user_store import AppUser, UserState
from nerava.outbox.consumers import events_after, move_on, take_turn
from nerava.outbox.crm_store import CrmContact, CrmContactState, CrmEvent, CrmEventState
from nerava.platform.db.bulk import BulkInsert
from nerava.privacy.consents import Purpose, agreed, everybody_agreed

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.outbox.consumers import Told

READER: Final = "crm"
AT_ONCE: Final = 500
ABOUT_PEOPLE: Final = frozenset(
    {"consent.given", "consent.withdrawn", "user.erased", "user.contacts_changed"}
)
_COLUMNS: Final = (
    "id",
    "user_id",
    "name",
    "properties",
    "happened_at",
    "state",
    "attempts",
    "next_at",
    "fence",
)
ASKED_AT_ONCE: Final = 1_000
_PEOPLE: Final[Any] = CrmContact.__table__
_CONTACTS: Final = BulkInsert(
    _PEOPLE, ("user_id", "state", "for_good", "attempts", "next_at", "fence", "since"), if_new=True
)
_TABLE: Final[Any] = CrmEvent.__table__
_NEW: Final = BulkInsert(_TABLE, _COLUMNS, if_new=True)


def read_on(session: Session, allowed: frozenset[str], now: datetime) -> int:
    """Read the next events and queue what follows from them; return how many were looked at.

    In one transaction with the reader's position, and without asking anybody outside. A reader that is
    new begins with everybody who has agreed before.
    """
    reading = take_turn(session, READER, now)
    if reading is None:
        return 0
    if reading.position == 0:
        catch_up(session, now)
    events = events_after(session, reading.position, AT_ONCE)
    reconsider(session, [one.subject_id for one in events if one.type in ABOUT_PEOPLE], now)
    _queue(session, [one for one in events if one.type in EVENTS], allowed, now)
    move_on(session, reading, events[-1].position if events else reading.position, now)
    return len(events)


def catch_up(session: Session, now: datetime) -> int:
    """Look at everybody who agreed, and at everybody who is in the records; return how many those are.

    For a reader that is new, or that did not run for longer than events are kept. Repeats safely.
    """
    everybody = everybody_agreed(session, Purpose.MARKETING) | set(
        session.scalars(select(CrmContact.user_id))
    )
    reconsider(session, everybody, now)
    return len(everybody)


def reconsider(session: Session, user_ids: Iterable[UUID], now: datetime) -> None:
    """Have users written, or removed, as they stand now; in whatever order that was told, it is right."""
    everybody = sorted(set(user_ids))
    for first in range(0, len(everybody), ASKED_AT_ONCE):
        some = everybody[first : first + ASKED_AT_ONCE]
        staying = consenting(session, some)
        _want(session, sorted(staying), now)
        known = select(CrmContact.user_id).where(CrmContact.user_id.in_(set(some) - staying))
        for user_id in session.scalars(known).all():
            leave(session, user_id, now)


def dismiss(session: Session, after: UUID | None, now: datetime) -> tuple[UUID | None, int]:
    """Have those removed who are in the records without agreeing to it; return where to go on, and how many.

    For what happened while nobody read events. Looks at the next 1,000 people after one; None at the end.
    """
    staying = CrmContact.state != CrmContactState.LEAVING.value
    page = select(CrmContact.user_id).where(staying).order_by(CrmContact.user_id).limit(ASKED_AT_ONCE)
    some = session.scalars(page if after is None else page.where(CrmContact.user_id > after)).all()
    over = set(some) - consenting(session, some)
    for user_id in sorted(over):
        leave(session, user_id, now)
    return (some[-1] if len(some) == ASKED_AT_ONCE else None), len(over)


def consenting(session: Session, user_ids: Collection[UUID]) -> set[UUID]:
    """Return those of the users who agree to be told of, now, and have an account that is in use."""
    active = select(AppUser.id).where(AppUser.id.in_(user_ids), AppUser.state == UserState.ACTIVE.value)
    return agreed(session, session.scalars(active).all(), Purpose.MARKETING)


def leave(session: Session, user_id: UUID, now: datetime) -> None:
    """Have a user removed from the records; who never was sent there is only forgotten here."""
    row = session.get(CrmContact, user_id, with_for_update=True)
    if row is None:
        return
    if row.remote_id is None and row.sealed is None:
        session.delete(row)
    else:
        state = session.scalar(select(AppUser.state).where(AppUser.id == user_id))
        row.state, row.next_at, row.attempts = CrmContactState.LEAVING.value, now, 0
        row.for_good = row.for_good or state in {None, UserState.ERASED.value}
        row.fence += 1
    session.flush()


def _want(session: Session, user_ids: Sequence[UUID], now: datetime) -> None:
    again = {"state": CrmContactState.WANTED.value, "next_at": now, "attempts": 0, "trouble": None}
    known = update(CrmContact).where(CrmContact.user_id.in_(user_ids))
    session.execute(
        known.values(**again, fence=CrmContact.fence + 1), execution_options={"synchronize_session": False}
    )
    wanted = CrmContactState.WANTED.value
    _CONTACTS.run(session, [(one, wanted, False, 0, now, 0, now) for one in user_ids])


def _queue(session: Session, events: Sequence[Told], allowed: frozenset[str], now: datetime) -> None:
    """Queue what happened to drivers who agree to be told of; of the others nothing is kept."""
    drivers = {one.driver_id for one in events if one.driver_id is not None}
    user_of = _users(session, drivers)
    agreeing = consenting(session, set(user_of.values()))
    rows: list[tuple[Any, ...]] = []
    for one in events:
        user_id = user_of.get(one.driver_id) if one.driver_id is not None else None
        if user_id not in agreeing:
            continue
        kind = EVENTS[one.type]
        told = event_properties(kind, one.data, allowed)
        waiting = CrmEventState.WAITING.value
        rows.append(
            (one.id, user_id, kind.name, orjson.dumps(told).decode(), one.happened_at, waiting, 0, now, 0)
        )
    _NEW.run(session, rows)


def _users(session: Session, driver_ids: Collection[UUID]) -> dict[UUID, UUID]:
    held = select(RoleMembership.tenant_id, RoleMembership.subject).where(
        RoleMembership.role == Role.DRIVER.value, RoleMembership.tenant_id.in_(driver_ids)
    )
    return {driver: user for driver, user in session.execute(held) if driver is not None}
