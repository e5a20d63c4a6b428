"""The tables of webhook endpoints and of what each of them is told."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, LeftForLater, UtcDateTime, UUIDType

URL_MAX: Final = 2_000
_WAITING: Final = text("state = 'waiting'")
_ENABLED: Final = text("state = 'enabled'")


class OwnerKind(StrEnum):
    """Who has endpoints."""

    PARTNER = "partner"
    MERCHANT = "merchant"
    SPONSOR = "sponsor"


class EndpointState(StrEnum):
    """Whether an endpoint is told anything."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    """What happens meanwhile is kept for it and can be replayed."""
    REMOVED = "removed"


class DisabledBecause(StrEnum):
    """Why an endpoint is told nothing."""

    OWNER = "owner"
    GONE = "gone"
    """It answered 410."""
    FAILING = "failing"
    """One event had every attempt there is, and nothing else arrived meanwhile."""


class DeliveryState(StrEnum):
    """What became of an event at an endpoint."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    FAILED = "failed"
    """Every attempt was made."""
    STOPPED = "stopped"
    """The endpoint was disabled; the owner may have it sent again."""


def _one_of(column: str, words: type[StrEnum]) -> str:
    return f"{column} IN ({', '.join(repr(one.value) for one in words)})"


class WebhookEndpoint(Base):
    """Where somebody outside is told what happens.

    Attributes:
        types: What it is told of; empty for everything that concerns its owner.
        secret, old_secret: Sealed. While a secret is being replaced, both sign until `old_until`.
        failures: Attempts in a row that failed; who fails is asked less often.
        next_at: When something is due for it; None when nothing waits.
        fence: Grows with every lease; whoever was overtaken finds another one and writes nothing.
    """

    __tablename__ = "webhook_endpoint"
    __table_args__ = (
        CheckConstraint(_one_of("owner_kind", OwnerKind), name="owner_known"),
        CheckConstraint(_one_of("state", EndpointState), name="state_known"),
        CheckConstraint(
            "(state = 'disabled') = (disabled_because IS NOT NULL)", name="disabled_for_a_reason"
        ),
        CheckConstraint("(state = 'removed') = (secret IS NULL)", name="removed_has_no_secret"),
        CheckConstraint("(old_secret IS NULL) = (old_until IS NULL)", name="old_secret_ends"),
        CheckConstraint("failures >= 0", name="failures_counted"),
        Index("ix_webhook_endpoint_owner", "owner_kind", "owner_id"),
        Index("ix_webhook_endpoint_due", "next_at", sqlite_where=_ENABLED, postgresql_where=_ENABLED),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    owner_kind: Mapped[str] = mapped_column(String(8))
    owner_id: Mapped[UUID] = mapped_column(UUIDType())
    url: Mapped[str] = mapped_column(String(URL_MAX))
    types: Mapped[list[Any]] = mapped_column(JSON())
    state: Mapped[str] = mapped_column(String(8))
    disabled_because: Mapped[str | None] = mapped_column(String(8))
    secret: Mapped[bytes | None] = mapped_column(LargeBinary())
    old_secret: Mapped[bytes | None] = mapped_column(LargeBinary())
    old_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    failures: Mapped[int] = mapped_column(Integer())
    last_success_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    leased_until: Mapped[datetime | None] = mapped_column(UtcDateTime())
    fence: Mapped[int] = mapped_column(BigInteger())
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class WebhookDelivery(LeftForLater, Base):
    """One event for one endpoint, and how far it is; kept for 30 days, so that it can be sent again.

    Attributes:
        position: Of the event; 0 for a test. What is due goes out in this order.
        body: What is sent, to the byte, at every attempt.
        attempts: Those that were made; one that was interrupted does not count.
        since: When the schedule began: as the event was told, or as somebody had it sent again.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        UniqueConstraint("endpoint_id", "event_id"),
        CheckConstraint(_one_of("state", DeliveryState), name="state_known"),
        CheckConstraint("(state = 'waiting') = (next_at IS NOT NULL)", name="waiting_is_due"),
        CheckConstraint("(state = 'waiting') = (ended_at IS NULL)", name="over_since"),
        CheckConstraint("attempts >= 0", name="attempts_counted"),
        Index(
            "ix_webhook_delivery_due",
            "endpoint_id",
            "position",
            "next_at",
            sqlite_where=_WAITING,
            postgresql_where=_WAITING,
        ),
        Index("ix_webhook_delivery_listed", "endpoint_id", "id"),
        Index(None, "made_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    endpoint_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("webhook_endpoint.id"))
    event_id: Mapped[UUID] = mapped_column(UUIDType())
    position: Mapped[int] = mapped_column(BigInteger())
    type: Mapped[str] = mapped_column(String(60))
    body: Mapped[str] = mapped_column(Text())
    state: Mapped[str] = mapped_column(String(9))
    attempts: Mapped[int] = mapped_column(SmallInteger())
    since: Mapped[datetime] = mapped_column(UtcDateTime())
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class WebhookAttempt(Base):
    """One attempt: what came back and how long it took; never what was in it.

    Attributes:
        status: Of the answer; None where none came.
        trouble: Why none came, as one word.
    """

    __tablename__ = "webhook_attempt"
    __table_args__ = (
        CheckConstraint("(status IS NULL) = (trouble IS NOT NULL)", name="answer_or_trouble"),
        CheckConstraint("took_ms >= 0", name="took_counted"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    delivery_id: Mapped[UUID] = mapped_column(
        UUIDType(), ForeignKey("webhook_delivery.id", ondelete="CASCADE"), index=True
    )
    status: Mapped[int | None] = mapped_column(SmallInteger())
    trouble: Mapped[str | None] = mapped_column(String(60))
    took_ms: Mapped[int] = mapped_column(Integer())
    tried_at: Mapped[datetime] = mapped_column(UtcDateTime())
