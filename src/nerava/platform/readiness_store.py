"""The row that the readiness check writes."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import CheckConstraint, SmallInteger, insert, update
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class ReadinessProbe(Base):
    """One row that is written again and again, to learn whether the database takes writes."""

    __tablename__ = "readiness_probe"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(SmallInteger(), primary_key=True, autoincrement=False)
    written_at: Mapped[datetime] = mapped_column(UtcDateTime())


def write_probe(session: Session, now: datetime) -> None:
    """Write the row. Repeats safely."""
    changed = session.execute(update(ReadinessProbe).values(written_at=now).returning(ReadinessProbe.id))
    if changed.first() is None:
        session.execute(insert(ReadinessProbe).values(id=1, written_at=now))
