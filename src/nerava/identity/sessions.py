"""Sessions: how a sign-in becomes tokens, and how it ends."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from nerava.identity.roles import SCOPES, Membership, Role
from nerava.identity.service import roles_of
from nerava.identity.session_store import AuthSession, Ended, RefreshToken, Revocation, SessionKind
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.tokens import AccessTokens

PREFIX: Final = "nvr_"
IDLE_LIFE: Final = timedelta(days=30)
"""How long a refresh token waits for its use."""

PASSKEY: Final = "passkey"
STRONG_METHODS: Final = frozenset({PASSKEY, "totp"})
"""Methods that give the assurance `strong`; every other one gives `low`."""


@dataclass(frozen=True, slots=True)
class Term:
    """How long sessions of one kind last at most, and how many of them one user may have."""

    life: timedelta
    parallel: int


TERMS: Final = {
    SessionKind.APP: Term(timedelta(days=90), 10),
    SessionKind.WEB_DRIVER: Term(timedelta(days=90), 10),
    SessionKind.WEB_MERCHANT: Term(timedelta(days=7), 5),
    SessionKind.WEB_REGISTER: Term(timedelta(hours=12), 1),
    SessionKind.WEB_SPONSOR: Term(timedelta(hours=24), 3),
    SessionKind.WEB_OPS: Term(timedelta(hours=8), 2),
}


@dataclass(frozen=True, slots=True)
class Device:
    """The device of a sign-in.

    Attributes:
        key: RFC 7638 thumbprint of a key that the device has proved to hold; its refresh tokens
            are then worth nothing to anybody else.
    """

    key: str


@dataclass(frozen=True, slots=True)
class Client:
    """What is known about the asking program: coarse on purpose, so that it describes nobody.

    Attributes:
        kind: `ios`, `android`, `web`, `command` or `unknown`.
        ip_prefix: The /24 or /48 it asks from, for the audit log.
    """

    kind: str = "unknown"
    ip_prefix: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What somebody who signed in gets.

    Attributes:
        refresh_token: Shown this once; only its SHA-256 is kept.
        expires_in: Seconds that the access token lives.
    """

    access_token: str
    refresh_token: str
    session_id: UUID
    expires_in: int


class Sessions:
    """Opens, lists and ends the sessions of users. Safe to share between threads."""

    def __init__(self, tokens: AccessTokens) -> None:
        self._tokens = tokens

    def open(
        self,
        session: Session,
        user_id: UUID,
        *,
        amr: Sequence[str],
        now: datetime,
        device: Device | None = None,
        client: Client | None = None,
    ) -> Opened:
        """Open a session for somebody who has just proved who they are, and return its tokens.

        `amr` names how: `sms`, `email`, `link`, `google`, `apple`, `totp`, `passkey`. The access
        token covers what the user's roles may do; they are read in this transaction. Where the
        user has as many sessions as allowed, the ones unused for longest end. Twice is two sessions.
        """
        row = self._begin(session, user_id, SessionKind.APP, amr=amr, client=client or Client(), now=now)
        row.device_key = None if device is None else device.key
        session.add(row)
        session.flush()
        secret = PREFIX + base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
        session.add(
            RefreshToken(
                id=new_id(),
                family_id=row.id,
                hash=hashlib.sha256(secret.encode()).digest(),
                issued_at=now,
                expires_at=min(now + IDLE_LIFE, row.expires_at),
            )
        )
        return self._opened(session, row, secret)

    def open_command(self, session: Session, subject: UUID, role: Role, now: datetime) -> str:
        """Open a session that lives as long as one access token, for one role, and return that token."""
        row = AuthSession(
            id=new_id(),
            user_id=subject,
            kind=SessionKind.COMMAND.value,
            client="command",
            methods="command",
            opened_at=now,
            authenticated_at=now,
            used_at=now,
            expires_at=now + self._tokens.options.life,
        )
        session.add(row)
        return self._token(row, SCOPES[role])

    def end(self, session: Session, session_id: UUID, now: datetime, *, because: Ended) -> bool:
        """End one session: refused at once for writes, within a second for reads.

        Returns whether it was still open. Repeats safely.
        """
        return bool(_end(session, [session_id], now, because))

    def end_all(
        self, session: Session, user_id: UUID, now: datetime, *, because: Ended, but: UUID | None = None
    ) -> int:
        """End every session of a user, except `but`, and return how many were open. Repeats safely."""
        found = session.scalars(
            select(AuthSession.id).where(AuthSession.user_id == user_id, AuthSession.ended_at.is_(None))
        )
        return _end(session, [one for one in found if one != but], now, because)

    def _begin(
        self,
        session: Session,
        user_id: UUID,
        kind: SessionKind,
        *,
        amr: Sequence[str],
        client: Client,
        now: datetime,
    ) -> AuthSession:
        term = TERMS[kind]
        open_ones = session.scalars(
            select(AuthSession.id)
            .where(
                AuthSession.user_id == user_id,
                AuthSession.kind == kind.value,
                AuthSession.ended_at.is_(None),
                AuthSession.expires_at > now,
            )
            .order_by(AuthSession.used_at.desc(), AuthSession.id.desc())
        ).all()
        _end(session, open_ones[term.parallel - 1 :], now, Ended.TOO_MANY)
        return AuthSession(
            id=new_id(),
            user_id=user_id,
            kind=kind.value,
            client=client.kind,
            methods=" ".join(amr),
            opened_at=now,
            authenticated_at=now,
            strong_at=now if STRONG_METHODS.intersection(amr) else None,
            passkey_at=now if PASSKEY in amr else None,
            used_at=now,
            expires_at=now + term.life,
        )

    def _opened(self, session: Session, row: AuthSession, secret: str) -> Opened:
        scopes = scopes_of(roles_of(session, row.user_id))
        life_s = int(self._tokens.options.life.total_seconds())
        return Opened(self._token(row, scopes), secret, row.id, life_s)

    def _token(self, row: AuthSession, scopes: Iterable[str]) -> str:
        return self._tokens.issue(
            row.user_id,
            scopes=scopes,
            session_id=row.id,
            methods=row.methods.split(),
            authenticated_at=row.authenticated_at,
        )


def scopes_of(memberships: Iterable[Membership]) -> frozenset[str]:
    """Return everything that these roles may be used for."""
    return frozenset(scope for one in memberships for scope in SCOPES[one.role])


def _end(session: Session, ids: Sequence[UUID], now: datetime, because: Ended) -> int:
    ended = 0
    for one in ids:
        changed = session.execute(
            update(AuthSession)
            .where(AuthSession.id == one, AuthSession.ended_at.is_(None))
            .values(ended_at=now, ended_because=because.value)
        )
        if changed.rowcount:  # type: ignore[attr-defined]  # an UPDATE has a row count
            session.add(Revocation(id=new_id(), session_id=one, revoked_at=now))
            ended += 1
    return ended
