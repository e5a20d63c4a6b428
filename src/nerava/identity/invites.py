"""Invitations: merchants and sponsors let their own people in, each sent to one contact and good once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import exists, select, update

from nerava.audit import record
from nerava.identity.access_store import Invite
from nerava.identity.asking import is_capped
from nerava.identity.contacts import Channel, ContactKind
from nerava.identity.granting import STAFF_OF, NotYoursToGive, SelfGrant, hand_over
from nerava.identity.messages import NOTICE_LIFE, SMS_SWITCH, contact_index
from nerava.identity.model import RoleMembership
from nerava.identity.one_time import digest, new_token
from nerava.identity.roles import Membership, Role
from nerava.identity.user_store import UserContact
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.ledger.switches import require_off
from nerava.platform.limit_numbers import INVITE
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session

    from nerava.identity.acting import Actor
    from nerava.identity.asking import Desk
    from nerava.identity.contacts import Contact

LIFE: Final = timedelta(days=7)
"""How long an invitation can be accepted."""

PREFIX: Final = "nvi_"
OWNER: Final = "invites"
"""Whose key seals whom open invitations are for: nobody's own, because nobody need be known yet."""

_AS: Final = {
    Role.MERCHANT_MANAGER: "a manager of a merchant",
    Role.MERCHANT_REGISTER: "somebody at a merchant's register",
    Role.SPONSOR: "somebody of a sponsor",
}
_WIPED: Final = {"contact_kind": None, "contact_ix": None, "contact_sealed": None}

_OPEN: Final = Invite.used_at.is_(None) & Invite.withdrawn_at.is_(None)
_STILL_ENTITLED: Final = exists().where(
    RoleMembership.subject == Invite.made_by,
    RoleMembership.tenant_id == Invite.tenant_id,
    RoleMembership.role == Invite.made_as,
)


class InviteNotValid(NeravaError):
    """Unknown, used, withdrawn, expired, for somebody else, or of somebody who may no longer invite.

    Which of them is not said.
    """

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
    """A new invitation. Its token is in the message alone; only the SHA-256 of it is kept."""

    id: UUID
    membership: Membership
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenInvite:
    """An invitation that can still be accepted.

    Attributes:
        to: The phone number or the address that it is for.
    """

    id: UUID
    role: Role
    channel: Channel
    to: str = field(repr=False)
    made_by: UUID
    made_at: datetime
    expires_at: datetime


