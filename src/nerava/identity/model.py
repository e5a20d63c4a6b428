"""Tables of identity."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from nerava.identity.roles import Role
from nerava.platform.db import Base, UtcDateTime, UUIDType

_ROLES = ", ".join(f"'{role.value}'" for role in Role)


class RoleMembership(Base):
    """A role that somebody holds, and for which driver, sponsor, merchant or partner.

    The id is derived from what the row says, so that a role given twice is one row.
    """

    __tablename__ = "role_membership"
    __table_args__ = (
        CheckConstraint(f"role IN ({_ROLES})", name="role_known"),
        CheckConstraint("(tenant_id IS NULL) = (role LIKE 'ops:%')", name="tenant_unless_ops"),
    )

    id: Mapped[UUID] = mapped_column(UUIDType, primary_key=True)
    subject: Mapped[UUID] = mapped_column(UUIDType, index=True)
    role: Mapped[str] = mapped_column(String(32))
    tenant_id: Mapped[UUID | None] = mapped_column(UUIDType)
    granted_by: Mapped[str] = mapped_column(String(80))
    granted_at: Mapped[datetime] = mapped_column(UtcDateTime)
