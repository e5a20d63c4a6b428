"""What charging sessions were found to be, as events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from uuid import UUID

from nerava.charging.states import SessionState
from nerava.outbox.catalogue import SessionEvent
from nerava.outbox.publishing import publish

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from sqlalchemy.orm import Session

PARTNER: Final = "partner:"
"""How the sources of partners begin; their id follows."""

_TOLD: Final[dict[SessionState, Literal["verified", "under_review", "rejected"]]] = {
    SessionState.VERIFIED: "verified",
    SessionState.REVIEW: "under_review",
    SessionState.REJECTED: "rejected",
}


class Found(NamedTuple):
    """A session and the state that it has now."""

    session_id: UUID
    reference: str
    driver_id: UUID
    source: str
    state: SessionState


def tell(session: Session, found: Iterable[Found], now: datetime) -> None:
    """Publish what sessions were found to be, in the transaction that writes it."""
    publish(session, [_event(one) for one in found], now)


def _event(one: Found) -> SessionEvent:
    is_partners = one.source.startswith(PARTNER)
    return SessionEvent(
        state=_TOLD[one.state],
        session_id=one.session_id,
        reference=one.reference,
        driver_id=one.driver_id,
        partner_id=UUID(one.source.removeprefix(PARTNER)) if is_partners else None,
    )
