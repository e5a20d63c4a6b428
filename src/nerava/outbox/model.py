"""The tables of events and of those who read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Identity,
    Index,
    Integer,
    SmallInteger,
    String,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, LeftForLater, UtcDateTime, UUIDType

_OF_NOBODY_ELSE: Final = (
    "driver_id IS NULL AND merchant_id IS NULL AND sponsor_id IS NULL AND partner_id IS NULL"
)


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class OutboxEvent(LeftForLater, Base):
    """Something that happened, written in the transaction in which it happened; never changed.

    Attributes:
        number: Given by the database as the row is written: of two events about one subject the later
            has the greater, because whoever changes the subject waits for its row.
        position: Given after the commit, without gaps: readers go by it and cannot miss a transaction
            that took longer than a later one.
        id: Names the event wherever it is told.
        fact: What happens once, where several causes may tell it.
        data: What is told, as JSON text; ids and states, nothing about a person.
    """

    __tablename__ = "outbox_event"
    __table_args__ = (
        Index("ix_outbox_event_unordered", "number", **_where("position IS NULL")),
        Index("uq_outbox_event_position", "position", unique=True, **_where("position IS NOT NULL")),
        Index("uq_outbox_event_fact", "fact", unique=True, **_where("fact IS NOT NULL")),
        Index("ix_outbox_event_driver_id", "driver_id", **_where("driver_id IS NOT NULL")),
        Index("ix_outbox_event_user", "subject_id", **_where(_OF_NOBODY_ELSE)),
        CheckConstraint("version > 0", name="version_positive"),
    )

    number: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer(), "sqlite"), Identity(always=True), primary_key=True
    )
    position: Mapped[int | None] = mapped_column(BigInteger())
    id: Mapped[UUID] = mapped_column(UUIDType())
    fact: Mapped[UUID | None] = mapped_column(UUIDType())
    type: Mapped[str] = mapped_column(String(60))
    version: Mapped[int] = mapped_column(SmallInteger())
    subject_id: Mapped[UUID] = mapped_column(UUIDType())
    driver_id: Mapped[UUID | None] = mapped_column(UUIDType())
    merchant_id: Mapped[UUID | None] = mapped_column(UUIDType())
    sponsor_id: Mapped[UUID | None] = mapped_column(UUIDType())
    partner_id: Mapped[UUID | None] = mapped_column(UUIDType())
    # Not JSONB: nobody looks into it in SQL, and text is written in half the time.
    data: Mapped[dict[str, Any]] = mapped_column(JSON())
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime())


class OutboxHead(Base):
    """The position of the newest event that has one: a single row, whose lock is the turn to give some."""

    __tablename__ = "outbox_head"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(SmallInteger(), primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(BigInteger())


class OutboxConsumer(Base):
    """How far a reader of ours is. Each has its own row, so that none waits for another.

    Attributes:
        fence: Grows with every lease; who was overtaken finds another one and writes nothing.
        next_at: Not before; set when the other side wants no more for now.
        trouble: Why it stands still, as one word.
    """

    __tablename__ = "outbox_consumer"
    __table_args__ = (CheckConstraint("position >= 0", name="position_counted"),)

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger())
    fence: Mapped[int] = mapped_column(BigInteger())
    next_at: Mapped[datetime] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    trouble: Mapped[str | None] = mapped_column(String(60))
