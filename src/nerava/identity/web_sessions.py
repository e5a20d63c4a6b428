"""Sessions of browsers: one cookie of random bits, changed often, worth nothing after a while."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from nerava.identity.cookies import cookie_hash, issue_cookie
from nerava.identity.errors import NotSignedIn, SessionEnded
from nerava.identity.roles import Role
from nerava.identity.session_store import AuthSession, SessionKind, WebSession
from nerava.identity.standing import OPS_IDLE_LIFE, Standing, standing_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.sessions import Client, Sessions

COOKIE: Final = "__Host-nv_s"
VALUE_CHARACTERS: Final = 43
RENEWED_AFTER: Final = timedelta(hours=24)
OVERLAP: Final = timedelta(seconds=10)
"""How long a replaced value still works, for the requests that were on their way."""

IDLE_LIFE: Final = {
    SessionKind.WEB_DRIVER: timedelta(days=30),
    SessionKind.WEB_MERCHANT: timedelta(hours=12),
    SessionKind.WEB_REGISTER: timedelta(hours=12),
    SessionKind.WEB_SPONSOR: timedelta(hours=2),
    SessionKind.WEB_OPS: OPS_IDLE_LIFE,
}

ACTS_AS: Final = {
    SessionKind.WEB_DRIVER: frozenset({Role.DRIVER}),
    SessionKind.WEB_MERCHANT: frozenset({Role.MERCHANT_OWNER, Role.MERCHANT_MANAGER}),
    SessionKind.WEB_REGISTER: frozenset({Role.MERCHANT_REGISTER}),
    SessionKind.WEB_SPONSOR: frozenset({Role.SPONSOR}),
    SessionKind.WEB_OPS: frozenset({Role.OPS_SUPPORT, Role.OPS_FINANCE, Role.OPS_ADMIN}),
}
"""What a user may be in a session of each kind, whatever else they are."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with a cookie that counts.

    Attributes:
        renewed: A new cookie value that the answer must set; None leaves the old one.
    """

    standing: Standing
    renewed: str | None = None


class WebSessions:
    """Opens browser sessions and finds them by their cookie. Safe to share between threads."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    def open(
        self,
        session: Session,
        user_id: UUID,
        kind: SessionKind,
        *,
        amr: Sequence[str],
        client: Client,
        now: datetime,
    ) -> tuple[UUID, str]:
        """Open a session for somebody who has just signed in; return its id and the cookie's value."""
        row = self._sessions.begin(session, user_id, kind, amr=amr, client=client, now=now)
        return row.id, issue_cookie(session, row.id, now)

    def renew(self, session: Session, session_id: UUID, now: datetime) -> str:
        """Return a new cookie value for a session, as after a step-up; the old ones work 10 s more."""
        session.execute(
            update(WebSession)
            .where(WebSession.session_id == session_id, WebSession.replaced_at.is_(None))
            .values(replaced_at=now)
        )
        return issue_cookie(session, session_id, now)

    def visit(self, session: Session, value: str, now: datetime) -> Visit:
        """Return whose session a cookie value belongs to; after a day the value changes.

        Raises:
            NotSignedIn: No such value, or one that was replaced a while ago (401).
            SessionEnded: The session was ended, ran out, or was not used for too long (401).
        """
        found = session.execute(
            select(WebSession.id, WebSession.session_id, WebSession.issued_at, WebSession.replaced_at).where(
                WebSession.hash == cookie_hash(value)
            )
        ).one_or_none()
        if found is None or (found.replaced_at is not None and now - found.replaced_at > OVERLAP):
            raise NotSignedIn
        standing = standing_of(session, found.session_id)
        if standing is None:
            raise AssertionError("a cookie value belongs to a session")
        if not standing.is_open(now) or standing.used_at + IDLE_LIFE[standing.kind] <= now:
            raise SessionEnded
        return Visit(standing)

    def note_use(self, session: Session, value: str, standing: Standing, now: datetime) -> Visit:
        """Note that a session is used, and renew the value of its cookie when it is a day old."""
        session.execute(update(AuthSession).where(AuthSession.id == standing.session_id).values(used_at=now))
        taken = session.execute(
            update(WebSession)
            .where(
                WebSession.hash == cookie_hash(value),
                WebSession.replaced_at.is_(None),
                WebSession.issued_at <= now - RENEWED_AFTER,
            )
            .values(replaced_at=now)
        )
        if not taken.rowcount:  # type: ignore[attr-defined]  # an UPDATE has a row count
            return Visit(standing)
        return Visit(standing, issue_cookie(session, standing.session_id, now))
