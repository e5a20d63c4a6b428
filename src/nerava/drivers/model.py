"""The driver's table."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType


class Driver(Base):
    """Somebody who charges. The row holds no personal data: the reference is opaque.

    It is also what the evaluation of a driver's sessions locks, so that what one driver was
    granted before is read and added to by one worker at a time.
    """

    __tablename__ = "driver"

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    reference: Mapped[str] = mapped_column(String(200), unique=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
