"""Giving and taking roles."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.dialects import postgresql, sqlite

from nerava.identity.model import RoleMembership
from nerava.kernel.ids import fact_id

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.roles import Membership


def grant_role(
    session: Session, subject: UUID, membership: Membership, *, granted_by: str, now: datetime
) -> bool:
    """Give a role and return whether it was new. Repeats safely: the first grant stands."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {
        "id": membership_id(subject, membership),
        "subject": subject,
        "role": membership.role.value,
        "tenant_id": membership.tenant_id,
        "granted_by": granted_by,
        "granted_at": now,
    }
    given = dialect.insert(RoleMembership).values(row).on_conflict_do_nothing().returning(RoleMembership.id)
    return session.scalar(given) is not None


def revoke_role(session: Session, subject: UUID, membership: Membership) -> bool:
    """Take a role away and return whether it was held. Repeats safely.

    Refused at once for writes, within a second for reads.
    """
    mine = RoleMembership.id == membership_id(subject, membership)
    return session.scalar(delete(RoleMembership).where(mine).returning(RoleMembership.id)) is not None


def membership_id(subject: UUID, membership: Membership) -> UUID:
    """Return the id of the row that says this; the same for ever."""
    return fact_id(f"role:{subject}:{membership.name}")
