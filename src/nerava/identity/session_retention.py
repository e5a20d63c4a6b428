"""What is kept of sessions, and for how long: nothing that can still sign anybody in is ever deleted."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, select

from nerava.identity import revocation
from nerava.identity.session_store import AuthSession, RefreshToken, WebSession

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

KEPT: Final = timedelta(days=30)
"""How long a session can be looked at after it would have run out; the audit log knows it for longer."""

AT_ONCE: Final = 500


def forget(session: Session, now: datetime) -> int:
    """Delete sessions whose longest life was over 30 days ago, with their tokens, and old revocations.

    Returns how many sessions it were, at most 500. Repeats safely.
    """
    revocation.forget(session, now)
    over = select(AuthSession.id).where(AuthSession.expires_at < now - KEPT).limit(AT_ONCE)
    ids = session.scalars(over).all()
    if ids:
        session.execute(delete(RefreshToken).where(RefreshToken.family_id.in_(ids)))
        session.execute(delete(WebSession).where(WebSession.session_id.in_(ids)))
        session.execute(delete(AuthSession).where(AuthSession.id.in_(ids)))
    return len(ids)
