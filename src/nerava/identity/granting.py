"""Roles are given and taken by ops, and by merchants and sponsors among their own people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from nerava.audit import record
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role, membership_id, revoke_role
from nerava.identity.session_store import Ended
from nerava.identity.sessions import EndedBy, end_all_of
from nerava.identity.user_store import AppUser, UserState
from nerava.kernel.errors import NeravaError

if TYPE_CHECKING:
    from collections.abc import Collection

    from sqlalchemy.orm import Session

    from nerava.identity.acting import Actor

GIVEN_BY_OPS: Final = frozenset(set(Role) - {Role.DRIVER, Role.PARTNER})
"""A driver becomes one by signing up, and partners have keys instead of people."""

STAFF_OF: Final = {
    Role.MERCHANT_OWNER: frozenset({Role.MERCHANT_MANAGER, Role.MERCHANT_REGISTER}),
    Role.SPONSOR: frozenset({Role.SPONSOR}),
}
"""Which roles somebody may give for the merchant or sponsor they act for, and take away again."""


class SelfGrant(NeravaError):
    """Somebody wants to give a role to themselves."""

    code = "self-grant"
    status = HTTPStatus.FORBIDDEN
    title = "Nobody can give themselves a role"


class NotYoursToGive(NeravaError):
    """The role is not one that the caller may give."""

    code = "role-not-yours-to-give"
    status = HTTPStatus.FORBIDDEN
    title = "You may not give this role"


class UnknownUser(NeravaError):
    """There is no such account, or it is not active."""

    code = "unknown-user"
    status = HTTPStatus.NOT_FOUND
    title = "No such user"


class UnknownRole(NeravaError):
    """Nobody holds this role, or it is not one that the caller may take away."""

    code = "unknown-role"
    status = HTTPStatus.NOT_FOUND
    title = "No such role"


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that somebody holds.

    Attributes:
        id: Names the pair of user and role, for ever.
        granted_by: Who gave it, as an opaque id under a role, or what did.
    """

    id: UUID
    user_id: UUID
    membership: Membership
    granted_by: str
    granted_at: datetime


def give_role(
    session: Session, actor: Actor, user_id: UUID, membership: Membership, *, reason: str, now: datetime
) -> HeldRole:
    """Give a role as ops and return it; the first grant stands. Repeats safely.

    Raises:
        SelfGrant: Ops would give it to themselves (403).
        NotYoursToGive: A role that is not given this way (403).
        UnknownUser: No active account has this id (404).
    """
    if user_id == actor.subject:
        raise SelfGrant
    if membership.role not in GIVEN_BY_OPS:
        raise NotYoursToGive
    if session.scalar(select(AppUser.state).where(AppUser.id == user_id)) != UserState.ACTIVE:
        raise UnknownUser
    hand_over(session, actor, user_id, membership, reason=reason, now=now)
    return _known(session, membership_id(user_id, membership))


def hand_over(
    session: Session,
    actor: Actor,
    user_id: UUID,
    membership: Membership,
    *,
    reason: str | None = None,
    now: datetime,
) -> None:
    """Give a role that somebody was found to be entitled to, and say so in the audit log."""
    if grant_role(session, user_id, membership, granted_by=actor.name, now=now):
        if not membership.role.has_tenant:
            # Their sessions were not opened as ops come in, and outlast those of ops.
            by = EndedBy(actor.kind, str(actor.subject), actor.acting.role.value, actor.session_id, reason)
            end_all_of(session, user_id, now, because=Ended.BY_OPS, by=by)
        entry = actor.entry(
            "role.given",
            "user",
            user_id,
            tenant_id=membership.tenant_id,
            reason=reason,
            after={"role": membership.name},
        )
        record(session, entry, now)


def take_role(session: Session, actor: Actor, role_id: UUID, *, reason: str, now: datetime) -> None:
    """Take a role away as ops: refused at once for writes, within a second for reads.

    Raises:
        UnknownRole: Nobody holds it, or it is not taken this way (404).
    """
    held = _held(session, role_id)
    if held is None or held.membership.role not in GIVEN_BY_OPS:
        raise UnknownRole
    _take(session, actor, held, reason, now)


def dismiss(session: Session, actor: Actor, role_id: UUID, now: datetime) -> None:
    """Take a role away from somebody of the actor's own merchant or sponsor.

    Raises:
        UnknownRole: Nobody holds it there, or it is not the actor's to take (404).
    """
    held = _held(session, role_id)
    if held is None or held.membership.tenant_id != actor.acting.tenant_id:
        raise UnknownRole
    if held.membership.role not in STAFF_OF.get(actor.acting.role, ()):
        raise UnknownRole
    _take(session, actor, held, None, now)


def roles_held(session: Session, user_id: UUID) -> list[HeldRole]:
    """Return the roles of a user, in a stable order."""
    found = select(RoleMembership).where(RoleMembership.subject == user_id)
    return [_shown(row) for row in session.scalars(found.order_by(RoleMembership.id))]


def staff_of(session: Session, tenant_id: UUID, roles: Collection[Role], *, limit: int) -> list[HeldRole]:
    """Return who holds one of these roles for a merchant or sponsor, at most `limit`, in a stable order."""
    found = select(RoleMembership).where(
        RoleMembership.tenant_id == tenant_id, RoleMembership.role.in_([one.value for one in roles])
    )
    return [_shown(row) for row in session.scalars(found.order_by(RoleMembership.id).limit(limit))]


def _take(session: Session, actor: Actor, held: HeldRole, reason: str | None, now: datetime) -> None:
    if not revoke_role(session, held.user_id, held.membership):
        raise UnknownRole
    entry = actor.entry(
        "role.taken",
        "user",
        held.user_id,
        tenant_id=held.membership.tenant_id,
        reason=reason,
        before={"role": held.membership.name},
    )
    record(session, entry, now)


def _known(session: Session, role_id: UUID) -> HeldRole:
    found = _held(session, role_id)
    if found is None:
        raise AssertionError("a role that was just given is held")
    return found


def _held(session: Session, role_id: UUID) -> HeldRole | None:
    row = session.scalar(select(RoleMembership).where(RoleMembership.id == role_id))
    return None if row is None else _shown(row)


def _shown(row: RoleMembership) -> HeldRole:
    membership = Membership(Role(row.role), row.tenant_id)
    return HeldRole(row.id, row.subject, membership, row.granted_by, row.granted_at)
