"""The list of contacts that get no notices any more: bounced, complained, unsubscribed."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import Boolean, Index, LargeBinary, String, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from nerava.identity.message_store import MessageJob, MessageKind
from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

DELIVERED: Final = "delivered"
SUPPRESSED: Final = "suppressed"


class SuppressedContact(Base):
    """A contact that nothing arrives at, or that does not want to hear from us.

    Attributes:
        contact_ix: Its keyed hash; the contact itself is nowhere here.
        reason: What was heard, as one word.
        code_tried: Whether a code was sent all the same since; there is one more try.
    """

    __tablename__ = "suppressed_contact"
    __table_args__ = (Index("uq_suppressed_contact_contact_ix", "contact_ix", unique=True),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    contact_ix: Mapped[bytes] = mapped_column(LargeBinary(32))
    reason: Mapped[str] = mapped_column(String(60))
    code_tried: Mapped[bool] = mapped_column(Boolean())
    since: Mapped[datetime] = mapped_column(UtcDateTime())


def suppress(session: Session, contact_ix: bytes, reason: str, now: datetime) -> None:
    """Send a contact no notices from now on. Repeats safely; the first reason stands."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {
        "id": new_id(),
        "contact_ix": contact_ix,
        "reason": reason[:60],
        "code_tried": False,
        "since": now,
    }
    session.execute(dialect.insert(SuppressedContact).values(row).on_conflict_do_nothing())


def is_held_back(session: Session, job: MessageJob) -> bool:
    """Return whether a message is not sent because of its contact; the one more try of a code is used up."""
    mine = SuppressedContact.contact_ix == job.contact_ix
    tried = session.scalar(select(SuppressedContact.code_tried).where(mine))
    if tried is None:
        return False
    if job.kind != MessageKind.NOTICE.value and (not tried or job.attempts > 1):
        session.execute(update(SuppressedContact).where(mine).values(code_tried=True))
        return False
    return True


def hear(session: Session, provider_id: str, receipt: str, now: datetime, *, suppresses: str | None) -> bool:
    """Note what a provider says became of a message; False if it is about none that we know (yet).

    Arrived and then bounced is bounced, in whatever order it is told.
    """
    found = session.scalars(
        select(MessageJob).where(MessageJob.provider_id == provider_id).with_for_update()
    ).one_or_none()
    if found is None:
        return False
    if found.receipt in {None, DELIVERED}:
        found.receipt = receipt[:20]
    if suppresses is not None:
        suppress(session, found.contact_ix, suppresses, now)
    session.flush()
    return True


def suppressed(session: Session, contact_ixs: Sequence[bytes]) -> list[SuppressedContact]:
    """Return what is known of contacts that get no notices."""
    query = select(SuppressedContact).where(SuppressedContact.contact_ix.in_(contact_ixs))
    return list(session.scalars(query.order_by(SuppressedContact.id)))
