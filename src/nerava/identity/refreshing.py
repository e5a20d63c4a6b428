"""Refreshing: one refresh token for the next, so that a stolen one betrays itself."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlalchemy import bindparam, insert, select, update

from nerava.audit import ActorKind
from nerava.identity.errors import (
    AccountSuspended,
    InvalidDeviceProof,
    InvalidRefreshToken,
    RefreshInProgress,
)
from nerava.identity.model import RoleMembership
from nerava.identity.session_store import AuthSession, Ended, RefreshToken
from nerava.identity.sessions import IDLE_LIFE, EndedBy, Opened, end_sessions, refresh_hash, refresh_text
from nerava.identity.standing import COLUMNS, Standing, standing_in
from nerava.identity.user_store import AppUser
from nerava.kernel.ids import new_id
from nerava.platform.limit_numbers import REFRESH
from nerava.platform.secrets import SecretKind

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.sessions import Sessions
    from nerava.platform.client_address import Client
    from nerava.platform.db import Database
    from nerava.platform.limits import Limits
    from nerava.platform.secrets import Secret, Secrets

log = logging.getLogger(__name__)

GRACE: Final = timedelta(seconds=10)
"""How long after its use a token may come again from the device that used it: answers get lost."""

REUSED: Final = (
    "Somebody else may have had access to your account, so we signed that device out. Sign in again. If this "
    "happens again, end your other sessions, too."
)
TOKEN_CHARACTERS_MAX: Final = 100
_PURPOSE: Final = b"nerava refresh token successor"
_BY_REUSE: Final = EndedBy(ActorKind.SYSTEM, "refresh-reuse")


class Notify(Protocol):
    """Tells a user that something happened to their account."""

    def __call__(self, session: Session, user_id: UUID, text: str, now: datetime) -> object:
        """Queue the notice in the caller's transaction."""
        ...


