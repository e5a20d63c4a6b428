"""Tables of the grid: regions, what a kilowatt-hour emits in them, tariffs, regions of sites and sessions."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType

TARIFFS: Final = "tariffs"
"""In place of a signal, where tariffs are read."""

_READ_FOR: Final = "signal IN ('marginal', 'average', 'tariffs')"


class GridRegion(Base):
    """A part of the grid as one source names it, for one signal or for tariffs.

    `next_at` is when it is read next; while somebody reads it, when somebody else may.
    """

    __tablename__ = "grid_region"
    __table_args__ = (
        UniqueConstraint("source", "name", "signal"),
        CheckConstraint(_READ_FOR, name="signal_known"),
        Index("ix_grid_region_next", "next_at", "id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(40))
    name: Mapped[str] = mapped_column(String(80))
    signal: Mapped[str] = mapped_column(String(8))
    read_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class GridCarbon(Base):
    """What a kilowatt-hour emits between two instants, in milligrams of CO2.

    A settled value is never changed: a correction is a further `edition`, and the latest counts. Of a
    forecast the last one is kept, as edition 1, beside the settled value that replaces it.
    """

    __tablename__ = "grid_carbon"
    __table_args__ = (
        CheckConstraint("ends_at > starts_at", name="ends_after_start"),
        CheckConstraint("mg_per_kwh >= 0", name="not_negative"),
        CheckConstraint("edition > 0", name="edition_positive"),
    )

    region_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("grid_region.id"), primary_key=True)
    starts_at: Mapped[datetime] = mapped_column(UtcDateTime(), primary_key=True)
    is_settled: Mapped[bool] = mapped_column(primary_key=True)
    edition: Mapped[int] = mapped_column(Integer(), primary_key=True)
    ends_at: Mapped[datetime] = mapped_column(UtcDateTime())
    mg_per_kwh: Mapped[int] = mapped_column(Integer())
    fetched_at: Mapped[datetime] = mapped_column(UtcDateTime())


class GridSite(Base):
    """In which region a charging location lies; none where its source knows none there."""

    __tablename__ = "grid_site"
    __table_args__ = (CheckConstraint(_READ_FOR, name="signal_known"),)

    location_id: Mapped[UUID] = mapped_column(
        UUIDType(), ForeignKey("charging_location.id"), primary_key=True
    )
    signal: Mapped[str] = mapped_column(String(8), primary_key=True)
    region_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("grid_region.id"), index=True)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())


class GridSession(Base):
    """A session that was decided by what the grid emits, with the region of that moment, for good.

    `digest` is of the values it was decided by. `next_at` is when it is looked at whether they are
    still those: while some are missing, and whenever one of them is corrected.
    """

    __tablename__ = "grid_session"
    __table_args__ = (
        CheckConstraint("signal IN ('marginal', 'average')", name="signal_known"),
        Index("ix_grid_session_region_id_started_at", "region_id", "started_at"),
        Index(
            "ix_grid_session_next",
            "next_at",
            "session_id",
            sqlite_where=text("next_at IS NOT NULL"),
            postgresql_where=text("next_at IS NOT NULL"),
        ),
    )

    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"), primary_key=True)
    signal: Mapped[str] = mapped_column(String(8), primary_key=True)
    region_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("grid_region.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime] = mapped_column(UtcDateTime())
    is_final: Mapped[bool] = mapped_column()
    digest: Mapped[str] = mapped_column(String(64))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class GridTariff(Base):
    """One version of a tariff. Dates are local and the last one still counts; prices are decimal text."""

    __tablename__ = "grid_tariff"
    __table_args__ = (
        UniqueConstraint("source", "reference"),
        Index("ix_grid_tariff_utility_name", "utility", "name"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(40))
    reference: Mapped[str] = mapped_column(String(80))
    utility: Mapped[str] = mapped_column(String(120))
    name: Mapped[str] = mapped_column(String(200))
    starts_on: Mapped[str | None] = mapped_column(String(10))
    ends_on: Mapped[str | None] = mapped_column(String(10))
    document: Mapped[dict[str, Any]] = mapped_column(JSONType)
    fetched_at: Mapped[datetime] = mapped_column(UtcDateTime())
