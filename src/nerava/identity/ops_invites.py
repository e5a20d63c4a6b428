"""How the first person of ops comes in: a link made on the server, with which one passkey is added, once."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import exists, select, update

from nerava.audit import ActorKind, AuditLog, Entry
from nerava.identity import factor_store
from nerava.identity.contacts import Channel, read_contact
from nerava.identity.errors import AccountSuspended
from nerava.identity.factor_store import FactorPasskey, OpsLink
from nerava.identity.factors import Invited
from nerava.identity.messages import contact_index
from nerava.identity.model import RoleMembership
from nerava.identity.one_time import digest, new_token
from nerava.identity.ops_links import LIFE, OpsLinkOver
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.session_store import Ended
from nerava.identity.sessions import EndedBy, end_all_of
from nerava.identity.user_store import UserState, known_by, known_user
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.admission import Admission, Asker
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

GRANTED_BY: Final = "command line"


class AdminExists(NeravaError):
    """Somebody who administers ops has a passkey and can give roles; the server need not."""

    code = "admin-exists"
    status = HTTPStatus.CONFLICT
    title = "An administrator with a passkey can give this role"


class NotOfOps(NeravaError):
    """The role is none of ops."""

    code = "not-of-ops"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "This role is not one of ops"


@dataclass(frozen=True, slots=True)
class Call:
    """Who makes an invitation on the server, and why one is needed though there is an administrator.

    Attributes:
        by: The account of the machine: `shell:deploy`.
        recover: The reason; None where nobody can let anybody in yet.
    """

    by: str
    recover: str | None = None


class OpsInvites:
    """Makes and takes invitations to ops. Safe to share between threads and processes."""

    def __init__(self, database: Database, vault: Vault, audit: AuditLog, admission: Admission) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit
        self._admission = admission

    def make(self, email: str, role: Role, call: Call, now: datetime) -> str:
        """Give a role of ops to the owner of an address; return a token good once, for 10 minutes.

        The operator's word is enough for the address: it only gets notices, nobody of ops signs in by
        it. The account is made where there is none. Its sessions end, and so does every other invitation.

        Raises:
            NotOfOps: The role is none of ops (422).
            ContactInvalid: The address is none (422).
            AdminExists: An administrator has a passkey, and no reason to recover is given (409).
            AccountSuspended: The account may do nothing (403).
        """
        if role.has_tenant:
            raise NotOfOps
        contact = read_contact(Channel.EMAIL, email)
        contact_ix = contact_index(self._vault, contact)
        token = new_token()

        def unit(session: Session) -> None:
            if call.recover is None and _has_admin(session):
                raise AdminExists
            known = known_by(session, contact_ix)
            if known is not None and known.state is not UserState.ACTIVE:
                raise AccountSuspended
            user_id = (
                self._admission.enrol(session, contact, contact_ix, now) if known is None else known.user_id
            )
            self._give(session, user_id, role, call, now)
            _leave_one(session, user_id, digest(token), now)

        self._database.run(unit)
        return token

    def holder(self, token: str, asker: Asker, now: datetime) -> Invited:
        """Return whom an invitation lets add a passkey; nothing is used up.

        Raises:
            OpsLinkOver: Used, expired, replaced, never made, or of nobody who is of ops any more (401).
        """

        def find(session: Session) -> Invited | None:
            row = factor_store.open_ops_link(session, digest(token), now)
            if row is None or not known_user(session, row.user_id).is_ops:
                return None
            return Invited(row.user_id, row.id, "ops-invite", asker, digest(token))

        found = self._database.read(find)
        if found is None:
            raise OpsLinkOver
        return found

    def _give(self, session: Session, user_id: UUID, role: Role, call: Call, now: datetime) -> None:
        by = EndedBy(ActorKind.SYSTEM, call.by, reason=call.recover)
        end_all_of(session, user_id, now, because=Ended.BY_OPS, by=by)
        given = grant_role(session, user_id, Membership(role), granted_by=GRANTED_BY, now=now)
        entry = Entry(
            actor_kind=ActorKind.SYSTEM,
            actor_id=call.by,
            action="ops_invite.made",
            object_kind="user",
            object_id=str(user_id),
            reason=call.recover or "first of ops",
            client_kind="cli",
            after={"role": role.value, "new": given},
        )
        self._audit.record(session, entry, now)


def _has_admin(session: Session) -> bool:
    own = select(FactorPasskey.id).where(FactorPasskey.user_id == RoleMembership.subject)
    admins = select(RoleMembership.subject).where(
        RoleMembership.role == Role.OPS_ADMIN.value, exists(own.correlate(RoleMembership))
    )
    return any(known_user(session, one).state is UserState.ACTIVE for one in session.scalars(admins))


def _leave_one(session: Session, user_id: UUID, token_hash: bytes, now: datetime) -> None:
    """Make a link, and every other one worthless."""
    session.execute(update(OpsLink).where(OpsLink.used_at.is_(None)).values(used_at=now))
    session.add(
        OpsLink(id=new_id(), user_id=user_id, token_hash=token_hash, created_at=now, expires_at=now + LIFE)
    )
