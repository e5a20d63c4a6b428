"""Tables of what the watch over the books has found, of when it looked, and of when all was proven."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Table, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType
from nerava.platform.db.roles import TableRights
from nerava.platform.db.strict import BIG, ID, STRICT, TEXT

alarm: Final = Table(
    "alarm",
    Base.metadata,
    Column("id", ID, primary_key=True),
    Column("name", TEXT, nullable=False),
    Column("about", TEXT, nullable=False),
    Column("detail", TEXT, nullable=False),
    Column("first_seen_at", UtcDateTime(), nullable=False),
    Column("last_seen_at", UtcDateTime(), nullable=False),
    Column("over_at", UtcDateTime()),
    **STRICT,
)
"""`name` is the check's; over_at is when a look did not find it any more."""

Index(
    "uq_alarm_open",
    alarm.c.name,
    alarm.c.about,
    unique=True,
    postgresql_where=alarm.c.over_at.is_(None),
    sqlite_where=alarm.c.over_at.is_(None),
)

watch: Final = Table(
    "alarm_look",
    Base.metadata,
    Column("scope", TEXT, primary_key=True),
    Column("looked_at", UtcDateTime(), nullable=False),
    Column("took_ms", BIG, nullable=False),
    **STRICT,
)
"""One row for each kind of look, that of the last time."""

_OPEN: Final = text("next_at IS NOT NULL")
_WAITING: Final = text("began_at IS NULL")


class BookProof(Base):
    """All of the books read from end to end, once: every invariant, and the hash chain computed again.

    `next_at` is when somebody may take it on: once it was, an hour later, should whoever did be gone.
    `transfers` is how many were read and `broken` how much was wrong; what that was are alarms.
    """

    __tablename__ = "book_proof"
    __table_args__: Any = (
        CheckConstraint("(ended_at IS NULL) = (next_at IS NOT NULL)", name="open_is_due"),
        CheckConstraint(
            "(ended_at IS NULL) = (transfers IS NULL) AND (ended_at IS NULL) = (broken IS NULL)",
            name="ended_has_result",
        ),
        CheckConstraint("ended_at IS NULL OR began_at IS NOT NULL", name="begins_before_it_ends"),
        CheckConstraint("transfers >= 0 AND broken >= 0", name="counted"),
        Index("ix_book_proof_due", "next_at", sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_book_proof_waiting", "id", sqlite_where=_WAITING, postgresql_where=_WAITING),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    began_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    transfers: Mapped[int | None] = mapped_column(BigInteger())
    broken: Mapped[int | None] = mapped_column(BigInteger())


RIGHTS: Final = (
    TableRights(alarm.name, updates=("detail", "last_seen_at", "over_at")),
    TableRights(watch.name, updates=("looked_at", "took_ms")),
    TableRights(BookProof.__tablename__, updates=("next_at", "began_at", "ended_at", "transfers", "broken")),
)
"""For `grant_application_role`: an alarm is never forgotten, nor a proof."""
