"""Giving and taking roles, and finding out which ones a caller has."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import bindparam, delete, select

from nerava.identity.model import RoleMembership
from nerava.identity.roles import Membership, Role
from nerava.kernel.ids import fact_id

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

_ROLES_OF: Final = (
    select(RoleMembership.role, RoleMembership.tenant_id)
    .where(RoleMembership.subject == bindparam("subject"))
    .order_by(RoleMembership.role, RoleMembership.id)
)


def grant_role(
    session: Session, subject: UUID, membership: Membership, *, granted_by: str, now: datetime
) -> None:
    """Give a role. Repeats safely: the first grant stands."""
    row = RoleMembership(
        id=_membership_id(subject, membership),
        subject=subject,
        role=membership.role.value,
        tenant_id=membership.tenant_id,
        granted_by=granted_by,
        granted_at=now,
    )
    found = session.scalar(select(RoleMembership.id).where(RoleMembership.id == row.id))
    if found is None:
        session.add(row)


def revoke_role(session: Session, subject: UUID, membership: Membership) -> None:
    """Take a role away; refused at once for writes, within a second for reads. Repeats safely."""
    session.execute(delete(RoleMembership).where(RoleMembership.id == _membership_id(subject, membership)))


def roles_of(session: Session, subject: UUID) -> tuple[Membership, ...]:
    """Return the roles of a subject, in a stable order."""
    rows = session.execute(_ROLES_OF, {"subject": subject})
    return tuple(Membership(Role(row.role), row.tenant_id) for row in rows)


def _membership_id(subject: UUID, membership: Membership) -> UUID:
    return fact_id(f"role:{subject}:{membership.name}")
