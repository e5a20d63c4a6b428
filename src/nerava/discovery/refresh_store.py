"""The rows behind the reading of charging sites from providers: which square of the map, and when next."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, Integer, SmallInteger, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime


class AreaRefresh(Base):
    """A square of the map that a provider is asked about, or was.

    `zoom` 0 is the whole world: everything that the provider has. `due_at` says when it is asked next,
    and while it is being asked, when somebody else may take over; None where nothing is to be done.
    `attempts` counts since the last success and is the fence: whoever claimed a row and finds another
    number has lost it. `read_at` is when the last success was, `sites` what it brought.
    """

    __tablename__ = "area_refresh"
    __table_args__ = (
        CheckConstraint("zoom BETWEEN 0 AND 20", name="zoom_range"),
        CheckConstraint("attempts >= 0", name="attempts_not_negative"),
        Index(
            "ix_area_refresh_due_at",
            "due_at",
            sqlite_where=text("due_at IS NOT NULL"),
            postgresql_where=text("due_at IS NOT NULL"),
        ),
    )

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    zoom: Mapped[int] = mapped_column(SmallInteger(), primary_key=True)
    map_column: Mapped[int] = mapped_column(Integer(), primary_key=True)
    map_row: Mapped[int] = mapped_column(Integer(), primary_key=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    read_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    attempts: Mapped[int] = mapped_column(Integer())
    trouble: Mapped[str | None] = mapped_column(String(80))
    fingerprint: Mapped[str | None] = mapped_column(String(200))
    sites: Mapped[int | None] = mapped_column(Integer())
