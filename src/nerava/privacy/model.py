"""Tables of privacy: consents, copies of one's own data, erasures, and what retention removed."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, CheckConstraint, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, JSONType, UtcDateTime, UUIDType


class ExportState(StrEnum):
    """What became of a copy of somebody's data."""

    WAITING = "waiting"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"
    """Its time is over and its bytes are wiped."""


class ErasureState(StrEnum):
    """How far an erasure is."""

    COOLING = "cooling"
    """It can be undone, and nothing has happened yet."""
    HELD = "held"
    """Something has to end first; it can still be undone."""
    RUNNING = "running"
    DONE = "done"
    UNDONE = "undone"


OPEN_STATES: Final = (ErasureState.COOLING, ErasureState.HELD, ErasureState.RUNNING)
_OPEN: Final = text("state IN ('cooling', 'held', 'running')")


def _words(kind: type[ExportState | ErasureState]) -> str:
    return ", ".join(f"'{one.value}'" for one in kind)


class Consent(Base):
    """One thing that a person agreed to, or took back; the last row of a purpose counts.

    Rows are added, never changed; they go when their person is erased, and not before.
    """

    __tablename__ = "consent"
    __table_args__ = (Index("ix_consent_user_id_purpose", "user_id", "purpose", "id"),)

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    purpose: Mapped[str] = mapped_column(String(32))
    text_id: Mapped[str] = mapped_column(String(64))
    is_given: Mapped[bool] = mapped_column(Boolean())
    at: Mapped[datetime] = mapped_column(UtcDateTime())


class ExportJob(Base):
    """A copy of somebody's data: asked for, made by a worker, sealed under their key, wiped a day later."""

    __tablename__ = "export_job"
    __table_args__ = (
        CheckConstraint(f"state IN ({_words(ExportState)})", name="state_known"),
        CheckConstraint("(state = 'ready') = (sealed IS NOT NULL)", name="ready_has_bytes"),
        CheckConstraint("(state = 'waiting') = (made_at IS NULL)", name="made_at_whole"),
        Index("ix_export_job_user_id", "user_id"),
        Index("ix_export_job_state", "state", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    state: Mapped[str] = mapped_column(String(16))
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime())
    made_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    size: Mapped[int | None] = mapped_column(BigInteger())
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary())


class Erasure(Base):
    """Somebody's wish to be forgotten, and how far it is. It names an opaque id alone.

    Attributes:
        gives_up_points: Whether the person said that what is left in the wallet may lapse at once.
        forfeit_at: From when on points that are left lapse.
        held_because: What has to end first, while it is held.
    """

    __tablename__ = "erasure"
    __table_args__ = (
        CheckConstraint(f"state IN ({_words(ErasureState)})", name="state_known"),
        CheckConstraint("(state = 'held') = (held_because IS NOT NULL)", name="held_for_a_reason"),
        CheckConstraint("(state IN ('done', 'undone')) = (ended_at IS NOT NULL)", name="ended_at_whole"),
        Index("uq_erasure_open", "user_id", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
        Index("ix_erasure_user_id", "user_id"),
        Index("ix_erasure_state", "state", "cooling_until"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    user_id: Mapped[UUID] = mapped_column(UUIDType())
    state: Mapped[str] = mapped_column(String(16))
    gives_up_points: Mapped[bool] = mapped_column(Boolean())
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime())
    cooling_until: Mapped[datetime] = mapped_column(UtcDateTime())
    forfeit_at: Mapped[datetime] = mapped_column(UtcDateTime())
    held_because: Mapped[str | None] = mapped_column(String(32))
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class HoldKind(StrEnum):
    """What a legal hold keeps."""

    USER = "user"
    DRIVER = "driver"
    SESSION = "session"


_HOLD_KINDS: Final = ", ".join(f"'{one.value}'" for one in HoldKind)
_IN_FORCE: Final = text("lifted_at IS NULL")


class LegalHold(Base):
    """A person's order that something be kept, and another person's that it need not be any more.

    An object may have several; it is held while one of them is in force.
    """

    __tablename__ = "legal_hold"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_HOLD_KINDS})", name="kind_known"),
        CheckConstraint("lifted_by <> placed_by", name="two_people"),
        CheckConstraint(
            "(lifted_at IS NULL) = (lifted_by IS NULL) AND (lifted_at IS NULL) = (lifted_because IS NULL)",
            name="lifted_whole",
        ),
        Index(
            "ix_legal_hold_in_force",
            "kind",
            "object_id",
            sqlite_where=_IN_FORCE,
            postgresql_where=_IN_FORCE,
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[UUID] = mapped_column(UUIDType())
    reason: Mapped[str] = mapped_column(String(200))
    placed_by: Mapped[UUID] = mapped_column(UUIDType())
    placed_at: Mapped[datetime] = mapped_column(UtcDateTime())
    lifted_by: Mapped[UUID | None] = mapped_column(UUIDType())
    lifted_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    lifted_because: Mapped[str | None] = mapped_column(String(200))


class RetentionRun(Base):
    """What one day's retention removed and what legal holds kept, by the name of its rule.

    A period has one run.
    """

    __tablename__ = "retention_run"

    period: Mapped[str] = mapped_column(String(10), primary_key=True)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime())
    removed: Mapped[dict[str, Any]] = mapped_column(JSONType)
    held: Mapped[dict[str, Any]] = mapped_column(JSONType, server_default=text("'{}'"))
