"""The rows behind limits: what happened lately under one key of one limit."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base, UtcDateTime


class LimitState(Base):
    """What counts towards one limit, for one key of it. Times are microseconds since 1970.

    Attributes:
        key_hmac: The key (an address, an id) under a secret: the table names nobody.
        ring: The last accepted hits, oldest first, 8 bytes each; for quotas up to 64.
        tat: When a bucket will have emptied (theoretical arrival time); for larger quotas.
        blocked_until: The end of a penalty, for limits that have one.
        expires_at: From then on the row says nothing any more.
    """

    __tablename__ = "limit_state"
    __table_args__ = (CheckConstraint("length(ring) % 8 = 0", name="ring_of_instants"),)

    limit_id: Mapped[str] = mapped_column(String(40), primary_key=True)
    key_hmac: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    ring: Mapped[bytes] = mapped_column(LargeBinary)
    tat: Mapped[int] = mapped_column(BigInteger)
    blocked_until: Mapped[int] = mapped_column(BigInteger)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