class Refreshing:
    """Exchanges refresh tokens. Safe to share between threads and processes."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        secrets: Secrets,
        limits: Limits,
        *,
        notify: Notify | None = None,
    ) -> None:
        self._database = database
        self._sessions = sessions
        self._secrets = secrets
        self._limits = limits
        self._notify = notify

    def refresh(self, token: str, *, device_key: str | None, place: Client, now: datetime) -> Opened:
        """Return new tokens for a refresh token that has not been used.

        Used again within 10 s by the device whose key it is bound to, it gives the same successor.
        Used again later it ends its session, because two have had it; so does nothing else here.

        Args:
            token: The refresh token.
            device_key: Thumbprint of the key that the request has proved, if any.
            place: Where the request comes from, for limits.
            now: Aware UTC.

        Raises:
            InvalidRefreshToken: Unknown, expired, of an ended session, or used before (401).
            InvalidDeviceProof: The token is bound to a device that did not make this request (401).
            RefreshInProgress: Used within the last 10 s, and nothing proves by whom (409).
            AccountSuspended: The account may do nothing (403).
            RateLimited: Too often (429).
        """
        if len(token) > TOKEN_CHARACTERS_MAX:
            raise InvalidRefreshToken
        asked = _Asked(token, device_key, place, now)
        answer = self._database.run(lambda session: self._exchange(session, asked), essential=True)
        if isinstance(answer, Opened):
            return answer
        raise answer

    def _exchange(self, session: Session, asked: _Asked) -> Opened | InvalidRefreshToken:
        """Exchange a token in this transaction; a refusal whose effects must stay is returned, not raised."""
        found = _look_up(session, asked.token)
        hits = REFRESH.keyed(identity=str(found.standing.session_id), client=asked.place)
        self._limits.hit(session, hits, asked.now)
        taken = _take(session, found, asked)
        if not taken:
            found = _look_up(session, asked.token)  # Whoever was faster has committed by now.
            if found.used_at is None or found.standing.ended:
                raise InvalidRefreshToken
            if asked.now - found.used_at > GRACE:
                return self._reused(session, found.standing, asked.now)
            _check_device(found, asked)
            if found.device_key is None:
                raise RefreshInProgress
        if not found.standing.is_open(asked.now):
            raise InvalidRefreshToken
        if found.standing.suspended:
            raise AccountSuspended
        secret = self._make(session, found, asked) if taken else self._made(session, found, asked)
        return self._sessions.opened(found.standing, secret)

    def _make(self, session: Session, found: _Found, asked: _Asked) -> str:
        successor_id = new_id()
        secret = _derived(self._secrets.get(SecretKind.REFRESH), asked.token, successor_id)
        connection = session.connection()
        connection.execute(_USED, {"session": found.standing.session_id, "now": asked.now})
        connection.execute(
            _SUCCESSOR,
            {
                "id": successor_id,
                "family_id": found.standing.session_id,
                "parent_id": found.token_id,
                "hash": refresh_hash(secret),
                "issued_at": asked.now,
                "expires_at": min(asked.now + IDLE_LIFE, found.standing.expires_at),
            },
        )
        return secret

    def _made(self, session: Session, found: _Found, asked: _Asked) -> str:
        """Return the successor that another request with this token was given."""
        successor = session.execute(
            select(RefreshToken.id, RefreshToken.hash).where(RefreshToken.parent_id == found.token_id)
        ).one()
        for key in self._secrets.accepted(SecretKind.REFRESH):
            secret = _derived(key, asked.token, successor.id)
            if refresh_hash(secret) == successor.hash:
                return secret
        # The key was replaced between the two requests, and the first one's is gone.
        raise RefreshInProgress

    def _reused(self, session: Session, family: Standing, now: datetime) -> InvalidRefreshToken:
        """End the session of a token that came again, because two have had it."""
        end_sessions(session, [family.session_id], now, Ended.REFRESH_REUSED, _BY_REUSE)
        if self._notify is not None:
            self._notify(session, family.user_id, REUSED, now)
        log.warning(
            "refresh_reuse_total: a used refresh token came again, session %s is ended", family.session_id
        )
        return InvalidRefreshToken()


@dataclass(frozen=True, slots=True)
class _Asked:
    token: str
    device_key: str | None
    place: Client
    now: datetime


@dataclass(frozen=True, slots=True)
class _Found:
    """A refresh token as it is stored, and how its session stands."""

    token_id: UUID
    used_at: datetime | None
    expires_at: datetime
    device_key: str | None
    standing: Standing


# Built once, as they run for every refresh. Used tokens and ended families are looked up as well: they
# are what reuse looks like.
_LOOK_UP: Final = (
    select(
        RefreshToken.id.label("token_id"),
        RefreshToken.used_at.label("token_used_at"),
        RefreshToken.expires_at.label("token_expires_at"),
        AuthSession.device_key,
        *COLUMNS,
    )
    .join(AuthSession, AuthSession.id == RefreshToken.family_id)
    .outerjoin(AppUser, AppUser.id == AuthSession.user_id)
    .outerjoin(RoleMembership, RoleMembership.subject == AuthSession.user_id)
    .where(RefreshToken.hash == bindparam("token_hash"))
    .order_by(RoleMembership.role, RoleMembership.id)
)
_TAKE: Final = (
    update(RefreshToken)
    .where(RefreshToken.id == bindparam("token"), RefreshToken.used_at.is_(None))
    .values(used_at=bindparam("now"))
)
_USED: Final = (
    update(AuthSession).where(AuthSession.id == bindparam("session")).values(used_at=bindparam("now"))
)
_SUCCESSOR: Final = insert(RefreshToken)


def _look_up(session: Session, token: str) -> _Found:
    rows = session.connection().execute(_LOOK_UP, {"token_hash": refresh_hash(token)}).all()
    if not rows:
        raise InvalidRefreshToken
    first = rows[0]
    return _Found(
        first.token_id, first.token_used_at, first.token_expires_at, first.device_key, standing_in(rows)
    )


def _take(session: Session, found: _Found, asked: _Asked) -> bool:
    """Use the token up, if it can be; of any number of callers one is told yes."""
    if found.used_at is not None or found.expires_at <= asked.now or not found.standing.is_open(asked.now):
        return False
    _check_device(found, asked)
    taken = session.connection().execute(_TAKE, {"token": found.token_id, "now": asked.now})
    return bool(taken.rowcount)


def _check_device(found: _Found, asked: _Asked) -> None:
    if found.device_key is not None and found.device_key != asked.device_key:
        raise InvalidDeviceProof


def _derived(key: Secret, token: str, successor_id: UUID) -> str:
    """Return the successor of a token: known to whoever has the key and the token, stored nowhere."""
    stretched = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE + successor_id.bytes + token.encode())
    return refresh_text(stretched.derive(key.reveal()))
