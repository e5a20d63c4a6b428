"""The life of a charging session: the only table of which state may follow which."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from nerava.charging.errors import WrongSessionState


class SessionState(StrEnum):
    """Where a session stands. `closed` is also the queue of what has yet to be evaluated."""

    OPEN = "open"
    CLOSED = "closed"
    VERIFIED = "verified"
    REVIEW = "review"
    REJECTED = "rejected"


class SessionEvent(StrEnum):
    """What can happen to a session."""

    CLOSE = "close"
    VERIFY = "verify"
    DOUBT = "doubt"
    REJECT = "reject"
    ATTEST = "attest"
    """Better evidence came: what was decided is decided again, once, with it."""


_NEXT: Final = {
    (SessionState.OPEN, SessionEvent.CLOSE): SessionState.CLOSED,
    (SessionState.CLOSED, SessionEvent.VERIFY): SessionState.VERIFIED,
    (SessionState.CLOSED, SessionEvent.DOUBT): SessionState.REVIEW,
    (SessionState.CLOSED, SessionEvent.REJECT): SessionState.REJECTED,
    (SessionState.REVIEW, SessionEvent.VERIFY): SessionState.VERIFIED,
    (SessionState.REVIEW, SessionEvent.REJECT): SessionState.REJECTED,
    (SessionState.OPEN, SessionEvent.ATTEST): SessionState.OPEN,
    (SessionState.CLOSED, SessionEvent.ATTEST): SessionState.CLOSED,
    (SessionState.VERIFIED, SessionEvent.ATTEST): SessionState.CLOSED,
    (SessionState.REVIEW, SessionEvent.ATTEST): SessionState.CLOSED,
    (SessionState.REJECTED, SessionEvent.ATTEST): SessionState.CLOSED,
}


def transition(state: SessionState, event: SessionEvent) -> SessionState:
    """Return the state that follows.

    Raises:
        WrongSessionState: The event cannot happen in this state (409).
    """
    following = _NEXT.get((state, event))
    if following is None:
        detail = f"a session that is {state} cannot {event}"
        raise WrongSessionState(detail, state=state, event=event)
    return following
