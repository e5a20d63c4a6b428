"""Tables of what cars and chargers say by themselves: charges as the car tells them, states of chargers."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType

_OPEN = text("ended_at IS NULL")


class VehicleCharge(Base):
    """One charge as a car tells it, from the first word of it to the last; one open one for each car.

    All instants are the maker's. `session_id` is the charging session that it proves, None while
    nobody knows where it is; `reason` says why, or that the car fell silent. Charge levels are in
    hundredths of a percent, `counted_*_wh` is the car's own count. `due_at` is when it is closed if
    nothing more is heard.
    """

    __tablename__ = "vehicle_charge"
    __table_args__ = (
        CheckConstraint("last_at >= started_at", name="goes_forward"),
        CheckConstraint("(ended_at IS NULL) = (due_at IS NOT NULL)", name="open_is_due"),
        Index(
            "uq_vehicle_charge_open", "vehicle_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN
        ),
        Index(None, "due_at"),
        Index(None, "session_id"),
        Index(None, "driver_id"),
        Index(None, "link_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    vehicle_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("vehicle.id"))
    link_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("vehicle_link.id"))
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    session_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("charging_session.id"))
    source: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str | None] = mapped_column(String(40))
    doubts: Mapped[list[Any]] = mapped_column(JSONType)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    last_at: Mapped[datetime] = mapped_column(UtcDateTime())
    level_first: Mapped[int | None] = mapped_column(Integer())
    level_last: Mapped[int | None] = mapped_column(Integer())
    counted_first_wh: Mapped[int | None] = mapped_column(BigInteger())
    counted_last_wh: Mapped[int | None] = mapped_column(BigInteger())
    samples: Mapped[list[Any]] = mapped_column(JSONType)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class ChargerStatus(Base):
    """What an operator said of an EVSE: in use or not, from an instant on."""

    __tablename__ = "charger_status"
    __table_args__ = (UniqueConstraint("evse_id", "at"), Index(None, "at"))

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    evse_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("evse.id"))
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    in_use: Mapped[bool] = mapped_column()
    source: Mapped[str] = mapped_column(String(80))
