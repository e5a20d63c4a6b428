"""Signing in by the word of Google or Apple: an ID token that answers our nonce, once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jwt

from nerava.identity import factor_store
from nerava.identity.admission import Foreign
from nerava.identity.factor_store import IdTokenState
from nerava.identity.issuer_keys import ALGORITHM
from nerava.identity.messages import MethodOff
from nerava.identity.one_time import digest, is_same, new_token
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from nerava.identity.admission import Admission, Asker
    from nerava.identity.asking import Whose
    from nerava.identity.issuer_keys import IssuerKeys
    from nerava.identity.sessions import Opened
    from nerava.platform.db import Database

LIFE: Final = timedelta(minutes=10)
"""How long a nonce waits for its ID token."""

LEEWAY: Final = timedelta(seconds=30)
TOKEN_CHARACTERS_MAX: Final = 8_192
SUBJECT_CHARACTERS_MAX: Final = 255
HEADERS_ALLOWED: Final = frozenset({"alg", "kid", "typ"})
CLAIMS: Final = ("iss", "aud", "sub", "exp", "iat", "nonce")


class Provider(StrEnum):
    """Whose word is taken."""

    GOOGLE = "google"
    APPLE = "apple"


ISSUERS: Final = {
    Provider.GOOGLE: ("https://accounts.google.com", "accounts.google.com"),
    Provider.APPLE: ("https://appleid.apple.com",),
}
"""The spellings of `iss` by provider; the first one is kept."""

KEYS_AT: Final = {
    Provider.GOOGLE: "https://www.googleapis.com/oauth2/v3/certs",
    Provider.APPLE: "https://appleid.apple.com/auth/keys",
}
"""Where each provider publishes its keys."""


class InvalidIdToken(NeravaError):
    """The ID token is forged, expired, for somebody else, or answers another nonce; which is not said."""

    code = "invalid-id-token"
    status = HTTPStatus.UNAUTHORIZED
    title = "This does not let anybody in; begin again"


@dataclass(frozen=True, slots=True)
class Issuer:
    """An issuer as this installation takes its word.

    Attributes:
        client_ids: What its tokens must be made for: exactly one of these as `aud`.
    """

    provider: Provider
    client_ids: frozenset[str]
    keys: IssuerKeys


@dataclass(frozen=True, slots=True)
class Begun:
    """What the asking client gets.

    Attributes:
        client_token: Its secret; without it the ID token is worth nothing.
        nonce: What the provider has to put into the ID token.
        expires_at: Aware UTC.
    """

    state_id: UUID
    client_token: str = field(repr=False)
    nonce: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client brings back."""

    state_id: UUID
    client_token: str = field(repr=False)
    id_token: str = field(repr=False)


