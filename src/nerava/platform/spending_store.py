"""The rows behind caps on what calls to providers cost."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.platform.db import Base


class ProviderCostDay(Base):
    """What the calls to one provider cost on one day (UTC), by its price list, in thousandths of a cent."""

    __tablename__ = "provider_cost_day"
    __table_args__ = (CheckConstraint("cost_millicents >= 0", name="cost_not_negative"),)

    provider: Mapped[str] = mapped_column(String(40), primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    cost_millicents: Mapped[int] = mapped_column(BigInteger())
    calls: Mapped[int] = mapped_column(Integer())
