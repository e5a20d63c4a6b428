"""The tables of what customer records elsewhere are told: who is known there, and what waits to be told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime, UUIDType

_DUE: Final = text("next_at IS NOT NULL")


class CrmContactState(StrEnum):
    """How somebody stands in the records elsewhere."""

    WANTED = "wanted"
    """To be written there, for the first time or again."""
    KEPT = "kept"
    LEAVING = "leaving"
    """To be removed there; then the row goes, too."""
    PARKED = "parked"
    """The other side does not take them; a person has to look."""


class CrmEventState(StrEnum):
    """What became of something to be told; what was told has no row any more."""

    WAITING = "waiting"
    UNKNOWN = "unknown"
    """It may have been told; events cannot be told twice, so it is not told again."""
    PARKED = "parked"


def _one_of(words: type[StrEnum]) -> str:
    return f"state IN ({', '.join(repr(one.value) for one in words)})"


class CrmContact(Base):
    """A user who is, or shall be, in the records elsewhere; at most one address, sealed and not for long.

    The row outlives the user's erasure until the other side has forgotten them, too.

    Attributes:
        remote_id: The other side's name for them; an address may change, this does not.
        sealed: The address under which they were sent, while the answer that names them is missing.
        for_good: Whether the other side has to erase them, and not only to remove them.
        fence: Grows with every lease and every change of mind; who was overtaken writes nothing.
    """

    __tablename__ = "crm_contact"
    __table_args__ = (
        CheckConstraint(_one_of(CrmContactState), name="state_known"),
        CheckConstraint("(state IN ('wanted', 'leaving')) = (next_at IS NOT NULL)", name="due_while_work"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index("ix_crm_contact_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
    )

    user_id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    remote_id: Mapped[str | None] = mapped_column(String(40))
    state: Mapped[str] = mapped_column(String(8))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary())
    for_good: Mapped[bool] = mapped_column(Boolean())
    attempts: Mapped[int] = mapped_column(SmallInteger())
    trouble: Mapped[str | None] = mapped_column(String(60))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    fence: Mapped[int] = mapped_column(BigInteger())
    since: Mapped[datetime] = mapped_column(UtcDateTime())


class CrmEvent(Base):
    """Something that happened to a user and that the records elsewhere are to be told once.

    Attributes:
        id: Of the event in the outbox.
        properties: What is told besides; only what is on the list of what may leave.
    """

    __tablename__ = "crm_event"
    __table_args__ = (
        CheckConstraint(_one_of(CrmEventState), name="state_known"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting_is_due"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index("ix_crm_event_due", "next_at", sqlite_where=_DUE, postgresql_where=_DUE),
        Index("ix_crm_event_user_id", "user_id"),
        Index("ix_crm_event_happened_at", "happened_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    name: Mapped[str] = mapped_column(String(60))
    properties: Mapped[dict[str, Any]] = mapped_column(JSON())
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime())
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(SmallInteger())
    trouble: Mapped[str | None] = mapped_column(String(60))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    fence: Mapped[int] = mapped_column(BigInteger())
