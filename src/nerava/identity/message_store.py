"""The table of messages that wait to be sent, and every statement that changes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    delete,
    or_,
    select,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, object_session

from nerava.platform.db import Base, LeftForLater, UtcDateTime, UUIDType
from nerava.platform.metrics.catalogue import MESSAGES
from nerava.platform.metrics.tally import tally

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy.orm import Session

LEASE: Final = timedelta(seconds=30)
"""How long a worker has for a message before another one takes it."""

ATTEMPTS_MAX: Final = 3
KEPT: Final = timedelta(days=7)
_WAITING: Final = text("state = 'waiting'")


class MessageState(StrEnum):
    """What became of a message; when it is over, its text is gone."""

    WAITING = "waiting"
    SENT = "sent"
    MUTED = "muted"
    """It was never meant to be sent: nobody must see from outside that it was not."""
    LATE = "late"
    FAILED = "failed"


class MessageKind(StrEnum):
    """What a message is for."""

    CODE = "code"
    """Somebody waits for it: a code, a link, an invitation. Sent twice at most where it may have arrived."""
    NOTICE = "notice"
    VERIFY = "verify"
    """A code that somebody else makes and writes; what we would say is not sent."""


_STATES: Final = ", ".join(f"'{one.value}'" for one in MessageState)


class MessageJob(LeftForLater, Base):
    """A message to one contact. Address and text are sealed, and wiped when the job is over.

    Attributes:
        provider_id: The provider's name for it, by which is told what became of it.
        trouble: Why it was not sent, or not yet, as one word.
        receipt: What the provider told later: accepted is not delivered.
    """

    __tablename__ = "message_job"
    __table_args__ = (
        CheckConstraint("channel IN ('sms', 'email')", name="channel_known"),
        CheckConstraint(f"state IN ({_STATES})", name="state_known"),
        CheckConstraint("(state = 'waiting') = (sealed IS NOT NULL)", name="over_is_wiped"),
        CheckConstraint("(state = 'waiting') = (done_at IS NULL)", name="over_since"),
        CheckConstraint(f"attempts BETWEEN 0 AND {ATTEMPTS_MAX}", name="attempts_bounded"),
        Index(
            "ix_message_job_waiting",
            "due_at",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        Index(
            "ix_message_job_provider_id",
            "provider_id",
            sqlite_where=text("provider_id IS NOT NULL"),
            postgresql_where=text("provider_id IS NOT NULL"),
        ),
        Index(None, "contact_ix"),
        Index(None, "created_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    channel: Mapped[str] = mapped_column(String(16))
    contact_ix: Mapped[bytes] = mapped_column(LargeBinary(32))
    state: Mapped[str] = mapped_column(String(16))
    is_muted: Mapped[bool] = mapped_column(Boolean())
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary())
    attempts: Mapped[int] = mapped_column(SmallInteger())
    due_at: Mapped[datetime] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    kind: Mapped[str] = mapped_column(String(6), server_default=text("'code'"))
    provider_id: Mapped[str | None] = mapped_column(String(120))
    trouble: Mapped[str | None] = mapped_column(String(60))
    receipt: Mapped[str | None] = mapped_column(String(20))


def lease(session: Session, now: datetime, *, channels: Iterable[str], limit: int) -> list[MessageJob]:
    """Take messages that are due, the oldest first, for 30 seconds; other workers do not see them so long.

    One that was taken three times already and not finished is given up and not returned.
    """
    free = or_(MessageJob.leased_until.is_(None), MessageJob.leased_until <= now)
    due = (
        select(MessageJob)
        .where(
            MessageJob.state == MessageState.WAITING,
            MessageJob.due_at <= now,
            MessageJob.channel.in_(list(channels)),
            free,
        )
        .order_by(MessageJob.due_at, MessageJob.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    taken = []
    for job in session.scalars(due):
        if job.attempts >= ATTEMPTS_MAX:
            end(job, MessageState.FAILED, now)
            continue
        job.leased_until = now + LEASE
        job.attempts += 1
        taken.append(job)
    return taken


def end(job: MessageJob, state: MessageState, now: datetime) -> None:
    """End a message of this transaction and wipe it."""
    job.state, job.sealed, job.done_at, job.leased_until = state.value, None, now, None
    session = object_session(job)
    if session is not None:
        tally(session, MESSAGES, job.channel, state.value)


def leased(session: Session, job_id: UUID, leased_until: datetime) -> MessageJob | None:
    """Return a message, locked, if the lease is still the one that was given; None if another has it."""
    query = (
        select(MessageJob)
        .where(MessageJob.id == job_id, MessageJob.leased_until == leased_until)
        .with_for_update()
    )
    return session.scalars(query).one_or_none()


def purge(session: Session, now: datetime) -> int:
    """Delete messages seven days after they were written and return how many."""
    gone = session.execute(
        delete(MessageJob).where(MessageJob.created_at < now - KEPT).returning(MessageJob.id)
    )
    return len(gone.all())
