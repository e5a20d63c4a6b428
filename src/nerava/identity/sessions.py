"""Sessions: how a sign-in becomes tokens, and how it ends."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from nerava.audit import ActorKind, Entry, record
from nerava.identity.cookies import issue_cookie
from nerava.identity.roles import SCOPES, Role
from nerava.identity.session_store import AuthSession, Ended, RefreshToken, Revocation, SessionKind
from nerava.identity.standing import Standing, standing_of
from nerava.identity.user_store import lock_user
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from nerava.identity.tokens import AccessTokens

PREFIX: Final = "nvr_"
IDLE_LIFE: Final = timedelta(days=30)
"""How long a refresh token waits for its use."""

PASSKEY: Final = "passkey"
OPS_LINK: Final = "ops-link"
AS_PASSKEYS: Final = frozenset({PASSKEY, OPS_LINK})
"""Methods that count as a passkey; links of ops exist only where no production rules hold."""

STRONG_METHODS: Final = AS_PASSKEYS | {"totp"}
"""Methods that give the assurance `strong`; every other one gives `low`."""


_LAST_USED_FIRST: Final = (AuthSession.used_at.desc(), AuthSession.id.desc())


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
class EndedBy:
    """Who ends a session, for the audit log.

    Attributes:
        reason: Why, in the words of somebody of ops; users give none.
    """

    kind: ActorKind
    id: str
    role: str | None = None
    session_id: UUID | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What somebody who signed in gets.

    Attributes:
        refresh_token: Shown this once; only its SHA-256 is kept. A browser's session has none.
        cookie: The value of a browser's cookie; empty for every other session.
        expires_in: Seconds that the access token lives.
    """

    access_token: str
    refresh_token: str
    session_id: UUID
    expires_in: int
    cookie: str = ""


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
        life: timedelta | None = None,
        kind: SessionKind = SessionKind.APP,
    ) -> Opened:
        """Open a session for somebody who has just proved who they are, and return its tokens.

        `amr` names how: `sms`, `email`, `link`, `google`, `apple`, `totp`, `passkey`. The access
        token covers what the user's roles may do; they are read in this transaction. Where the
        user has as many sessions as allowed, the ones unused for longest end. Twice is two sessions.
        `life` ends the session earlier than others of its kind. A session of a browser has a cookie
        and no refresh token.
        """
        row = self.begin(session, user_id, kind, amr=amr, client=client or Client(), now=now)
        row.expires_at = row.expires_at if life is None else min(row.expires_at, now + life)
        row.device_key = None if device is None else device.key
        standing = standing_of(session, row.id)
        if standing is None:
            raise AssertionError("the session was written a moment ago")
        if kind is not SessionKind.APP:
            return replace(self.opened(standing, ""), cookie=issue_cookie(session, row.id, now))
        secret = refresh_text(secrets.token_bytes(32))
        session.add(
            RefreshToken(
                id=new_id(),
                family_id=row.id,
                hash=refresh_hash(secret),
                issued_at=now,
                expires_at=min(now + IDLE_LIFE, row.expires_at),
            )
        )
        return self.opened(standing, secret)

    def open_command(
        self, session: Session, subject: UUID, role: Role, now: datetime, *, as_passkey: bool = False
    ) -> str:
        """Open a session that lives as long as one access token, for one role, and return that token.

        With `as_passkey` it counts as opened with a passkey; never so where production rules hold.
        """
        shown_at = now if as_passkey else None
        row = AuthSession(
            id=new_id(),
            user_id=subject,
            kind=SessionKind.COMMAND.value,
            client="command",
            methods="command",
            opened_at=now,
            authenticated_at=now,
            strong_at=shown_at,
            passkey_at=shown_at,
            used_at=now,
            expires_at=now + self._tokens.options.life,
        )
        session.add(row)
        return self._tokens.issue(
            subject, scopes=SCOPES[role], session_id=row.id, methods=["command"], authenticated_at=now
        )

    def list(self, session: Session, user_id: UUID, now: datetime) -> Sequence[AuthSession]:
        """Return the open sessions of a user, the one used last first."""
        return session.scalars(_open_of(user_id, now).order_by(*_LAST_USED_FIRST)).all()

    def end(self, session: Session, session_id: UUID, now: datetime, *, because: Ended, by: EndedBy) -> bool:
        """End one session: refused at once for writes, within a second for reads.

        Returns whether it was still open. Repeats safely.
        """
        return bool(end_sessions(session, [session_id], now, because, by))

    def end_all(
        self,
        session: Session,
        user_id: UUID,
        now: datetime,
        *,
        because: Ended,
        by: EndedBy,
        but: UUID | None = None,
    ) -> int:
        """End every session of a user, except `but`, and return how many were open. Repeats safely."""
        return end_all_of(session, user_id, now, because=because, by=by, but=but)

    def step_up(self, session: Session, session_id: UUID, method: str, now: datetime) -> None:
        """Note that the user has just shown one more method on this session; counts from now on."""
        row = session.get_one(AuthSession, session_id)
        methods = row.methods.split()
        row.methods = " ".join(methods if method in methods else [*methods, method])
        row.authenticated_at = now
        row.strong_at = now if method in STRONG_METHODS else row.strong_at
        row.passkey_at = now if method == PASSKEY else row.passkey_at

    def begin(
        self,
        session: Session,
        user_id: UUID,
        kind: SessionKind,
        *,
        amr: Sequence[str],
        client: Client,
        now: datetime,
    ) -> AuthSession:
        """Add a session of this kind; where the user has too many, the ones unused for longest end.

        Two who sign in at once as one user do it one after the other, so that the number is exact.
        """
        term = TERMS[kind]
        lock_user(session, user_id)
        others = session.scalars(
            _open_of(user_id, now).where(AuthSession.kind == kind.value).order_by(*_LAST_USED_FIRST)
        ).all()
        surplus = [one.id for one in others[term.parallel - 1 :]]
        end_sessions(session, surplus, now, Ended.TOO_MANY, EndedBy(ActorKind.USER, str(user_id)))
        row = AuthSession(
            id=new_id(),
            user_id=user_id,
            kind=kind.value,
            client=client.kind,
            methods=" ".join(amr),
            opened_at=now,
            authenticated_at=now,
            strong_at=now if STRONG_METHODS.intersection(amr) else None,
            passkey_at=now if AS_PASSKEYS.intersection(amr) else None,
            used_at=now,
            expires_at=now + term.life,
        )
        session.add(row)
        session.flush()
        return row

    def opened(self, standing: Standing, secret: str) -> Opened:
        """Return a new access token for a session beside its refresh token."""
        token = self._tokens.issue(
            standing.user_id,
            scopes={scope for one in standing.memberships for scope in SCOPES[one.role]},
            session_id=standing.session_id,
            methods=standing.methods,
            authenticated_at=standing.authenticated_at,
        )
        life_s = int(self._tokens.options.life.total_seconds())
        return Opened(token, secret, standing.session_id, life_s)


