"""What makes a cash-out unusual: words that a person looks at, and changes that make it wait."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import func, select

from nerava.charging.model import ChargingSession
from nerava.charging.states import SessionState
from nerava.identity.session_store import AuthSession
from nerava.identity.user_store import AppUser, contacts_of
from nerava.payouts.model import Payout, PayoutMethod
from nerava.payouts.rules import CHANGE_HOLD, CONTACT_CHANGED
from nerava.payouts.states import OwnerKind, PayoutState

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

METHOD_CHANGED: Final = "method-changed"
CONTACT_CHANGED_LATELY: Final = "contact-changed"
NEW_DEVICE: Final = "new-device-new-method"
LAST_RETURNED: Final = "last-payout-returned"
UNDER_REVIEW: Final = "sessions-under-review"

_WITH_THE_ACCOUNT: Final = timedelta(hours=1)
"""A contact verified so soon after the account was made is the one it was made with."""


class Risk(NamedTuple):
    """What was found.

    Attributes:
        flags: Words for the person who looks at it; without any a batch may take it.
        hold_until: Until then it is not paid, whoever agrees and however the driver proves themselves.
    """

    flags: list[str]
    hold_until: datetime | None


def risk_of(
    session: Session, method: PayoutMethod, *, user_id: UUID, session_id: UUID | None, now: datetime
) -> Risk:
    """Return what is unusual about a cash-out that a driver asks for now."""
    changed = [
        flag
        for flag, found in (
            (METHOD_CHANGED, _replaces_another(session, method, now)),
            (CONTACT_CHANGED_LATELY, _contact_changed(session, user_id, now)),
            (NEW_DEVICE, _new_device(session, method, user_id, session_id, now)),
        )
        if found
    ]
    flags = changed + [
        flag
        for flag, found in (
            (LAST_RETURNED, was_returned(session, OwnerKind.DRIVER, method.owner_id)),
            (UNDER_REVIEW, _under_review(session, method.owner_id)),
        )
        if found
    ]
    return Risk(flags, now + CHANGE_HOLD if changed else None)


def was_returned(session: Session, owner_kind: OwnerKind, owner_id: UUID) -> bool:
    """Return whether the bank sent back what was last paid to somebody."""
    last = (
        select(Payout.state)
        .where(
            Payout.owner_kind == owner_kind.value,
            Payout.owner_id == owner_id,
            Payout.state.in_([PayoutState.PAID.value, PayoutState.RETURNED.value]),
        )
        .order_by(Payout.requested_at.desc(), Payout.id.desc())
        .limit(1)
    )
    return session.scalar(last) == PayoutState.RETURNED


def _replaces_another(session: Session, method: PayoutMethod, now: datetime) -> bool:
    """Whether the bank is another one than before, and that is newer than the hold."""
    if method.changed_at is not None and method.changed_at > now - CHANGE_HOLD:
        return True
    if method.created_at <= now - CHANGE_HOLD:
        return False
    others = select(func.count()).where(
        PayoutMethod.owner_kind == method.owner_kind,
        PayoutMethod.owner_id == method.owner_id,
        PayoutMethod.id != method.id,
        PayoutMethod.ready_at.is_not(None),
    )
    return bool(session.scalar(others))


def _contact_changed(session: Session, user_id: UUID, now: datetime) -> bool:
    since = session.scalar(select(AppUser.created_at).where(AppUser.id == user_id))
    if since is None:
        return False
    return any(
        one.verified_at > max(now - CONTACT_CHANGED, since + _WITH_THE_ACCOUNT)
        for one in contacts_of(session, user_id)
    )


def _new_device(
    session: Session, method: PayoutMethod, user_id: UUID, session_id: UUID | None, now: datetime
) -> bool:
    """Whether both the method and the device are younger than the hold, and the user had another device."""
    if session_id is None or method.created_at <= now - CHANGE_HOLD:
        return False
    mine = select(AuthSession.opened_at, AuthSession.device_key).where(AuthSession.user_id == user_id)
    here = session.execute(mine.where(AuthSession.id == session_id)).one_or_none()
    if here is None or here.opened_at <= now - CHANGE_HOLD:
        return False
    before = session.execute(mine.where(AuthSession.opened_at < now - CHANGE_HOLD)).all()
    return bool(before) and (
        here.device_key is None or here.device_key not in {one.device_key for one in before}
    )


def _under_review(session: Session, driver_id: UUID) -> bool:
    query = select(ChargingSession.id).where(
        ChargingSession.driver_id == driver_id, ChargingSession.state == SessionState.REVIEW.value
    )
    return session.scalar(query.limit(1)) is not None
