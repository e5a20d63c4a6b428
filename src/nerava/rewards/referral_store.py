"""Tables of referrals: a driver's code, and who came by it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from nerava.kernel.ids import new_id
from nerava.platform.db import Base, UtcDateTime, UUIDType


class ReferralCode(Base):
    """The code by which others name a driver who told them of the house."""

    __tablename__ = "referral_code"

    driver_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"), primary_key=True)
    code: Mapped[str] = mapped_column(String(10), unique=True)
    made_at: Mapped[datetime] = mapped_column(UtcDateTime())


class Referral(Base):
    """Somebody new named who told them. Both get a present once the new one has charged.

    Attributes:
        state: invited, until a session qualifies it; qualified, until the house's budget pays;
            rewarded; or refused, with the reason.
        session_id: The session that qualified it.
        next_at: When a qualified one is paid, or tried again.
        referrer_key, referee_key: The chains that paid them.
    """

    __tablename__ = "referral"
    __table_args__ = (
        CheckConstraint("referrer_id <> referee_id", name="two_people"),
        CheckConstraint("state IN ('invited', 'qualified', 'rewarded', 'refused')", name="state_known"),
        CheckConstraint("(state = 'refused') = (reason IS NOT NULL)", name="refused_for_a_reason"),
        CheckConstraint(
            "(state IN ('qualified', 'rewarded')) = (session_id IS NOT NULL)", name="session_known"
        ),
        CheckConstraint("(state = 'qualified') = (next_at IS NOT NULL)", name="qualified_is_due"),
        CheckConstraint("(state = 'rewarded') = (rewarded_at IS NOT NULL)", name="rewarded_has_instant"),
        CheckConstraint(
            "(state = 'rewarded') = (referrer_key IS NOT NULL) "
            "AND (state = 'rewarded') = (referee_key IS NOT NULL)",
            name="rewarded_is_posted",
        ),
        Index(
            "ix_referral_due",
            "next_at",
            "id",
            sqlite_where=text("state = 'qualified'"),
            postgresql_where=text("state = 'qualified'"),
        ),
        Index(
            "ix_referral_invited",
            "referee_id",
            sqlite_where=text("state = 'invited'"),
            postgresql_where=text("state = 'invited'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(UUIDType(), primary_key=True, default=new_id)
    referrer_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"), index=True)
    referee_id: Mapped[UUID] = mapped_column(UUIDType(), ForeignKey("driver.id"), unique=True)
    state: Mapped[str] = mapped_column(String(9))
    reason: Mapped[str | None] = mapped_column(String(60))
    session_id: Mapped[UUID | None] = mapped_column(UUIDType(), ForeignKey("charging_session.id"))
    next_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    named_at: Mapped[datetime] = mapped_column(UtcDateTime())
    rewarded_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    referrer_key: Mapped[UUID | None] = mapped_column(UUIDType(), unique=True)
    referee_key: Mapped[UUID | None] = mapped_column(UUIDType(), unique=True)
