"""Who somebody is in every table: their account, their drivers, and the keyed hashes they are found by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import or_, select

from nerava.drivers.model import Driver
from nerava.identity.messages import identity_index
from nerava.identity.model import RoleMembership
from nerava.identity.roles import Role
from nerava.identity.user_store import UserContact
from nerava.ledger.accounts import account_uuid
from nerava.ledger.chart import driver_nova

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.platform.vault import Vault


@dataclass(frozen=True, slots=True)
class Subject:
    """One person, by everything that leads to rows of theirs.

    Attributes:
        driver_ids: The drivers they are.
        account_codes: The ledger's accounts of those drivers.
        contact_indexes: Keyed hashes of their contacts; `identity_index` of the account.
    """

    user_id: UUID
    driver_ids: tuple[UUID, ...]
    account_codes: tuple[str, ...]
    contact_indexes: tuple[bytes, ...]
    identity_index: bytes

    @property
    def account_ids(self) -> list[UUID]:
        """The ids of those accounts."""
        return [account_uuid(code) for code in self.account_codes]

    @property
    def names(self) -> list[str]:
        """How rows that name somebody under a role do it."""
        return [str(self.user_id), *(f"{role.value}:{self.user_id}" for role in Role)]


def subject_of(session: Session, vault: Vault, user_id: UUID) -> Subject:
    """Return who a user is in every table, as this transaction sees it."""
    held = select(RoleMembership.tenant_id).where(
        RoleMembership.subject == user_id, RoleMembership.role == Role.DRIVER.value
    )
    drivers = select(Driver.id).where(or_(Driver.id.in_(held), Driver.reference == f"user:{user_id}"))
    driver_ids = tuple(session.scalars(drivers.order_by(Driver.id)))
    contacts = select(UserContact.contact_ix).where(UserContact.user_id == user_id)
    return Subject(
        user_id,
        driver_ids,
        tuple(driver_nova(one) for one in driver_ids),
        tuple(session.scalars(contacts)),
        identity_index(vault, f"user:{user_id}"),
    )
