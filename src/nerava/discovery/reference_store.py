"""The rows behind enrichment: under which id another directory knows a place of ours. No content of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Double, ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime, UUIDType


class PlaceReference(Base):
    """What may be kept of a directory: its id of a place without limit, and the position for 30 days.

    `reference` is None where the directory was asked and has no such place. Until `dead_until` it is
    not asked again; `checked_at` is when the id was last seen to be good.
    """

    __tablename__ = "place_reference"
    __table_args__ = (
        CheckConstraint("(latitude IS NULL) = (position_at IS NULL)", name="position_has_instant"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="coordinates_whole"),
        CheckConstraint("reference IS NOT NULL OR dead_until IS NOT NULL", name="nothing_is_dated"),
    )

    place_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("place.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(40), primary_key=True)
    reference: Mapped[str | None] = mapped_column(String(400))
    latitude: Mapped[float | None] = mapped_column(Double())
    longitude: Mapped[float | None] = mapped_column(Double())
    position_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    checked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    dead_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
