"""What is kept about people: their contacts, shown to themselves, and everything of it gone when they go."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete, update

from nerava.identity import challenge_store
from nerava.identity.challenge_store import SignInChallenge
from nerava.identity.contacts import ContactKind
from nerava.identity.message_store import MessageJob
from nerava.identity.messages import identity_index, open_contact
from nerava.identity.user_store import AppUser, ExternalIdentity, UserContact, UserState, contacts_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault


@dataclass(frozen=True, slots=True)
class OwnContact:
    """A verified contact, for its owner's eyes.

    Attributes:
        verified_at: When it was first shown to be the user's, aware UTC.
    """

    id: UUID
    kind: ContactKind
    value: str = field(repr=False)
    verified_at: datetime


def own_contacts(session: Session, vault: Vault, user_id: UUID) -> list[OwnContact]:
    """Return a user's verified contacts in clear, the oldest first: for the user and for the export.

    Raises:
        KeyDestroyed: The user was erased (410).
    """
    return [
        OwnContact(one.id, ContactKind(one.kind), open_contact(session, vault, one), one.verified_at)
        for one in contacts_of(session, user_id)
    ]


def forgive_user(session: Session, vault: Vault, user_id: UUID) -> None:
    """Let a user have codes again: after a strong factor, or after ops made sure. Repeats safely."""
    challenge_store.forgive(session, identity_index(vault, f"user:{user_id}"))


def forget_user(session: Session, vault: Vault, user_id: UUID) -> None:
    """Delete everything that could lead from a contact or from another service to this user.

    Contacts, links to other issuers, challenges, waiting messages and the count of failures go; the
    account stays as an empty shell in the state `erased`. The user's key is the caller's to destroy.
    Repeats safely.
    """
    indexes = [one.contact_ix for one in contacts_of(session, user_id)]
    session.execute(delete(MessageJob).where(MessageJob.contact_ix.in_(indexes)))
    mine = SignInChallenge.contact_ix.in_(indexes) | (SignInChallenge.user_id == user_id)
    session.execute(delete(SignInChallenge).where(mine))
    forgive_user(session, vault, user_id)
    session.execute(delete(UserContact).where(UserContact.user_id == user_id))
    session.execute(delete(ExternalIdentity).where(ExternalIdentity.user_id == user_id))
    session.execute(update(AppUser).where(AppUser.id == user_id).values(state=UserState.ERASED.value))