class Invites:
    """Makes invitations, sends and takes them. Safe to share between threads and processes."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def invite(self, session: Session, actor: Actor, role: Role, to: Contact, now: datetime) -> Invited:
        """Offer a role for the merchant or sponsor that the actor acts for, to whoever is reached at `to`.

        The invitation is sent there, in the caller's transaction, and nowhere else; it is good for
        seven days and once. The answer is the same whether anybody is known there or not.

        Raises:
            NotYoursToGive: A role that the actor may not give (403).
            MethodOff: The installation has nobody who would send it (503).
            SwitchedOff: SMS are stopped (503).
            RateLimited: The actor, or others for the same person, have invited too often (429).
        """
        tenant_id = actor.acting.tenant_id
        if tenant_id is None or role not in STAFF_OF.get(actor.acting.role, ()):
            raise NotYoursToGive
        self._desk.messages.require(to.kind.channel)
        contact_ix = contact_index(self._desk.vault, to)
        is_muted = self._count(session, actor, to, contact_ix, now)
        token, made = PREFIX + new_token(), new_id()
        sealed = self._desk.vault.encrypt(session, OWNER, _place(made), to.value.encode(), now)
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
                contact_kind=to.kind.value,
                contact_ix=contact_ix,
                contact_sealed=sealed,
            )
        )
        text = (
            f"You are invited to Nerava as {_AS[role]}. "
            f"Sign in as whom this message has reached, within seven days, and enter: {token}"
        )
        self._desk.messages.write(session, to, text, now=now, expires_at=now + NOTICE_LIFE, is_muted=is_muted)
        record(session, actor.entry("invite.made", "invite", made, after={"role": role.value}), now)
        return Invited(made, Membership(role, tenant_id), now + LIFE)

    def open_invites(
        self, session: Session, tenant_id: UUID, now: datetime, *, limit: int
    ) -> list[OpenInvite]:
        """Return the invitations of a merchant or sponsor that can be accepted, the newest first."""
        found = select(Invite).where(Invite.tenant_id == tenant_id, _OPEN, Invite.expires_at > now)
        return [
            self._shown(session, row)
            for row in session.scalars(found.order_by(Invite.id.desc()).limit(limit))
        ]

    def withdraw(self, session: Session, actor: Actor, invite_id: UUID, now: datetime) -> None:
        """Take an invitation of the actor's merchant or sponsor back.

        Raises:
            UnknownInvite: None of theirs is open under this id (404).
        """
        mine = (Invite.id == invite_id) & (Invite.tenant_id == actor.acting.tenant_id)
        if not _end(session, mine, now):
            raise UnknownInvite
        record(session, actor.entry("invite.withdrawn", "invite", invite_id), now)

    def accept(self, session: Session, actor: Actor, token: str, now: datetime) -> Membership:
        """Take the role that an invitation offers, and use the invitation up.

        Raises:
            SelfGrant: It is the actor's own invitation (403); it stays open.
            InviteNotValid: It cannot be accepted, or not by this account (404).
        """
        one = Invite.token_hash == digest(token)
        if session.scalar(select(Invite.made_by).where(one, _OPEN)) == actor.subject:
            raise SelfGrant
        mine = select(UserContact.contact_ix).where(UserContact.user_id == actor.subject)
        # One statement decides, so of two who come at once one has the role.
        used = session.execute(
            update(Invite)
            .where(one, _OPEN, Invite.expires_at > now, _STILL_ENTITLED, Invite.contact_ix.in_(mine))
            .values(used_at=now, used_by=actor.subject, **_WIPED)
            .returning(Invite.id, Invite.role, Invite.tenant_id)
        ).one_or_none()
        if used is None:
            raise InviteNotValid
        offered = Membership(Role(used.role), used.tenant_id)
        entry = actor.entry("invite.accepted", "invite", used.id, tenant_id=used.tenant_id)
        record(session, entry, now)
        hand_over(session, actor, actor.subject, offered, now=now)
        return offered

    def _count(self, session: Session, actor: Actor, to: Contact, contact_ix: bytes, now: datetime) -> bool:
        """Count the message; True when it is not sent and nobody is told so."""
        desk = self._desk
        keyed = INVITE.keyed(target=contact_ix.hex(), identity=f"user:{actor.subject}")
        desk.limits.hit(session, keyed, now)
        if to.kind is not ContactKind.PHONE:
            return False
        require_off(session, SMS_SWITCH)
        return is_capped(desk, session, to, now)

    def _shown(self, session: Session, row: Invite) -> OpenInvite:
        if row.contact_kind is None or row.contact_sealed is None:
            raise AssertionError("an open invitation has its contact")
        to = self._desk.vault.decrypt(session, OWNER, _place(row.id), row.contact_sealed).decode()
        return OpenInvite(
            id=row.id,
            role=Role(row.role),
            channel=ContactKind(row.contact_kind).channel,
            to=to,
            made_by=row.made_by,
            made_at=row.made_at,
            expires_at=row.expires_at,
        )


def end_expired(session: Session, now: datetime) -> int:
    """Withdraw what nobody accepted in time, so that nothing is kept of whom it was for; return how many."""
    return _end(session, Invite.expires_at <= now, now)


def end_for(session: Session, contact_indexes: Sequence[bytes], now: datetime) -> int:
    """Withdraw what is for somebody who is erased, and return how many those were."""
    return _end(session, Invite.contact_ix.in_(contact_indexes), now)


def _end(session: Session, which: ColumnElement[bool], now: datetime) -> int:
    ended = update(Invite).where(which, _OPEN).values(withdrawn_at=now, **_WIPED).returning(Invite.id)
    return len(session.execute(ended, execution_options={"synchronize_session": False}).all())


def _place(invite_id: UUID) -> Place:
    return Place("invite", "contact_sealed", invite_id)
