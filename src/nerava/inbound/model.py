"""The table of what providers told us; it is also the queue of what is still to be worked on."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, LeftForLater, UtcDateTime, UUIDType


class EventState(StrEnum):
    """What became of an event."""

    RECEIVED = "received"
    RETRY = "retry"
    DONE = "done"
    IGNORED = "ignored"
    """Nobody works on this kind."""
    DEAD = "dead"
    """Tried for a day; a person must look."""


WAITING: Final = (EventState.RECEIVED, EventState.RETRY)
_STATES: Final = ", ".join(f"'{one.value}'" for one in EventState)
_WAITING: Final = text("state IN ('received', 'retry')")


class InboundEvent(LeftForLater, Base):
    """One event of one provider, stored once. Its body is sealed, and wiped when it is old."""

    __tablename__ = "inbound_event"
    __table_args__ = (
        UniqueConstraint("provider", "account", "event_id"),
        CheckConstraint(f"state IN ({_STATES})", name="state_known"),
        CheckConstraint("(state IN ('received', 'retry')) = (due_at IS NOT NULL)", name="waiting_is_due"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index("ix_inbound_event_due", "due_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
        Index(None, "received_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    event_id: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(120))
    object_id: Mapped[str] = mapped_column(String(255))
    created_s: Mapped[int] = mapped_column(BigInteger())
    body: Mapped[bytes | None] = mapped_column(LargeBinary())
    body_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer())
    trouble: Mapped[str | None] = mapped_column(String(120))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