class IdTokens:
    """Lets people in by ID tokens. Safe to share between threads and processes."""

    def __init__(self, database: Database, admission: Admission, issuers: Mapping[Provider, Issuer]) -> None:
        """Take the issuers that are configured; every other one is off."""
        self._database = database
        self._admission = admission
        self._issuers = dict(issuers)

    def begin(self, provider: Provider, now: datetime, whose: Whose | None = None) -> Begun:
        """Return a nonce, good for 10 minutes and one sign-in; with `whose`, one link on that session.

        Raises:
            MethodOff: The installation takes nobody's word, or not this one's (503).
        """
        if provider not in self._issuers:
            raise MethodOff
        begun = Begun(new_id(), new_token(), new_token(), now + LIFE)

        def unit(session: Session) -> None:
            row = IdTokenState(
                id=begun.state_id,
                provider=provider.value,
                nonce_hash=digest(begun.nonce),
                client_hash=digest(begun.client_token),
                created_at=now,
                expires_at=begun.expires_at,
                user_id=whose and whose[0],
                session_id=whose and whose[1],
            )
            session.add(row)

        self._database.run(unit)
        return begun

    def enter(self, answer: Answer, asker: Asker, now: datetime) -> Opened:
        """Sign in by an ID token, and make an account where its (issuer, subject) has none.

        Raises:
            InvalidIdToken: Nonce or token is not good (401).
            MethodOff: The installation does not take this issuer's word (503).
            IssuerUnreachable: The issuer's keys cannot be had (503).
            RateLimited: Too many new accounts from there (429).
            SwitchedOff: Nobody becomes a user for now (503).
            AccountSuspended, MethodTooWeak: The account may not come in this way (403).
        """
        provider, foreign = self.named_in(answer, now)

        def unit(session: Session) -> Opened | NeravaError:
            if not factor_store.consume_state(session, answer.state_id, now):
                return InvalidIdToken()
            return self._admission.admit_from(session, foreign, method=provider.value, asker=asker, now=now)

        opened = self._database.run(unit)
        if isinstance(opened, NeravaError):
            raise opened
        return opened

    def named_in(self, answer: Answer, now: datetime, whose: Whose | None = None) -> tuple[Provider, Foreign]:
        """Return whom an ID token names that answers a nonce given to `whose`, or to who signs in.

        The token is checked before the nonce is used up, and nothing is fetched for who has no
        nonce of ours. Using it up is the caller's.

        Raises:
            InvalidIdToken: Nonce or token is not good (401).
            MethodOff: The installation does not take this issuer's word (503).
            IssuerUnreachable: The issuer's keys cannot be had (503).
        """
        state = self._database.read(lambda session: session.get(IdTokenState, answer.state_id))
        mine = state is not None and is_same(state.client_hash, digest(answer.client_token))
        if state is None or not mine or state.used_at is not None or state.expires_at <= now:
            raise InvalidIdToken
        # A nonce for a sign-in links nothing, and one for a link lets nobody in.
        if (state.user_id, state.session_id) != (whose or (None, None)):
            raise InvalidIdToken
        issuer = self._issuers.get(Provider(state.provider))
        if issuer is None:
            raise MethodOff
        return issuer.provider, checked(answer.id_token, issuer, state, now)


def checked(token: str, issuer: Issuer, state: IdTokenState, now: datetime) -> Foreign:
    """Return whom an ID token names, after checking every part of it.

    Raises:
        InvalidIdToken: It is not a current one of this issuer, for us, with this nonce (401).
        IssuerUnreachable: The issuer's keys cannot be had (503).
    """
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise InvalidIdToken
    try:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        # One algorithm, whatever the header says; and no header that brings or names a key.
        if header.get("alg") != ALGORITHM or not HEADERS_ALLOWED.issuperset(header) or type(kid) is not str:
            raise InvalidIdToken
        key = issuer.keys.find(kid, now)
        if key is None:
            raise InvalidIdToken
        claims = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            # Our clock decides about time, and `_is_good` about the rest.
            options={
                "require": list(CLAIMS),
                "verify_aud": False,
                "verify_iss": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except (jwt.PyJWTError, ValueError, TypeError):
        raise InvalidIdToken from None
    if not _is_good(claims, issuer, state, now):
        raise InvalidIdToken
    return Foreign(ISSUERS[issuer.provider][0], claims["sub"])


def _is_good(claims: dict[str, Any], issuer: Issuer, state: IdTokenState, now: datetime) -> bool:
    names = ("iss", "aud", "sub", "nonce")
    if not all(type(claims[name]) is str for name in names):
        return False
    not_before = claims.get("nbf", claims["iat"])
    if not all(type(at) is int for at in (claims["iat"], claims["exp"], not_before)):
        return False
    leeway = LEEWAY.total_seconds()
    return (
        claims["iss"] in ISSUERS[issuer.provider]
        and claims["aud"] in issuer.client_ids
        and is_same(state.nonce_hash, digest(claims["nonce"]))
        and 0 < len(claims["sub"]) <= SUBJECT_CHARACTERS_MAX
        and now.timestamp() < claims["exp"] + leeway
        # Made for this nonce, so not before there was one.
        and state.created_at.timestamp() - leeway <= claims["iat"] <= now.timestamp() + leeway
        and not_before <= now.timestamp() + leeway
    )
