"""The data keys: one per person or tenant, wrapped, destroyed on erasure."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime, UUIDType

OWNER_CHARACTERS_MAX: Final = 80


class DataKey(Base):
    """A data key, wrapped by the key-encryption key that `kek_id` names.

    An owner has at most one key in use; retired ones still read. A destroyed key has no bytes any
    more, its row stays as the proof. What it sealed is lost, in every backup too.
    """

    __tablename__ = "data_key"
    __table_args__ = (
        CheckConstraint("(wrapped IS NULL) = (destroyed_at IS NOT NULL)", name="destroyed_without_bytes"),
        Index(
            "ix_data_key_in_use",
            "owner",
            unique=True,
            postgresql_where=text("retired_at IS NULL"),
            sqlite_where=text("retired_at IS NULL"),
        ),
        Index("ix_data_key_owner", "owner"),
        Index("ix_data_key_kek_id", "kek_id"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True)
    owner: Mapped[str] = mapped_column(String(OWNER_CHARACTERS_MAX))
    kek_id: Mapped[str] = mapped_column(String(16))
    wrapped: Mapped[bytes | None] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    retired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    destroyed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
