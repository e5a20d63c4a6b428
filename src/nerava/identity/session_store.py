"""Tables of sessions: sign-ins, refresh tokens, cookie values, and what was ended a moment ago."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType


class SessionKind(StrEnum):
    """Where somebody is signed in; each kind has its own length of life."""

    APP = "app"
    COMMAND = "command"
    WEB_DRIVER = "web:driver"
    WEB_MERCHANT = "web:merchant"
    WEB_REGISTER = "web:register"
    WEB_SPONSOR = "web:sponsor"
    WEB_OPS = "web:ops"


class Ended(StrEnum):
    """Why a session is over before its time."""

    SIGNED_OUT = "signed-out"
    SIGNED_OUT_EVERYWHERE = "signed-out-everywhere"
    REFRESH_REUSED = "refresh-reused"
    TOO_MANY = "too-many"
    FACTORS_CHANGED = "factors-changed"
    BY_OPS = "by-ops"


_KINDS = ", ".join(f"'{kind.value}'" for kind in SessionKind)
_ENDINGS = ", ".join(f"'{why.value}'" for why in Ended)


class AuthSession(Base):
    """One sign-in of one user on one device.

    Attributes:
        methods: How the user signed in and what was added since, in order, separated by spaces.
        device_key: RFC 7638 thumbprint of the key that the device proves with each refresh.
        strong_at: When a `strong` method was last shown on this session; `passkey_at` a passkey.
        used_at: When it was last refreshed, or for cookies used; to the minute.
    """

    __tablename__ = "auth_session"
    __table_args__ = (
        CheckConstraint(f"kind IN ({_KINDS})", name="kind_known"),
        CheckConstraint(f"ended_because IN ({_ENDINGS})", name="ending_known"),
        CheckConstraint("(ended_at IS NULL) = (ended_because IS NULL)", name="ended_for_a_reason"),
        Index("ix_auth_session_user_id_ended_at", "user_id", "ended_at"),
        Index("ix_auth_session_expires_at", "expires_at"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True, default=new_id)
    user_id: Mapped[UUID] = mapped_column(UUIDType)
    kind: Mapped[str] = mapped_column(String(16))
    client: Mapped[str] = mapped_column(String(16))
    methods: Mapped[str] = mapped_column(String(80))
    device_key: Mapped[str | None] = mapped_column(String(43))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    authenticated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    strong_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    passkey_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_because: Mapped[str | None] = mapped_column(String(24))


class RefreshToken(Base):
    """One refresh token of a session; used once, then it has exactly one successor.

    The token itself is nowhere: `hash` is its SHA-256, and successors are derived anew.
    """

    __tablename__ = "refresh_token"

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True, default=new_id)
    family_id: Mapped[UUID] = mapped_column(ForeignKey("auth_session.id"), index=True)
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("refresh_token.id"), unique=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WebSession(Base):
    """One value of the session cookie; it changes at sign-in, at step-up and every day.

    A replaced value works for a moment more, for the requests that were on their way.
    """

    __tablename__ = "web_session"

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("auth_session.id"), index=True)
    hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    replaced_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Revocation(Base):
    """A session that was ended; every process reads the rows of the last minute twice a second."""

    __tablename__ = "revocation"

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True, default=new_id)
    session_id: Mapped[UUID] = mapped_column(UUIDType)
    revoked_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
