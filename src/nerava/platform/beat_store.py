"""The table of signs of life of the background work: one row for each share, whoever works on it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


class WorkBeat(Base):
    """When some process last worked on a share of the background work."""

    __tablename__ = "work_beat"

    share: Mapped[str] = mapped_column(String(20), primary_key=True)
    beat_at: Mapped[datetime] = mapped_column(UtcDateTime())


def beat(session: Session, share: str, now: datetime) -> None:
    """Note that a share is worked on. Repeats safely."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    statement = dialect.insert(WorkBeat).values(share=share, beat_at=now)
    session.execute(statement.on_conflict_do_update(index_elements=["share"], set_={"beat_at": now}))


def beats(session: Session) -> dict[str, datetime]:
    """Return when each share was last worked on; those never worked on are missing."""
    rows = session.execute(select(WorkBeat.share, WorkBeat.beat_at))
    return {row.share: row.beat_at for row in rows}
