"""The rotation of the data keys: when it began, so that one that was interrupted is gone on with."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import String, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

DATA_KEYS: Final = "data_keys"


class KeyRotation(Base):
    """The latest rotation of one kind of keys; those made before `began_at` are replaced."""

    __tablename__ = "key_rotation"

    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    began_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def begin(session: Session, now: datetime) -> tuple[datetime, bool]:
    """Begin a rotation or go on with the one that is not over; return when it began, and if it goes on."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    fresh = {"kind": DATA_KEYS, "began_at": now, "ended_at": None}
    session.execute(dialect.insert(KeyRotation).values(fresh).on_conflict_do_nothing())
    found = session.scalars(
        select(KeyRotation).with_for_update().execution_options(populate_existing=True)
    ).one()
    if found.ended_at is not None:
        found.began_at, found.ended_at = now, None
        session.flush()
    return found.began_at, found.began_at != now


def interrupted(session: Session) -> datetime | None:
    """Return when the rotation began that is not over; None if there is none."""
    return session.scalar(select(KeyRotation.began_at).where(KeyRotation.ended_at.is_(None)))


def end(session: Session, began_at: datetime, now: datetime) -> None:
    """Note that a rotation is over, unless somebody has begun another one."""
    found = session.get(KeyRotation, DATA_KEYS)
    if found is not None and found.began_at == began_at and found.ended_at is None:
        found.ended_at = now
        session.flush()
