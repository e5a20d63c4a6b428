"""How a session stands: whose it is, whether it still counts, and what its user may do."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import bindparam, select, update

from nerava.identity.model import RoleMembership
from nerava.identity.roles import Membership, Role
from nerava.identity.session_store import AuthSession, SessionKind
from nerava.identity.user_store import AppUser, UserState
from nerava.kernel.errors import NeravaError
from nerava.platform.gathering import Gathering

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database

log = logging.getLogger(__name__)

OPS_IDLE_LIFE: Final = timedelta(minutes=15)
"""How long a session of somebody of ops lasts without use, whatever it is held by."""

NOTED_EVERY: Final = timedelta(minutes=1)
"""How exactly the last use is known; more often would be a write for every request."""

FRESH_FOR: Final = timedelta(milliseconds=900)
"""How old a remembered standing may be for a read: what was taken away is gone within a second."""

REMEMBERED_MAX: Final = 10_000

COLUMNS: Final = (
    AuthSession.id.label("session_id"),
    AuthSession.user_id,
    AuthSession.kind,
    AuthSession.methods,
    AuthSession.authenticated_at,
    AuthSession.strong_at,
    AuthSession.passkey_at,
    AuthSession.used_at,
    AuthSession.expires_at,
    AuthSession.ended_at,
    AppUser.state,
    RoleMembership.role,
    RoleMembership.tenant_id,
)
"""What a standing is made of: a session, its user's state, and one row for each of the user's roles."""

# Built once: building it costs more than running it, and it runs before every write.
_STANDING: Final = (
    select(*COLUMNS)
    .outerjoin(AppUser, AppUser.id == AuthSession.user_id)
    .outerjoin(RoleMembership, RoleMembership.subject == AuthSession.user_id)
    .where(AuthSession.id == bindparam("session_id"))
    .order_by(RoleMembership.role, RoleMembership.id)
)

_STANDINGS: Final = (
    select(*COLUMNS)
    .outerjoin(AppUser, AppUser.id == AuthSession.user_id)
    .outerjoin(RoleMembership, RoleMembership.subject == AuthSession.user_id)
    .where(AuthSession.id.in_(bindparam("session_ids", expanding=True)))
    .order_by(RoleMembership.role, RoleMembership.id)
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A session and its user, as one read of the database found them.

    Attributes:
        strong_at: When a `strong` method was last shown on this session; `passkey_at` a passkey.
        suspended: Whether the account may do nothing; erased ones may not either.
    """

    session_id: UUID
    user_id: UUID
    kind: SessionKind
    methods: tuple[str, ...]
    authenticated_at: datetime
    strong_at: datetime | None
    passkey_at: datetime | None
    used_at: datetime
    expires_at: datetime
    ended: bool
    suspended: bool
    memberships: tuple[Membership, ...]

    def is_open(self, now: datetime) -> bool:
        """Whether the session was neither ended nor has run out, nor, with ops, lain unused for too long."""
        if self.ended or now >= self.expires_at:
            return False
        return not self.is_of_ops or now < self.used_at + OPS_IDLE_LIFE

    @property
    def is_of_ops(self) -> bool:
        """Whether the user has a role of ops, whichever one they act under."""
        return any(not one.role.has_tenant for one in self.memberships)

    def use_is_due(self, now: datetime) -> bool:
        """Whether the use of the session is to be noted again."""
        return now - self.used_at >= NOTED_EVERY


def standing_of(session: Session, session_id: UUID) -> Standing | None:
    """Return how a session stands, with its user's state and roles, in one statement."""
    rows = session.execute(_STANDING, {"session_id": session_id}).all()
    return standing_in(rows) if rows else None


def standings_of(session: Session, session_ids: Iterable[UUID]) -> dict[UUID, Standing]:
    """Return how sessions stand, by their ids, in one statement; unknown ones are left out."""
    rows: dict[UUID, list[Any]] = {}
    for row in session.execute(_STANDINGS, {"session_ids": list(session_ids)}):
        rows.setdefault(row.session_id, []).append(row)
    return {key: standing_in(mine) for key, mine in rows.items()}


def standing_in(rows: Sequence[Any]) -> Standing:
    """Return the standing that rows of `COLUMNS` hold; at least one."""
    first = rows[0]
    return Standing(
        session_id=first.session_id,
        user_id=first.user_id,
        kind=SessionKind(first.kind),
        methods=tuple(first.methods.split()),
        authenticated_at=first.authenticated_at,
        strong_at=first.strong_at,
        passkey_at=first.passkey_at,
        used_at=first.used_at,
        expires_at=first.expires_at,
        ended=first.ended_at is not None,
        # Partners, sponsors and people of ops act under ids without an account.
        suspended=first.state not in {None, UserState.ACTIVE.value},
        memberships=tuple(Membership(Role(row.role), row.tenant_id) for row in rows if row.role is not None),
    )


class StandingDirectory:
    """How sessions stand, remembered for less than a second. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: OrderedDict[UUID, tuple[datetime, Standing]] = OrderedDict()
        self._asked: Gathering[UUID, Standing | None] = Gathering(self._read)

    def remembered(self, session_id: UUID) -> Standing | None:
        """Return the standing if it was read less than 900 ms ago; never touches the database."""
        now = self._clock.now()
        with self._lock:
            found = self._remembered.get(session_id)
        if found is None or not found[0] <= now < found[0] + FRESH_FOR:
            return None
        return found[1]

    async def read(self, session_id: UUID) -> Standing | None:
        """Return the standing in the database now, and remember it; None for an unknown session.

        Who reads at the same time is answered by one statement, begun after all of them asked.

        Raises:
            DatabaseUnavailable: No connection in time (503).
        """
        return await self._asked.ask(session_id)

    def _read(self, session_ids: Sequence[UUID]) -> list[Standing | None]:
        now = self._clock.now()
        found = self._database.read(lambda session: standings_of(session, set(session_ids)))
        with self._lock:
            for session_id, one in found.items():
                self._remembered[session_id] = (now, one)
                self._remembered.move_to_end(session_id)
            while len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return [found.get(one) for one in session_ids]

    def note_use(self, session_id: UUID, now: datetime) -> None:
        """Note that a session is used, to the minute; what cannot be written now is noted at the next use."""
        mine = update(AuthSession).where(
            AuthSession.id == session_id, AuthSession.used_at <= now - NOTED_EVERY
        )
        noted = mine.values(used_at=now)
        try:
            self._database.run(lambda session: session.execute(noted), repeatable=True, essential=True)
        except NeravaError as error:
            log.warning("the use of a session could not be noted: %s", error.code)
