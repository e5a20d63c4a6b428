"""Numbers of phones go to somebody else after a while: when a code sent there is not enough to come in."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from sqlalchemy import exists, or_, select

from nerava.identity.contacts import ContactKind
from nerava.identity.factor_store import FactorPasskey
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.identity.user_store import ExternalIdentity, UserContact, knows_device
from nerava.kernel.errors import NeravaError
from nerava.ledger.chart import driver_nova
from nerava.ledger.errors import UnknownAccount
from nerava.ledger.reads import balance_now

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session


class SecondProofNeeded(NeravaError):
    """The phone's number may be somebody else's by now, and there is something to lose."""

    code = "second-proof-needed"
    status = HTTPStatus.FORBIDDEN
    title = "On a new device, come in by mail, passkey, Google or Apple once"


def needs_second_proof(session: Session, user_id: UUID, contact_ix: bytes, device_key: str | None) -> bool:
    """Return whether who holds the phone has to show something else to come in.

    So it is on a device that the account was never used on, with points in the wallet, where there is
    another way in. Who has no other way comes in; money goes out after a strong factor alone.
    """
    if device_key is not None and knows_device(session, contact_ix, device_key):
        return False
    return _has_other_way(session, user_id) and _has_points(session, user_id)


def _has_other_way(session: Session, user_id: UUID) -> bool:
    mail = exists().where(UserContact.user_id == user_id, UserContact.kind == ContactKind.EMAIL.value)
    issuer = exists().where(ExternalIdentity.user_id == user_id)
    passkey = exists().where(FactorPasskey.user_id == user_id)
    return bool(session.scalar(select(or_(mail, issuer, passkey))))


def _has_points(session: Session, user_id: UUID) -> bool:
    drivers = select(RoleMembership.tenant_id).where(
        RoleMembership.subject == user_id, RoleMembership.role == Role.DRIVER.value
    )
    return any(_points(session, driver_id) > 0 for driver_id in session.scalars(drivers) if driver_id)


def _points(session: Session, driver_id: UUID) -> int:
    try:
        return balance_now(session, driver_nova(driver_id)).posted
    except UnknownAccount:  # Nothing was ever given there.
        return 0
