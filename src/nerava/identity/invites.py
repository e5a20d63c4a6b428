"""Invitations: merchants and sponsors let their own people in, each by a token that works once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import exists, select, update

from nerava.audit import record
from nerava.identity.access_store import Invite
from nerava.identity.granting import STAFF_OF, NotYoursToGive, SelfGrant, hand_over
from nerava.identity.model import RoleMembership
from nerava.identity.one_time import digest, new_token
from nerava.identity.roles import Membership, Role
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.identity.acting import Actor

LIFE: Final = timedelta(days=7)
"""How long an invitation can be accepted."""

PREFIX: Final = "nvi_"

_OPEN: Final = Invite.used_at.is_(None) & Invite.withdrawn_at.is_(None)
_STILL_ENTITLED: Final = exists().where(
    RoleMembership.subject == Invite.made_by,
    RoleMembership.tenant_id == Invite.tenant_id,
    RoleMembership.role == Invite.made_as,
)


class InviteNotValid(NeravaError):
    """Unknown, used, withdrawn, expired, or of somebody who may no longer invite; which is not said."""

    code = "invite-not-valid"
    status = HTTPStatus.NOT_FOUND
    title = "This invitation is not valid"


class UnknownInvite(NeravaError):
    """There is no such open invitation of this merchant or sponsor."""

    code = "unknown-invite"
    status = HTTPStatus.NOT_FOUND
    title = "No such open invitation"


@dataclass(frozen=True, slots=True)
class Invited:
    """A new invitation.

    Attributes:
        token: Shown this once; only its SHA-256 is kept.
    """

    id: UUID
    membership: Membership
    token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenInvite:
    """An invitation that can still be accepted."""

    id: UUID
    role: Role
    made_by: UUID
    made_at: datetime
    expires_at: datetime


def invite(session: Session, actor: Actor, role: Role, now: datetime) -> Invited:
    """Offer a role for the merchant or sponsor that the actor acts for, good for seven days and one person.

    Raises:
        NotYoursToGive: A role that the actor may not give (403).
    """
    tenant_id = actor.acting.tenant_id
    if tenant_id is None or role not in STAFF_OF.get(actor.acting.role, ()):
        raise NotYoursToGive
    token, made = PREFIX + new_token(), new_id()
    session.add(
        Invite(
            id=made,
            role=role.value,
            tenant_id=tenant_id,
            token_hash=digest(token),
            made_by=actor.subject,
            made_as=actor.acting.role.value,
            made_at=now,
            expires_at=now + LIFE,
        )
    )
    record(session, actor.entry("invite.made", "invite", made, after={"role": role.value}), now)
    return Invited(made, Membership(role, tenant_id), token, now + LIFE)


def open_invites(session: Session, tenant_id: UUID, now: datetime, *, limit: int) -> list[OpenInvite]:
    """Return the invitations of a merchant or sponsor that can be accepted, the newest first."""
    found = select(Invite).where(Invite.tenant_id == tenant_id, _OPEN, Invite.expires_at > now)
    return [
        OpenInvite(row.id, Role(row.role), row.made_by, row.made_at, row.expires_at)
        for row in session.scalars(found.order_by(Invite.id.desc()).limit(limit))
    ]


def withdraw(session: Session, actor: Actor, invite_id: UUID, now: datetime) -> None:
    """Take an invitation of the actor's merchant or sponsor back.

    Raises:
        UnknownInvite: None of theirs is open under this id (404).
    """
    mine = (Invite.id == invite_id) & (Invite.tenant_id == actor.acting.tenant_id)
    taken = update(Invite).where(mine, _OPEN).values(withdrawn_at=now).returning(Invite.id)
    if session.scalar(taken) is None:
        raise UnknownInvite
    record(session, actor.entry("invite.withdrawn", "invite", invite_id), now)


def accept(session: Session, actor: Actor, token: str, now: datetime) -> Membership:
    """Take the role that an invitation offers, and use the invitation up.

    Raises:
        SelfGrant: It is the actor's own invitation (403); it stays open.
        InviteNotValid: It cannot be accepted (404).
    """
    one = Invite.token_hash == digest(token)
    if session.scalar(select(Invite.made_by).where(one, _OPEN)) == actor.subject:
        raise SelfGrant
    # One statement decides, so of two who come at once one has the role.
    used = session.execute(
        update(Invite)
        .where(one, _OPEN, Invite.expires_at > now, _STILL_ENTITLED)
        .values(used_at=now, used_by=actor.subject)
        .returning(Invite.id, Invite.role, Invite.tenant_id)
    ).one_or_none()
    if used is None:
        raise InviteNotValid
    offered = Membership(Role(used.role), used.tenant_id)
    entry = actor.entry("invite.accepted", "invite", used.id, tenant_id=used.tenant_id)
    record(session, entry, now)
    hand_over(session, actor, actor.subject, offered, now=now)
    return offered
