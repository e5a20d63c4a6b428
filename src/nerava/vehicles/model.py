"""Tables of vehicles: cars, who is linked to them, the way to a link, tokens, and what cars told."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType
from nerava.vehicles.states import ConnectState, LinkEnd, LinkState, TokenState

_LINK_STATES = ", ".join(f"'{one.value}'" for one in LinkState)
_LINK_ENDS = ", ".join(f"'{one.value}'" for one in LinkEnd)
_CONNECT_STATES = ", ".join(f"'{one.value}'" for one in ConnectState)
_TOKEN_STATES = ", ".join(f"'{one.value}'" for one in TokenState)
_HOLDING = text("state IN ('active', 'broken')")
_NOT_ENDED = text("state <> 'ended'")


class Vehicle(Base):
    """A car. Its identification number is kept as a keyed hash alone; None where nobody told it.

    `battery_wh` is the nominal capacity of its battery in watt-hours, None where nobody knows.
    """

    __tablename__ = "vehicle"
    __table_args__ = (CheckConstraint("battery_wh > 0", name="battery_positive"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    vin_ix: Mapped[bytes | None] = mapped_column(LargeBinary(32), unique=True)
    make: Mapped[str] = mapped_column(String(60))
    model: Mapped[str] = mapped_column(String(80))
    year: Mapped[int | None] = mapped_column(SmallInteger())
    battery_wh: Mapped[int | None] = mapped_column(Integer())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class VehicleLink(Base):
    """A driver's consent to one car being read, under the names that the provider has for both.

    A car is held by one link at a time. `not_before` is when the provider lets the car be asked
    again, `next_at` when we want to, None where there is nothing to ask.
    """

    __tablename__ = "vehicle_link"
    __table_args__ = (
        CheckConstraint(f"state IN ({_LINK_STATES})", name="state_known"),
        CheckConstraint("mode IN ('live', 'test')", name="mode_known"),
        CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_at_an_instant"),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_for_a_reason"),
        CheckConstraint(f"ended_because IN ({_LINK_ENDS})", name="ending_known"),
        CheckConstraint("state <> 'ended' OR next_at IS NULL", name="ended_is_not_read"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index(
            "uq_vehicle_link_holding",
            "vehicle_id",
            unique=True,
            sqlite_where=_HOLDING,
            postgresql_where=_HOLDING,
        ),
        Index(
            "uq_vehicle_link_named",
            "provider",
            "account",
            "external_id",
            "driver_id",
            unique=True,
            sqlite_where=_NOT_ENDED,
            postgresql_where=_NOT_ENDED,
        ),
        Index(None, "driver_id"),
        Index(None, "next_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    vehicle_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("vehicle.id"), index=True)
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(80))
    mode: Mapped[str] = mapped_column(String(4))
    state: Mapped[str] = mapped_column(String(8))
    trouble: Mapped[str | None] = mapped_column(String(80))
    consent_text: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(200))
    consented_at: Mapped[datetime] = mapped_column(UtcDateTime())
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    attempts: Mapped[int] = mapped_column(Integer(), default=0)
    heard_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    ended_because: Mapped[str | None] = mapped_column(String(12))


class VehicleConnect(Base):
    """Somebody on the way to the provider's consent page and back: bound to one sign-in, good once.

    The state that travels is known to us as its SHA-256 alone. What came back is looked at by a job.
    """

    __tablename__ = "vehicle_connect"
    __table_args__ = (
        CheckConstraint(f"state IN ({_CONNECT_STATES})", name="state_known"),
        CheckConstraint("(state = 'returned') = (next_at IS NOT NULL)", name="returned_is_due"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index(None, "next_at"),
        Index(None, "driver_id"),
        Index(None, "created_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    state_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    session_id: Mapped[UUID] = mapped_column(UUIDType())
    provider: Mapped[str] = mapped_column(String(20))
    consent_text: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(8))
    account: Mapped[str | None] = mapped_column(String(80))
    code: Mapped[bytes | None] = mapped_column(LargeBinary())
    trouble: Mapped[str | None] = mapped_column(String(80))
    attempts: Mapped[int] = mapped_column(Integer(), default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime())
    returned_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    done_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class VehicleToken(Base):
    """What lets us ask a provider: for one account of a person, or with an empty account for all.

    Both tokens are sealed together. `generation` counts the pairs; `leased_until` is whose turn it
    is to fetch the next one. `not_before` and `trouble` say that nobody should ask the provider now.
    """

    __tablename__ = "vehicle_token"
    __table_args__ = (
        UniqueConstraint("provider", "account"),
        CheckConstraint(f"state IN ({_TOKEN_STATES})", name="state_known"),
        CheckConstraint("generation >= 0", name="generation_counted"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    user_id: Mapped[UUID | None] = mapped_column(UUIDType(), index=True)
    state: Mapped[str] = mapped_column(String(16))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary())
    generation: Mapped[int] = mapped_column(Integer(), default=0)
    good_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime())
    trouble: Mapped[str | None] = mapped_column(String(80))
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime())


class VehicleSignal(Base):
    """The newest that a car said about one thing, as its maker dates it; never where it is.

    `body` is what it said, `trouble` why it says nothing. `at` is the maker's own time.
    """

    __tablename__ = "vehicle_signal"

    link_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("vehicle_link.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(80), primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSONType)
    trouble: Mapped[str | None] = mapped_column(String(80))
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())


class VehicleFarewell(Base):
    """A connection that the provider has yet to be told to end; says nothing of whose it was."""

    __tablename__ = "vehicle_farewell"
    __table_args__ = (
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index(None, "next_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    provider: Mapped[str] = mapped_column(String(20))
    account: Mapped[str] = mapped_column(String(80))
    external_id: Mapped[str] = mapped_column(String(80))
    attempts: Mapped[int] = mapped_column(Integer(), default=0)
    trouble: Mapped[str | None] = mapped_column(String(80))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
