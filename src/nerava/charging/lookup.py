"""Finds a charging session by the name that its source gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select

from nerava.charging.model import ChargingSession
from nerava.charging.queries import SessionView, session_view

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_S: Final[Any] = ChargingSession.__table__


def session_known_as(session: Session, source: str, reference: str) -> SessionView | None:
    """Return the session that a source knows by this reference, or None."""
    known = select(_S.c.id).where(_S.c.source == source, _S.c.reference == reference)
    session_id = session.scalar(known)
    return None if session_id is None else session_view(session, session_id)
