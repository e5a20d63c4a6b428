"""Tables of charging: where it happens, what happened, and what proves it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Double,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType


class ChargingLocation(Base):
    """A place with chargers, in one time zone."""

    __tablename__ = "charging_location"
    __table_args__ = (
        UniqueConstraint("source", "reference"),
        CheckConstraint("latitude BETWEEN -90 AND 90", name="latitude"),
        CheckConstraint("longitude BETWEEN -180 AND 180", name="longitude"),
        CheckConstraint("(latitude IS NULL) = (longitude IS NULL)", name="coordinates_whole"),
        Index("ix_charging_location_latitude", "latitude"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(80))
    reference: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(200))
    timezone: Mapped[str] = mapped_column(String(64))
    latitude: Mapped[float | None] = mapped_column(Double())
    longitude: Mapped[float | None] = mapped_column(Double())
    is_test: Mapped[bool] = mapped_column(default=False)


class Evse(Base):
    """One unit of a location that charges one car at a time."""

    __tablename__ = "evse"
    __table_args__ = (UniqueConstraint("location_id", "reference"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    location_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_location.id"))
    reference: Mapped[str] = mapped_column(String(200))


class Connector(Base):
    """A socket or cable of an EVSE. `power_w_max` is its rating in watts; None where nobody knows."""

    __tablename__ = "connector"
    __table_args__ = (
        UniqueConstraint("evse_id", "reference"),
        CheckConstraint("power_w_max > 0", name="power_positive"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    evse_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("evse.id"))
    reference: Mapped[str] = mapped_column(String(200))
    power_w_max: Mapped[int | None] = mapped_column(Integer())


class ChargingSession(Base):
    """One car at one connector, from plug to plug, as the best evidence shows it.

    `state` moves by `states.transition` alone. The closed ones are the queue of the evaluation;
    `evaluations` counts how often it decided. `findings` and `score` are the last verification's.
    """

    __tablename__ = "charging_session"
    __table_args__ = (
        UniqueConstraint("source", "reference"),
        CheckConstraint("state IN ('open', 'closed', 'verified', 'review', 'rejected')", name="state_known"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="open_has_no_end"),
        CheckConstraint("ended_at >= started_at", name="ends_after_start"),
        CheckConstraint("energy_wh >= 0", name="energy_not_negative"),
        CheckConstraint("evidence_level BETWEEN 0 AND 5", name="evidence_level_known"),
        CheckConstraint("score BETWEEN 0 AND 100", name="score_range"),
        CheckConstraint("state IN ('open', 'closed') OR score IS NOT NULL", name="judged_has_score"),
        CheckConstraint("evaluations >= 0", name="evaluations_not_negative"),
        Index(
            "uq_charging_session_open_driver_id",
            "driver_id",
            unique=True,
            sqlite_where=text("state = 'open'"),
            postgresql_where=text("state = 'open'"),
        ),
        Index(
            "ix_charging_session_closed",
            "started_at",
            "id",
            sqlite_where=text("state = 'closed'"),
            postgresql_where=text("state = 'closed'"),
        ),
        Index("ix_charging_session_driver_id_started_at", "driver_id", "started_at"),
        Index("ix_charging_session_connector_id_started_at", "connector_id", "started_at"),
        Index("ix_charging_session_location_id_started_at", "location_id", "started_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    source: Mapped[str] = mapped_column(String(80))
    reference: Mapped[str] = mapped_column(String(200))
    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"))
    location_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_location.id"))
    connector_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("connector.id"))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    energy_wh: Mapped[int] = mapped_column(BigInteger())
    evidence_level: Mapped[int] = mapped_column(SmallInteger())
    state: Mapped[str] = mapped_column(String(8))
    score: Mapped[int | None] = mapped_column(SmallInteger())
    findings: Mapped[list[Any]] = mapped_column(JSONType, default=list)
    evaluations: Mapped[int] = mapped_column(Integer(), default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())


class SessionPurchase(Base):
    """A purchase near a charging session; each belongs to one session, for good.

    `source` and `reference` name the purchase. `seconds_apart` is 0 for one during the session, and
    `metres_apart` the distance of the shop. It goes when the session no longer names its driver.
    """

    __tablename__ = "session_purchase"
    __table_args__ = (
        CheckConstraint("seconds_apart >= 0 AND metres_apart >= 0", name="apart_not_negative"),
        CheckConstraint("bill_minor > 0", name="bill_positive"),
    )

    source: Mapped[str] = mapped_column(String(80), primary_key=True)
    reference: Mapped[str] = mapped_column(String(200), primary_key=True)
    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"), index=True)
    bought_at: Mapped[datetime] = mapped_column(UtcDateTime())
    seconds_apart: Mapped[int] = mapped_column(Integer())
    metres_apart: Mapped[int] = mapped_column(Integer())
    bill_minor: Mapped[int] = mapped_column(BigInteger())


class SessionPriceRow(Base):
    """What a charging session cost, as its best evidence says; a session of which nobody told has none.

    `price_minor` in minor units of `currency`. It goes when the session no longer names its driver.
    """

    __tablename__ = "session_price"
    __table_args__ = (
        CheckConstraint("price_minor >= 0", name="price_not_negative"),
        CheckConstraint("length(currency) = 3", name="currency_is_a_code"),
    )

    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"), primary_key=True)
    price_minor: Mapped[int] = mapped_column(BigInteger())
    currency: Mapped[str] = mapped_column(String(3))


class SessionEvidence(Base):
    """One piece of evidence as it came; the product changes nothing of it but empties its body in time.

    `at` is when it happened, `received_at` when we knew. `body` is what the source sent, until
    retention or erasure empties it; `body_sha256` (`evidence.body_sha256`) stays.
    """

    __tablename__ = "session_evidence"
    __table_args__ = (
        UniqueConstraint("session_id", "level", "source", "reference"),
        CheckConstraint("level BETWEEN 0 AND 5", name="level_known"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("charging_session.id"))
    level: Mapped[int] = mapped_column(SmallInteger())
    source: Mapped[str] = mapped_column(String(80))
    reference: Mapped[str] = mapped_column(String(200))
    at: Mapped[datetime] = mapped_column(UtcDateTime())
    received_at: Mapped[datetime] = mapped_column(UtcDateTime())
    body: Mapped[dict[str, Any]] = mapped_column(JSONType)
    body_sha256: Mapped[str | None] = mapped_column(String(64))
