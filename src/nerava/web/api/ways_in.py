"""Ways into one's own account: contacts, and accounts of Google and Apple that are linked."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Final
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from nerava.identity.challenges import ChallengeOver, CodeWrong, WorkNeeded
from nerava.identity.contacts import ContactInvalid, ContactKind
from nerava.identity.guard import SignedIn
from nerava.identity.issuer_keys import IssuerUnreachable
from nerava.identity.linking import IdentityTaken, LastWayIn, Linked, ProviderLinked
from nerava.identity.messages import MethodOff
from nerava.identity.oidc import Answer, InvalidIdToken, Provider
from nerava.identity.one_time import Guess
from nerava.identity.outside_codes import CodeUnchecked
from nerava.identity.own_contacts import ContactTaken, LastContact, TooManyContacts
from nerava.identity.people import OwnContact
from nerava.identity.user_store import NoAccount
from nerava.ledger.stops import SwitchedOff
from nerava.platform.limits import RateLimited
from nerava.platform.policy import ANY_ROLE, Policy, Repeats, StepUp, guarded
from nerava.platform.problem import NotFound, problems
from nerava.web.api.entering import IdTokenIn, NonceAskedIn, NonceOut
from nerava.web.api.factors import Holding
from nerava.web.api.signing_in import CodeAskedIn, CodeAskedOut, CodeIn
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("ways in")

_READS: Final = Policy(roles=ANY_ROLE, scope="profile:read")
_CHANGES: Final = Policy(
    roles=ANY_ROLE, scope="profile:write", repeats=Repeats.BY_MEANING, step_up=StepUp.STRONG
)


class ContactOut(BaseModel):
    """A phone number or an e-mail address at which the caller is reached."""

    id: UUID
    kind: ContactKind
    value: str
    verified_at: datetime

    @classmethod
    def of(cls, contact: OwnContact) -> ContactOut:
        """Return the wire form."""
        return cls(id=contact.id, kind=contact.kind, value=contact.value, verified_at=contact.verified_at)


class ContactsOut(BaseModel):
    """Where the caller is reached, the oldest contact first."""

    contacts: list[ContactOut]


class IdentityOut(BaseModel):
    """An account of Google or Apple by which the caller signs in."""

    id: UUID
    provider: Provider
    linked_at: datetime

    @classmethod
    def of(cls, linked: Linked) -> IdentityOut:
        """Return the wire form."""
        return cls(id=linked.id, provider=linked.provider, linked_at=linked.linked_at)


class IdentitiesOut(BaseModel):
    """What is linked to the caller; at most one of each provider."""

    identities: list[IdentityOut] = Field(description="The oldest link first")


@routes.get("/me/contacts", summary="Where am I reached")
@guarded(_READS)
def contacts(caller: SignedIn, wired: Wired) -> ContactsOut:
    """Return the caller's verified contacts."""
    found = wired.database.read(lambda session: wired.proving.contacts.of(session, caller.subject))
    return ContactsOut(contacts=[ContactOut.of(one) for one in found])


@routes.post(
    "/me/contacts/codes",
    summary="Send a code to a contact that I add",
    status_code=HTTPStatus.ACCEPTED,
    response_model=CodeAskedOut,
    responses=problems(NoAccount, TooManyContacts, ContactInvalid, MethodOff, SwitchedOff, RateLimited),
)
@guarded(_CHANGES)
def ask_to_add(body: CodeAskedIn, holder: Holding, wired: Wired, now: Now) -> Response:
    """Send six digits, good for 10 minutes, 5 guesses and this session, whoever is reached there."""
    asked = wired.proving.contacts.start(holder, body.channel, body.to, now)
    answer = CodeAskedOut(
        challenge_id=asked.challenge_id, client_token=asked.client_token, expires_at=asked.expires_at
    )
    return _answer(answer, HTTPStatus.ACCEPTED)


@routes.post(
    "/me/contacts/codes/{challenge_id}/verify",
    summary="Add a contact",
    responses=problems(
        NotFound,
        CodeWrong,
        CodeUnchecked,
        ChallengeOver,
        WorkNeeded,
        ContactTaken,
        TooManyContacts,
        NoAccount,
        RateLimited,
    ),
)
@guarded(_CHANGES)
def add_contact(challenge_id: UUID, body: CodeIn, holder: Holding, wired: Wired, now: Now) -> ContactOut:
    """Add the contact that received the code; other sessions end, and the contacts there were are told."""
    guess = Guess(challenge_id, body.code, body.client_token, body.work)
    return ContactOut.of(wired.proving.contacts.verify(holder, guess, now))


@routes.delete(
    "/me/contacts/{contact_id}",
    summary="Remove a contact",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NotFound, LastContact),
)
@guarded(_CHANGES)
def remove_contact(contact_id: UUID, holder: Holding, wired: Wired, now: Now) -> None:
    """Remove a contact, but never the last; other sessions end, and every contact is told, this one too."""
    wired.proving.contacts.remove(holder, contact_id, now)


@routes.get("/me/identities", summary="What is linked to me")
@guarded(_READS)
def identities(caller: SignedIn, wired: Wired) -> IdentitiesOut:
    """Return the accounts of Google and Apple by which the caller signs in."""
    found = wired.database.read(lambda session: wired.proving.identities.of(session, caller.subject))
    return IdentitiesOut(identities=[IdentityOut.of(one) for one in found])


@routes.post(
    "/me/identities/nonces", summary="Begin to link an account", responses=problems(NoAccount, MethodOff)
)
@guarded(_CHANGES)
def ask_to_link(body: NonceAskedIn, holder: Holding, wired: Wired, now: Now) -> NonceOut:
    """Return a nonce for an ID token of Google or Apple, good for one link on this session."""
    begun = wired.proving.identities.begin(holder, body.provider, now)
    return NonceOut(
        state_id=begun.state_id,
        client_token=begun.client_token,
        nonce=begun.nonce,
        expires_at=begun.expires_at,
    )


@routes.post(
    "/me/identities",
    summary="Link an account",
    status_code=HTTPStatus.CREATED,
    response_model=IdentityOut,
    responses=problems(InvalidIdToken, IdentityTaken, ProviderLinked, MethodOff, IssuerUnreachable),
)
@guarded(_CHANGES)
def link_identity(body: IdTokenIn, holder: Holding, wired: Wired, now: Now) -> Response:
    """Sign in by it from now on; other sessions end, and every contact is told."""
    answer = Answer(body.state_id, body.client_token, body.id_token)
    return _answer(IdentityOut.of(wired.proving.identities.link(holder, answer, now)), HTTPStatus.CREATED)


@routes.delete(
    "/me/identities/{identity_id}",
    summary="Unlink an account",
    status_code=HTTPStatus.NO_CONTENT,
    responses=problems(NotFound, LastWayIn),
)
@guarded(_CHANGES)
def unlink_identity(identity_id: UUID, holder: Holding, wired: Wired, now: Now) -> None:
    """Let it let nobody in any more, unless it is the last way in; other sessions end, contacts are told."""
    wired.proving.identities.unlink(holder, identity_id, now)


def _answer(body: BaseModel, status: HTTPStatus) -> Response:
    return Response(body.model_dump_json(), status_code=status, media_type="application/json")
