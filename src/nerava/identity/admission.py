"""What happens when somebody has shown to own a contact: an account is found or made, a session opened."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

from sqlalchemy import delete

from nerava.audit import ActorKind, Entry, Result
from nerava.identity.contacts import ContactKind
from nerava.identity.errors import AccountSuspended
from nerava.identity.roles import Membership, Role
from nerava.identity.second_proof import SecondProofNeeded, needs_second_proof
from nerava.identity.service import grant_role
from nerava.identity.session_store import SessionKind
from nerava.identity.sessions import AS_PASSKEYS, Client, Device
from nerava.identity.user_store import (
    AppUser,
    Known,
    UserContact,
    UserState,
    known_as,
    known_by,
    link,
    owner_of,
)
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.ledger.switches import require_off
from nerava.platform.limit_numbers import SIGN_UP
from nerava.platform.vault import Place

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.contacts import Contact
    from nerava.identity.sessions import Opened, Sessions
    from nerava.platform import client_address
    from nerava.platform.limits import Limits
    from nerava.platform.vault import Vault

BY_SIGN_UP: Final = "sign-up"
OPS_LIFE: Final = timedelta(hours=8)
"""How long a session of somebody of ops lasts."""
SIGN_UP_SWITCH: Final = "signup"


class MethodTooWeak(NeravaError):
    """People of ops sign in with a passkey and with nothing else."""

    code = "method-too-weak"
    status = HTTPStatus.FORBIDDEN
    title = "This account is entered with a passkey"


class Welcome(Protocol):
    """Makes whatever a new user needs to be a driver."""

    def __call__(self, session: Session, user_id: UUID, now: datetime) -> UUID:
        """Make it in the caller's transaction and return the driver's id. Repeats safely."""
        ...


@dataclass(frozen=True, slots=True)
class Asker:
    """Who is asking, before anybody has signed in.

    Attributes:
        place: Where in the network, for limits.
        program: What kind of program, for the list of sessions and the audit log.
        device: The device's key, where the request proved it.
        kind: What kind of session is wanted; pages want one with a cookie.
    """

    place: client_address.Client
    program: Client = field(default_factory=Client)
    device: Device | None = None
    kind: SessionKind = SessionKind.APP


@dataclass(frozen=True, slots=True)
class Foreign:
    """Somebody as another issuer names them; of one issuer, a subject is one person for ever."""

    issuer: str
    subject: str


class Admission:
    """Lets people in by a contact they have shown to own. Safe to share between threads.

    Whoever is new becomes a user and a driver; any other role is given by ops or by invitation.
    """

    def __init__(
        self,
        vault: Vault,
        limits: Limits,
        audit: AuditLog,
        *,
        sessions: Sessions,
        welcome: Welcome,
    ) -> None:
        self._vault = vault
        self._limits = limits
        self._audit = audit
        self._sessions = sessions
        self._welcome = welcome

    def admit(
        self,
        session: Session,
        contact: Contact,
        contact_ix: bytes,
        *,
        method: str,
        asker: Asker,
        now: datetime,
    ) -> Opened | NeravaError:
        """Open a session for the owner of a contact, in the caller's transaction.

        A refusal is returned, not raised, so that what proved the contact is used up by it.

        Raises:
            RateLimited: Too many new accounts from there (429); nothing is used up.
            SwitchedOff: Nobody becomes a user for now (503); nothing is used up.
        """
        known = known_by(session, contact_ix)
        if known is None:
            require_off(session, SIGN_UP_SWITCH)
            known = self._sign_up(session, contact, contact_ix, asker, now)
        elif contact.kind is ContactKind.PHONE and needs_second_proof(
            session, known.user_id, contact_ix, None if asker.device is None else asker.device.key
        ):
            self._denied(session, known.user_id, method, asker, now)
            return SecondProofNeeded()
        return self.admit_known(session, known, method=method, asker=asker, now=now)

    def admit_known(
        self, session: Session, known: Known, *, method: str, asker: Asker, now: datetime
    ) -> Opened | NeravaError:
        """Open a session for a user who has just shown to be that user, in the caller's transaction.

        A refusal is returned, not raised, so that what proved it is used up by it.
        """
        refusal = _why_not(known, method)
        if refusal is not None:
            self._denied(session, known.user_id, method, asker, now)
            return refusal
        opened = self._sessions.open(
            session,
            known.user_id,
            amr=(method,),
            now=now,
            device=asker.device,
            client=asker.program,
            life=OPS_LIFE if known.is_ops else None,
            kind=asker.kind,
        )
        self._note(session, known.user_id, "session.open", asker, now, reason=method)
        return opened

    def admit_from(
        self, session: Session, foreign: Foreign, *, method: str, asker: Asker, now: datetime
    ) -> Opened | NeravaError:
        """Open a session for whom an issuer says it is; whoever is new becomes a user without a contact.

        An e-mail address in the issuer's word is not looked at: it makes nobody the owner of an account.

        Raises:
            RateLimited: Too many new accounts from there (429).
            SwitchedOff: Nobody becomes a user for now (503).
        """
        known = known_as(session, foreign.issuer, foreign.subject)
        if known is None:
            require_off(session, SIGN_UP_SWITCH)
            known = self._sign_up_from(session, foreign, method, asker, now)
        return self.admit_known(session, known, method=method, asker=asker, now=now)

    def enrol(self, session: Session, contact: Contact, contact_ix: bytes, now: datetime) -> UUID:
        """Make an account, without any role, for whoever an operator says is reached at a contact."""
        user_id = _new_user(session, now)
        self.keep_contact(session, user_id, contact, contact_ix, now, contact_id=new_id())
        return user_id

    def note_failure(
        self,
        session: Session,
        challenge_id: UUID,
        asker: Asker,
        now: datetime,
        *,
        kind: str = "sign_in_challenge",
    ) -> None:
        """Write down a wrong answer; under the challenge, because nobody has shown to be the user."""
        entry = Entry(
            actor_kind=ActorKind.USER,
            actor_id="unknown",
            action="challenge.guess",
            object_kind=kind,
            object_id=str(challenge_id),
            result=Result.FAILED,
            ip_prefix=asker.program.ip_prefix,
            client_kind=asker.program.kind,
        )
        self._audit.record(session, entry, now)

    def _sign_up(
        self, session: Session, contact: Contact, contact_ix: bytes, asker: Asker, now: datetime
    ) -> Known:
        user_id = self._make_user(session, asker, now)
        self.keep_contact(session, user_id, contact, contact_ix, now, contact_id=new_id())
        return self._make_driver(session, user_id, contact.kind.value, asker, now)

    def _sign_up_from(
        self, session: Session, foreign: Foreign, method: str, asker: Asker, now: datetime
    ) -> Known:
        user_id = self._make_user(session, asker, now)
        if not link(session, user_id, foreign.issuer, foreign.subject, now):
            # Another request of the same person was faster; this one comes in as the user that it made.
            session.execute(delete(AppUser).where(AppUser.id == user_id))
            known = known_as(session, foreign.issuer, foreign.subject)
            if known is None:
                raise AssertionError("a subject that is taken has a user")
            return known
        return self._make_driver(session, user_id, method, asker, now)

    def _make_user(self, session: Session, asker: Asker, now: datetime) -> UUID:
        self._limits.hit(session, SIGN_UP.keyed(client=asker.place), now)
        return _new_user(session, now)

    def _make_driver(
        self, session: Session, user_id: UUID, reason: str, asker: Asker, now: datetime
    ) -> Known:
        driver_id = self._welcome(session, user_id, now)
        grant_role(session, user_id, Membership(Role.DRIVER, driver_id), granted_by=BY_SIGN_UP, now=now)
        session.flush()
        self._note(session, user_id, "user.sign_up", asker, now, reason=reason)
        return Known(user_id, UserState.ACTIVE, is_ops=False)

    def keep_contact(
        self,
        session: Session,
        user_id: UUID,
        contact: Contact,
        contact_ix: bytes,
        now: datetime,
        *,
        contact_id: UUID,
    ) -> None:
        """Keep a contact at which a user has shown to be reached, sealed under the user's own key."""
        place = Place("user_contact", "sealed", contact_id)
        sealed = self._vault.encrypt(session, owner_of(user_id), place, contact.value.encode(), now)
        session.add(
            UserContact(
                id=contact_id,
                user_id=user_id,
                kind=contact.kind.value,
                contact_ix=contact_ix,
                sealed=sealed,
                verified_at=now,
            )
        )

    def _denied(self, session: Session, user_id: UUID, method: str, asker: Asker, now: datetime) -> None:
        self._note(session, user_id, "session.open", asker, now, result=Result.DENIED, reason=method)

    def _note(
        self,
        session: Session,
        user_id: UUID,
        action: str,
        asker: Asker,
        now: datetime,
        *,
        reason: str,
        result: Result = Result.OK,
    ) -> None:
        entry = Entry(
            actor_kind=ActorKind.USER,
            actor_id=str(user_id),
            action=action,
            object_kind="app_user",
            object_id=str(user_id),
            result=result,
            reason=reason,
            ip_prefix=asker.program.ip_prefix,
            client_kind=asker.program.kind,
        )
        self._audit.record(session, entry, now)


def _new_user(session: Session, now: datetime) -> UUID:
    user_id = new_id()
    session.add(AppUser(id=user_id, created_at=now, state=UserState.ACTIVE.value))
    session.flush()
    return user_id


def _why_not(known: Known, method: str) -> NeravaError | None:
    if known.state is not UserState.ACTIVE:
        return AccountSuspended()
    return MethodTooWeak() if known.is_ops and method not in AS_PASSKEYS else None
