"""Values of session cookies: random bits, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from nerava.identity.session_store import WebSession
from nerava.kernel.ids import new_id

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session


def issue_cookie(session: Session, session_id: UUID, now: datetime) -> str:
    """Return the value of a new cookie for a session of a browser, in the caller's transaction."""
    value = secrets.token_urlsafe(32)
    session.add(WebSession(id=new_id(), session_id=session_id, hash=cookie_hash(value), issued_at=now))
    return value


def cookie_hash(value: str) -> bytes:
    """Return what is kept of a cookie's value; it is random, so a fast hash is enough."""
    return hashlib.sha256(value.encode()).digest()
