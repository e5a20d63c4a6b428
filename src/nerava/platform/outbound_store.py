"""The rows behind pauses: until when a provider asked to be left alone."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime


class OutboundPause(Base):
    """A provider answered with `Retry-After`, and this is when it may be asked again.

    Attributes:
        partition_digest: SHA-256 of what the provider counts by: the API, an account, a vehicle.
        not_before: An hour after `told_at` at most. From then on the row says nothing any more.
    """

    __tablename__ = "outbound_pause"

    provider: Mapped[str] = mapped_column(String(40), primary_key=True)
    partition_digest: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    not_before: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
