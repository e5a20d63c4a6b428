"""Erasure: a wish that cools for three days, waits for what has to end, and then leaves nothing personal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select, update

from nerava.audit import ActorKind, Entry
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.ledger.switches import require_off
from nerava.outbox.catalogue import UserEvent
from nerava.outbox.publishing import publish
from nerava.platform.limit_numbers import ERASE
from nerava.platform.problem import NotFound
from nerava.privacy.erasing import LEGAL_HOLD, MONEY_ALL, Erased, erase, held_by
from nerava.privacy.holds import holds_person, take_turn
from nerava.privacy.model import OPEN_STATES, Erasure, ErasureState
from nerava.privacy.subjects import subject_of

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.acting import Actor
    from nerava.identity.factors import Tell
    from nerava.identity.sessions import Sessions
    from nerava.ledger import Ledger
    from nerava.platform.client_address import Client
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault
    from nerava.privacy.erasure_list import ErasureList

COOLING: Final = timedelta(hours=72)
NOTICE: Final = timedelta(days=30)
"""How long points that are left can still be spent, unless their owner gives them up."""

ACTOR: Final = "erasures"
_OPEN: Final = [one.value for one in OPEN_STATES]
_SAID: Final = (
    "Your Nerava account will be erased after {until}. Points that are left lapse after {lapse}. "
    "If this was not you, sign in and undo it."
)


class ErasureUnderWay(NeravaError):
    """It has begun and cannot be undone any more."""

    code = "erasure-under-way"
    status = HTTPStatus.CONFLICT
    title = "The erasure has begun"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class ErasureTools:
    """What an erasure works with."""

    database: Database
    ledger: Ledger
    vault: Vault
    limits: Limits
    audit: AuditLog
    sessions: Sessions
    tell: Tell
    listed: ErasureList


class Erasures:
    """Takes wishes to be forgotten and carries them out. Safe to share between threads and processes."""

    def __init__(self, tools: ErasureTools) -> None:
        self._tools = tools

    def ask(self, actor: Actor, place: Client, now: datetime, *, gives_up_points: bool) -> Erasure:
        """Ask to be erased; while that is under way, it is returned as it is, so it repeats safely.

        Every contact is told. Points that are left wait 30 days, or lapse at once if given up.

        Raises:
            RateLimited: It was asked for within 24 hours (429).
        """
        return self._tools.database.run(
            lambda session: self._ask(session, actor, place, now, gives_up_points=gives_up_points)
        )

    def of(self, session: Session, user_id: UUID) -> Erasure:
        """Return the erasure of a user that is under way.

        Raises:
            NotFound: There is none (404).
        """
        found = _open_of(session, user_id)
        if found is None:
            raise NotFound
        return found

    def undo(self, actor: Actor, now: datetime) -> None:
        """Go back on it, as long as nothing has happened.

        Raises:
            NotFound: There is none (404).
            ErasureUnderWay: It has begun (409).
        """
        self._tools.database.run(lambda session: self._undo(session, actor, now))

    def advance(self, now: datetime) -> int:
        """Carry one erasure on that is due and return how many were finished; safe to kill anywhere.

        First it is marked as running, so that it can no longer be undone; then all of it happens in
        one transaction, together with its line in the list outside of the database. A legal hold
        that is placed in between makes it wait again.

        Raises:
            SwitchedOff: Money stands still; erasures wait (503).
        """
        user_id = self._tools.database.run(lambda session: self._begin(session, now))
        if user_id is None:
            return 0
        self._tools.database.run(lambda session: self._finish(session, user_id, now))
        return 1

    def replay(self, now: datetime) -> int:
        """Erase again everybody on the list who is not erased here, as after a restore.

        Return how many those were. Repeats safely; called before a process does anything else. A
        legal hold that came back with the backup changes nothing: what is on the list was erased.

        Raises:
            ErasureListDamaged: Nobody can say who was erased (500).
        """
        listed = self._tools.listed.listed()
        if not listed:
            return 0
        database, again = self._tools.database, 0
        query = select(Erasure.user_id).where(Erasure.state == ErasureState.DONE.value)
        done = database.read(lambda session: set(session.scalars(query)), patient=True)
        for user_id in listed:
            if user_id not in done:
                again += database.run(
                    lambda session, one=user_id: self._again(session, one, now),  # type: ignore[misc]
                    essential=True,
                )
        return again

    def _ask(
        self,
        session: Session,
        actor: Actor,
        place: Client,
        now: datetime,
        *,
        gives_up_points: bool,
    ) -> Erasure:
        found = _open_of(session, actor.subject)
        if found is not None:
            return found
        self._tools.limits.hit(session, ERASE.keyed(identity=f"user:{actor.subject}", client=place), now)
        until = now + COOLING
        row = Erasure(
            id=new_id(),
            user_id=actor.subject,
            state=ErasureState.COOLING.value,
            gives_up_points=gives_up_points,
            requested_at=now,
            cooling_until=until,
            forfeit_at=until if gives_up_points else now + NOTICE,
        )
        session.add(row)
        self._tools.audit.record(session, actor.entry("erasure.ask", "erasure", row.id), now)
        text = _SAID.format(until=_day(row.cooling_until), lapse=_day(row.forfeit_at))
        self._tools.tell(session, actor.subject, text, now)
        session.flush()
        return row

    def _undo(self, session: Session, actor: Actor, now: datetime) -> None:
        row = self.of(session, actor.subject)
        undoable = [ErasureState.COOLING.value, ErasureState.HELD.value]
        undone = session.execute(
            update(Erasure)
            .where(Erasure.id == row.id, Erasure.state.in_(undoable))
            .values(state=ErasureState.UNDONE.value, held_because=None, ended_at=now)
            .returning(Erasure.id)
        )
        if undone.first() is None:
            raise ErasureUnderWay
        self._tools.audit.record(session, actor.entry("erasure.undo", "erasure", row.id), now)

    def _begin(self, session: Session, now: datetime) -> UUID | None:
        """Mark erasures as running or held; return the account of one that is running."""
        due = (
            select(Erasure)
            .where(
                or_(
                    Erasure.state == ErasureState.RUNNING.value,
                    Erasure.state.in_([ErasureState.COOLING.value, ErasureState.HELD.value])
                    & (Erasure.cooling_until <= now),
                )
            )
            .order_by(Erasure.id)
            .with_for_update(skip_locked=True)
        )
        for row in session.scalars(due):
            if row.state != ErasureState.RUNNING.value:
                row.held_because = held_by(session, self._tools.vault, row, now)
                held = row.held_because is not None
                row.state = ErasureState.HELD.value if held else ErasureState.RUNNING.value
            if row.state == ErasureState.RUNNING.value:
                session.flush()
                return row.user_id
        return None

    def _finish(self, session: Session, user_id: UUID, now: datetime) -> None:
        require_off(session, MONEY_ALL)
        take_turn(session)
        row = session.scalars(
            select(Erasure)
            .where(Erasure.user_id == user_id, Erasure.state == ErasureState.RUNNING.value)
            .with_for_update()
        ).one_or_none()
        if row is None:  # Another worker was faster.
            return
        if holds_person(session, subject_of(session, self._tools.vault, user_id)):
            row.state, row.held_because = ErasureState.HELD.value, LEGAL_HOLD
        else:
            self._erase(session, row, now)
            self._tools.listed.add(user_id, now)

    def _again(self, session: Session, user_id: UUID, now: datetime) -> int:
        # Several processes may start at once: whoever comes second finds it done.
        take_turn(session, alone=True)
        done = Erasure.user_id == user_id, Erasure.state == ErasureState.DONE.value
        if session.scalar(select(Erasure.id).where(*done)) is not None:
            return 0
        row = _open_of(session, user_id)
        if row is None:
            row = Erasure(
                id=new_id(),
                user_id=user_id,
                gives_up_points=True,
                requested_at=now,
                cooling_until=now,
                forfeit_at=now,
            )
            session.add(row)
        row.state, row.held_because = ErasureState.RUNNING.value, None
        session.flush()
        self._erase(session, row, now)
        return 1

    def _erase(self, session: Session, row: Erasure, now: datetime) -> None:
        tools = self._tools
        found = erase(session, tools.ledger, tools.vault, tools.sessions, user_id=row.user_id, now=now)
        row.state, row.ended_at = ErasureState.DONE.value, now
        tools.audit.record(session, _told(row, found), now)
        publish(session, [UserEvent(state="erased", user_id=row.user_id)], now)
        session.flush()


def _open_of(session: Session, user_id: UUID) -> Erasure | None:
    mine = select(Erasure).where(Erasure.user_id == user_id, Erasure.state.in_(_OPEN))
    return session.scalars(mine).one_or_none()


def _told(row: Erasure, found: Erased) -> Entry:
    after = {"points_lapsed": found.points_lapsed, "points_left": found.points_left, "rows": found.rows}
    return Entry(ActorKind.SYSTEM, ACTOR, "erasure.finish", "erasure", str(row.id), after=after)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
