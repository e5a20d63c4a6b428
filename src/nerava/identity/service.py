"""Giving and taking roles, and finding out which ones a caller has."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select

from nerava.identity.model import RoleMembership
from nerava.identity.roles import SCOPES, Membership, Role
from nerava.kernel.ids import fact_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.tokens import AccessTokens
    from nerava.kernel.clock import Clock
    from nerava.platform.db import Database

FRESH_FOR: Final = timedelta(milliseconds=900)
"""How old a remembered role may be for a read: a role taken away is gone within a second."""

REMEMBERED_MAX: Final = 10_000

# Built once: building it costs more than running it, and it runs before every write.
_ROLES_OF: Final = (
    select(RoleMembership.role, RoleMembership.tenant_id)
    .where(RoleMembership.subject == bindparam("subject"))
    .order_by(RoleMembership.role, RoleMembership.id)
)


def issue_token(tokens: AccessTokens, subject: UUID, roles: Iterable[Role]) -> str:
    """Return an access token for everything that these roles may be used for, valid 10 minutes.

    The token itself carries no role: give the roles with `grant_role`.
    """
    scopes = {scope for role in roles for scope in SCOPES[role]}
    return tokens.issue(subject, scopes=scopes)


def grant_role(
    session: Session, subject: UUID, membership: Membership, *, granted_by: str, now: datetime
) -> None:
    """Give a role. Repeats safely: the first grant stands."""
    row = RoleMembership(
        id=_membership_id(subject, membership),
        subject=subject,
        role=membership.role.value,
        tenant_id=membership.tenant_id,
        granted_by=granted_by,
        granted_at=now,
    )
    found = session.scalar(select(RoleMembership.id).where(RoleMembership.id == row.id))
    if found is None:
        session.add(row)


def revoke_role(session: Session, subject: UUID, membership: Membership) -> None:
    """Take a role away; refused at once for writes, within a second for reads. Repeats safely."""
    session.execute(delete(RoleMembership).where(RoleMembership.id == _membership_id(subject, membership)))


def roles_of(session: Session, subject: UUID) -> tuple[Membership, ...]:
    """Return the roles of a subject, in a stable order."""
    rows = session.execute(_ROLES_OF, {"subject": subject})
    return tuple(Membership(Role(row.role), row.tenant_id) for row in rows)


class RoleDirectory:
    """The roles of callers, remembered for less than a second. Safe to share between threads."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._remembered: OrderedDict[UUID, tuple[datetime, tuple[Membership, ...]]] = OrderedDict()

    def remembered(self, subject: UUID) -> tuple[Membership, ...] | None:
        """Return the roles if they were read less than 900 ms ago; never touches the database."""
        now = self._clock.now()
        with self._lock:
            found = self._remembered.get(subject)
        if found is None or not found[0] <= now < found[0] + FRESH_FOR:
            return None
        return found[1]

    def read(self, subject: UUID) -> tuple[Membership, ...]:
        """Return the roles as they stand in the database now, and remember them.

        Raises:
            DatabaseUnavailable: No connection in time (503).
        """
        now = self._clock.now()
        found = self._database.read(lambda session: roles_of(session, subject))
        with self._lock:
            self._remembered[subject] = (now, found)
            self._remembered.move_to_end(subject)
            while len(self._remembered) > REMEMBERED_MAX:
                self._remembered.popitem(last=False)
        return found


def _membership_id(subject: UUID, membership: Membership) -> UUID:
    return fact_id(f"role:{subject}:{membership.name}")