def refresh_text(raw: bytes) -> str:
    """Return a refresh token as it is shown once: 256 bits with a prefix that scanners know."""
    return PREFIX + base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def refresh_hash(token: str) -> bytes:
    """Return what is kept of a refresh token; it is random, so a fast hash is enough."""
    return hashlib.sha256(token.encode()).digest()


def end_sessions(session: Session, ids: Sequence[UUID], now: datetime, because: Ended, by: EndedBy) -> int:
    """End these sessions, tell every process, write it down, and return how many were open."""
    ended = 0
    for one in ids:
        changed = session.execute(
            update(AuthSession)
            .where(AuthSession.id == one, AuthSession.ended_at.is_(None))
            .values(ended_at=now, ended_because=because.value)
        )
        if not changed.rowcount:  # type: ignore[attr-defined]  # an UPDATE has a row count
            continue
        session.add(Revocation(id=new_id(), session_id=one, revoked_at=now))
        entry = Entry(
            actor_kind=by.kind,
            actor_id=by.id,
            role=by.role,
            session_id=by.session_id,
            action="session.end",
            object_kind="auth_session",
            object_id=str(one),
            reason=by.reason,
            after={"because": because.value},
        )
        record(session, entry, now)
        ended += 1
    return ended


def end_all_of(
    session: Session, user_id: UUID, now: datetime, *, because: Ended, by: EndedBy, but: UUID | None = None
) -> int:
    """End every session of a user, except `but`, and return how many were open. Repeats safely."""
    found = session.scalars(_open_of(user_id, now)).all()
    return end_sessions(session, [one.id for one in found if one.id != but], now, because, by)


def _open_of(user_id: UUID, now: datetime) -> Select[AuthSession]:
    return select(AuthSession).where(
        AuthSession.user_id == user_id, AuthSession.ended_at.is_(None), AuthSession.expires_at > now
    )
