"""Google and Apple accounts that are linked to one's own: another way in, kept by issuer and subject."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import delete

from nerava.identity import factor_store
from nerava.identity.factors import Change, has_other_way_in
from nerava.identity.oidc import ISSUERS, InvalidIdToken, Provider
from nerava.identity.user_store import (
    AppUser,
    ExternalIdentity,
    NoAccount,
    identities_of,
    known_as,
    link,
    lock_user,
)
from nerava.kernel.errors import NeravaError
from nerava.platform.problem import NotFound

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.identity.admission import Foreign
    from nerava.identity.factors import Factors, Holder
    from nerava.identity.oidc import Answer, Begun, IdTokens
    from nerava.platform.db import Database


class IdentityTaken(NeravaError):
    """This Google or Apple account belongs to another account of ours."""

    code = "identity-taken"
    status = HTTPStatus.CONFLICT
    title = "This is linked to another account"


class ProviderLinked(NeravaError):
    """Another account of the same provider is linked; there can be one of each."""

    code = "provider-linked"
    status = HTTPStatus.CONFLICT
    title = "Unlink the other one first"


class LastWayIn(NeravaError):
    """Without it the caller could not come in any more."""

    code = "last-way-in"
    status = HTTPStatus.CONFLICT
    title = "Add another way to sign in first"
    outcome = "not_executed"


@dataclass(frozen=True, slots=True)
class Linked:
    """An account of Google or Apple by which its owner comes in."""

    id: UUID
    provider: Provider
    linked_at: datetime


class Identities:
    """Links accounts of other issuers and unlinks them. Safe to share between threads and processes.

    Every change ends the user's other sessions and is told at every contact.
    """

    def __init__(self, database: Database, id_tokens: IdTokens, factors: Factors) -> None:
        self._database = database
        self._id_tokens = id_tokens
        self._factors = factors

    def of(self, session: Session, user_id: UUID) -> list[Linked]:
        """Return what is linked to a user, the oldest first."""
        return [_linked(one) for one in identities_of(session, user_id)]

    def begin(self, holder: Holder, provider: Provider, now: datetime) -> Begun:
        """Return a nonce, good for 10 minutes and one link on this session.

        Raises:
            NoAccount: The caller acts without an account (409).
            MethodOff: The installation does not take this provider's word (503).
        """
        if self._database.read(lambda session: session.get(AppUser, holder.user_id)) is None:
            raise NoAccount
        return self._id_tokens.begin(provider, now, whose=(holder.user_id, holder.session_id))

    def link(self, holder: Holder, answer: Answer, now: datetime) -> Linked:
        """Link whom an ID token names to the caller, and return it; what is linked already stays.

        An e-mail address in the token is not looked at.

        Raises:
            InvalidIdToken: Nonce or token is not good, or not for this session (401).
            IdentityTaken: It is somebody else's (409).
            ProviderLinked: The caller has another one of this provider (409).
            MethodOff, IssuerUnreachable: The provider's word cannot be taken now (503).
        """
        whose = (holder.user_id, holder.session_id)
        provider, foreign = self._id_tokens.named_in(answer, now, whose=whose)

        def unit(session: Session) -> Linked | NeravaError:
            if not factor_store.consume_state(session, answer.state_id, now):
                return InvalidIdToken()
            return self._link(session, holder, provider, foreign, now)

        linked = self._database.run(unit)
        if isinstance(linked, NeravaError):
            raise linked
        return linked

    def unlink(self, holder: Holder, identity_id: UUID, now: datetime) -> None:
        """Unlink an account of another issuer; it lets nobody in any more.

        Raises:
            NotFound: The caller has linked no such one (404).
            LastWayIn: There is no contact, no passkey and no other link (409).
        """

        def unit(session: Session) -> None:
            lock_user(session, holder.user_id)
            own = next((one for one in self.of(session, holder.user_id) if one.id == identity_id), None)
            if own is None:
                raise NotFound
            if not has_other_way_in(session, holder.user_id, identity_id):
                raise LastWayIn
            said = f"{own.provider.value.title()} was unlinked from your Nerava account."
            change = Change("identity.unlink", "external_identity", own.provider.value, said)
            self._factors.way_changed(session, holder, change, identity_id, now)
            mine = ExternalIdentity.user_id == holder.user_id
            session.execute(delete(ExternalIdentity).where(ExternalIdentity.id == identity_id, mine))

        self._database.run(unit)

    def _link(
        self, session: Session, holder: Holder, provider: Provider, foreign: Foreign, now: datetime
    ) -> Linked | NeravaError:
        lock_user(session, holder.user_id)
        is_new = link(session, holder.user_id, foreign.issuer, foreign.subject, now)
        owner = known_as(session, foreign.issuer, foreign.subject)
        if owner is None:
            return ProviderLinked()
        if owner.user_id != holder.user_id:
            return IdentityTaken()
        linked = next(one for one in self.of(session, holder.user_id) if one.provider is provider)
        if is_new:
            said = f"{provider.value.title()} was linked to your Nerava account."
            change = Change("identity.link", "external_identity", provider.value, said)
            self._factors.way_changed(session, holder, change, linked.id, now)
        return linked


def _linked(row: ExternalIdentity) -> Linked:
    provider = next(one for one, spellings in ISSUERS.items() if row.issuer in spellings)
    return Linked(row.id, provider, row.linked_at)
