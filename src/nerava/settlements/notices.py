"""What a merchant is told: its list of news, and a message to whoever owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.settlements.model import MerchantNotice
from nerava.settlements.states import NoticeKind

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sqlalchemy.orm import Session

    Tell = Callable[[Session, UUID, str, datetime], int]

_NOTICE: Final[Any] = MerchantNotice.__table__

BY_MESSAGE: Final = {
    NoticeKind.OVERDUE: "An invoice is overdue. Please pay it; you find it under your settlements.",
    NoticeKind.REMINDED: "Reminder: an invoice is a week overdue. Please pay it.",
    NoticeKind.WARNED: "Second reminder: an invoice is two weeks overdue. Unpaid, it stops your offers.",
    NoticeKind.SUSPENDED: "An invoice is 30 days overdue. Your offers have stopped.",
    NoticeKind.NO_METHOD: "A payout is waiting for you. Please add an account that can be paid.",
}
"""What is urgent enough to be sent; the rest is in the list only."""


def tell(
    session: Session, send: Tell, merchant_id: UUID, kind: NoticeKind, subject_id: UUID, *, now: datetime
) -> bool:
    """Tell a merchant something about a settlement or an invoice; return whether it was new."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {
        "id": new_id(),
        "merchant_id": merchant_id,
        "kind": kind.value,
        "subject_id": subject_id,
        "told_at": now,
    }
    if not session.scalar(
        dialect.insert(_NOTICE).values(row).on_conflict_do_nothing().returning(_NOTICE.c.id)
    ):
        return False
    words = BY_MESSAGE.get(kind)
    if words is not None:
        for owner in _owners(session, merchant_id):
            send(session, owner, words, now)
    return True


def notices(
    session: Session, merchant_id: UUID, *, before: UUID | None = None, limit: int = 50
) -> list[MerchantNotice]:
    """Return what a merchant was told, the latest first, what is older than the id `before` only."""
    query = select(MerchantNotice).where(MerchantNotice.merchant_id == merchant_id)
    if before is not None:
        query = query.where(MerchantNotice.id < before)
    return list(session.scalars(query.order_by(MerchantNotice.id.desc()).limit(limit)))


def _owners(session: Session, merchant_id: UUID) -> list[UUID]:
    query = select(RoleMembership.subject).where(
        RoleMembership.role == Role.MERCHANT_OWNER.value, RoleMembership.tenant_id == merchant_id
    )
    return list(session.scalars(query.order_by(RoleMembership.subject)))
