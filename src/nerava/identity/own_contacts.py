"""Contacts of one's own account: added by a code that is sent there, and removed, but never the last one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete

from nerava.identity import challenge_store
from nerava.identity.asking import sent_to
from nerava.identity.challenges import ChallengeOver
from nerava.identity.contacts import ContactKind
from nerava.identity.factors import Change
from nerava.identity.people import OwnContact, own_contacts
from nerava.identity.user_store import AppUser, NoAccount, UserContact, contacts_of, known_by, lock_user
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.outbox.catalogue import UserEvent
from nerava.outbox.publishing import publish
from nerava.platform.problem import NotFound

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.asking import Desk
    from nerava.identity.challenges import Asked, Codes
    from nerava.identity.contacts import Channel
    from nerava.identity.factors import Factors, Holder
    from nerava.identity.one_time import Guess

CONTACTS_MAX: Final = 10
_CALLED: Final = {ContactKind.PHONE: "A phone number", ContactKind.EMAIL: "An e-mail address"}


class ContactTaken(NeravaError):
    """Somebody else is reached there; told to nobody but who has received the code."""

    code = "contact-taken"
    status = HTTPStatus.CONFLICT
    title = "This belongs to another account"


class TooManyContacts(NeravaError):
    """The account has as many contacts as it may have."""

    code = "too-many-contacts"
    status = HTTPStatus.CONFLICT
    title = "Remove one first"
    outcome = "not_executed"


class LastContact(NeravaError):
    """Without it the caller could not be reached any more."""

    code = "last-contact"
    status = HTTPStatus.CONFLICT
    title = "Add another one first"
    outcome = "not_executed"


class OwnContacts:
    """Adds contacts to accounts and removes them. Safe to share between threads and processes.

    Every change ends the user's other sessions and is told at every contact that there was before.
    """

    def __init__(self, desk: Desk, codes: Codes, factors: Factors) -> None:
        self._desk = desk
        self._codes = codes
        self._factors = factors

    def of(self, session: Session, user_id: UUID) -> list[OwnContact]:
        """Return a user's verified contacts, the oldest first."""
        return own_contacts(session, self._desk.vault, user_id)

    def start(self, holder: Holder, channel: Channel, to: str, now: datetime) -> Asked:
        """Send a code to a contact that the caller wants to add, good for 10 minutes and on this session.

        The answer is the same, and takes as long, whether the contact is somebody's or nobody's.

        Raises:
            NoAccount: The caller acts without an account (409).
            TooManyContacts: The caller has ten (409).
            ContactInvalid: Nothing can be sent there (422).
            MethodOff, SwitchedOff: Nobody would send it (503).
            RateLimited: Too often (429).
        """
        self._desk.database.read(lambda session: _require_room(session, holder.user_id))
        return self._codes.start(channel, to, holder.asker, now, whose=(holder.user_id, holder.session_id))

    def verify(self, holder: Holder, guess: Guess, now: datetime) -> OwnContact:
        """Add the contact at which a code was received, and return it; one that is the caller's stays.

        Raises:
            NotFound: The caller has asked for no such code on this session (404).
            CodeWrong, ChallengeOver: It is another code, or no guess helps any more (401).
            WorkNeeded: Prove work too (428).
            ContactTaken: The code is right, and somebody else is reached there (409).
            TooManyContacts: The caller has ten (409).
            RateLimited: Too often; the guess was not looked at (429).
        """
        whose = (holder.user_id, holder.session_id)
        asked = self._desk.database.read(
            lambda session: challenge_store.asked_by(session, guess.challenge_id, whose)
        )
        if not asked:
            raise NotFound
        self._codes.check(guess, holder.asker, now, whose)
        kept = self._desk.database.run(lambda session: self._keep(session, holder, guess.challenge_id, now))
        if isinstance(kept, NeravaError):
            raise kept
        return kept

    def remove(self, holder: Holder, contact_id: UUID, now: datetime) -> None:
        """Remove a contact; it is told so itself, too.

        Raises:
            NotFound: The caller has no such contact (404).
            LastContact: It is the last one (409).
        """
        self._desk.database.run(lambda session: self._remove(session, holder, contact_id, now))

    def _keep(
        self, session: Session, holder: Holder, challenge_id: UUID, now: datetime
    ) -> OwnContact | NeravaError:
        """Use the code up and add the contact. A refusal is returned, so that the code is used up by it."""
        challenge = challenge_store.locked(session, challenge_id)
        if challenge is None or challenge.contact_sealed is None:
            return ChallengeOver()
        contact, contact_ix = sent_to(self._desk, session, challenge), challenge.contact_ix
        if not challenge_store.consume(session, challenge_id, now):
            return ChallengeOver()
        challenge_store.forgive(session, challenge.identity_ix)
        lock_user(session, holder.user_id)
        for one in contacts_of(session, holder.user_id):
            if one.contact_ix == contact_ix:
                return OwnContact(one.id, contact.kind, contact.value, one.verified_at)
        if known_by(session, contact_ix) is not None:
            return ContactTaken()
        _require_room(session, holder.user_id)
        said = f"{_CALLED[contact.kind]} was added to your Nerava account."
        change = Change("contact.add", "user_contact", contact.kind.value, said)
        contact_id = new_id()
        self._factors.way_changed(session, holder, change, contact_id, now)
        # Who takes the same contact at once meets the table's constraint, and finds it taken next time.
        self._desk.admission.keep_contact(
            session, holder.user_id, contact, contact_ix, now, contact_id=contact_id
        )
        publish(session, [UserEvent(state="contacts_changed", user_id=holder.user_id)], now)
        return OwnContact(contact_id, contact.kind, contact.value, now)

    def _remove(self, session: Session, holder: Holder, contact_id: UUID, now: datetime) -> None:
        lock_user(session, holder.user_id)
        own = contacts_of(session, holder.user_id)
        gone = next((one for one in own if one.id == contact_id), None)
        if gone is None:
            raise NotFound
        if len(own) == 1:
            raise LastContact
        said = f"{_CALLED[ContactKind(gone.kind)]} was removed from your Nerava account."
        change = Change("contact.remove", "user_contact", gone.kind, said)
        self._factors.way_changed(session, holder, change, contact_id, now)
        session.execute(
            delete(UserContact).where(UserContact.id == contact_id, UserContact.user_id == holder.user_id)
        )
        publish(session, [UserEvent(state="contacts_changed", user_id=holder.user_id)], now)


def _require_room(session: Session, user_id: UUID) -> None:
    if session.get(AppUser, user_id) is None:
        raise NoAccount
    if len(contacts_of(session, user_id)) >= CONTACTS_MAX:
        raise TooManyContacts
