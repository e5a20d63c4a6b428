"""Merchants, their sites and registers: make them known, find them, stop and let them go on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import insert, select, update

from nerava.charging.errors import LocationInvalid
from nerava.charging.zones import zone
from nerava.kernel.ids import new_id
from nerava.ledger.chart import (
    merchant_nova_account,
    merchant_payable_account,
    merchant_receivable_account,
)
from nerava.ledger.templates import MERCHANT_FEE_BPS
from nerava.merchants.errors import TimezoneUnknown, UnknownMerchant, UnknownRegister, UnknownSite
from nerava.merchants.model import Merchant, MerchantRegister, MerchantSite

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger

_MERCHANT: Final[Any] = Merchant.__table__
_SITE: Final[Any] = MerchantSite.__table__
_REGISTER: Final[Any] = MerchantRegister.__table__


class MerchantState(StrEnum):
    """Whether a merchant's offers are shown. What was redeemed is settled either way."""

    ACTIVE = "active"
    SUSPENDED = "suspended"


class RegisterState(StrEnum):
    """Whether codes are redeemed at a register."""

    ACTIVE = "active"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMerchant:
    """A merchant as ops enter it.

    Attributes:
        currency: Three capital letters; the operator's.
        timezone: IANA name; days and periods of the merchant are read in it.
        claim_fee_minor: What a claimed perk costs the merchant, in minor units.
        fee_bps: The platform's share of what is redeemed.
    """

    name: str
    currency: str
    timezone: str
    claim_fee_minor: int = 0
    fee_bps: int = MERCHANT_FEE_BPS


@dataclass(frozen=True, slots=True)
class MerchantView:
    """A merchant. Amounts in minor units of `currency`, instants aware UTC."""

    id: UUID
    name: str
    currency: str
    timezone: str
    state: MerchantState
    fee_bps: int
    claim_fee_minor: int
    created_at: datetime

    def local_date(self, at: datetime) -> str:
        """Return the ISO date of an instant where the merchant is."""
        return at.astimezone(zone(self.timezone)).date().isoformat()

    def today_began_at(self, now: datetime) -> datetime:
        """Return the instant at which the merchant's day began."""
        return now.astimezone(zone(self.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)

    def day_of(self, day: date) -> tuple[datetime, datetime]:
        """Return the instants at which a day of the merchant's calendar begins and ends, in UTC."""
        began, ends = (
            datetime.combine(one, time(), zone(self.timezone)).astimezone(UTC)
            for one in (day, day + timedelta(days=1))
        )
        return began, ends


@dataclass(frozen=True, slots=True)
class NewSite:
    """A place as its merchant describes it. Coordinates are WGS 84."""

    name: str
    address: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class SiteView:
    """A place where a merchant's registers stand."""

    id: UUID
    merchant_id: UUID
    name: str
    address: str
    latitude: float
    longitude: float
    created_at: datetime


@dataclass(frozen=True, slots=True)
class RegisterView:
    """A terminal at which codes are redeemed."""

    id: UUID
    merchant_id: UUID
    site_id: UUID
    name: str
    state: RegisterState
    created_at: datetime


def create_merchant(session: Session, ledger: Ledger, new: NewMerchant, now: datetime) -> UUID:
    """Make a merchant known, with accounts for points, for what it is owed and owes; return the id.

    Raises:
        TimezoneUnknown: No IANA time zone has this name (422).
    """
    try:
        zone(new.timezone)
    except LocationInvalid as error:
        raise TimezoneUnknown(error.detail) from error
    merchant_id = new_id()
    values = {name: getattr(new, name) for name in NewMerchant.__slots__}
    values |= {"id": merchant_id, "state": MerchantState.ACTIVE.value, "created_at": now}
    session.execute(insert(_MERCHANT).values(values))
    specs = (
        merchant_nova_account(merchant_id),
        merchant_payable_account(merchant_id, new.currency),
        merchant_receivable_account(merchant_id, new.currency),
    )
    ledger.open(session, specs)
    return merchant_id


def merchant(session: Session, merchant_id: UUID) -> MerchantView:
    """Return a merchant.

    Raises:
        UnknownMerchant: No merchant has this id (404).
    """
    row = session.execute(select(_MERCHANT).where(_MERCHANT.c.id == merchant_id)).one_or_none()
    if row is None:
        raise UnknownMerchant(f"no merchant {merchant_id}")
    return _merchant(row)


def merchants(session: Session, *, after: UUID | None = None, limit: int = 50) -> list[MerchantView]:
    """Return merchants by id, those with ids above `after` only."""
    query = select(_MERCHANT).order_by(_MERCHANT.c.id).limit(limit)
    if after is not None:
        query = query.where(_MERCHANT.c.id > after)
    return [_merchant(row) for row in session.execute(query)]


def set_state(session: Session, merchant_id: UUID, state: MerchantState) -> bool:
    """Suspend a merchant or let it go on; return whether that changed anything. Repeats safely.

    A suspended merchant's offers are not shown and give no codes; codes that are open are redeemed.

    Raises:
        UnknownMerchant: No merchant has this id (404).
    """
    change = update(_MERCHANT).where(_MERCHANT.c.id == merchant_id, _MERCHANT.c.state != state.value)
    if session.execute(change.values(state=state.value)).rowcount == 1:  # type: ignore[attr-defined]
        return True
    merchant(session, merchant_id)
    return False


def add_site(session: Session, merchant_id: UUID, new: NewSite, now: datetime) -> UUID:
    """Add a place to a merchant and return its id.

    Raises:
        UnknownMerchant: No merchant has this id (404).
    """
    merchant(session, merchant_id)
    site_id = new_id()
    values = {name: getattr(new, name) for name in NewSite.__slots__}
    session.execute(insert(_SITE).values(id=site_id, merchant_id=merchant_id, created_at=now, **values))
    return site_id


def change_site(session: Session, merchant_id: UUID, site_id: UUID, new: NewSite) -> None:
    """Correct a place of a merchant.

    Raises:
        UnknownSite: The merchant has no such place (404).
    """
    mine = (_SITE.c.id == site_id) & (_SITE.c.merchant_id == merchant_id)
    values = {name: getattr(new, name) for name in NewSite.__slots__}
    if session.execute(update(_SITE).where(mine).values(values)).rowcount == 0:  # type: ignore[attr-defined]
        raise UnknownSite(f"no site {site_id}")


def site(session: Session, merchant_id: UUID, site_id: UUID) -> SiteView:
    """Return a place of a merchant.

    Raises:
        UnknownSite: The merchant has no such place (404).
    """
    query = select(_SITE).where(_SITE.c.id == site_id, _SITE.c.merchant_id == merchant_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownSite(f"no site {site_id}")
    return _site(row)


def sites(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[SiteView]:
    """Return a merchant's places by id, those with ids above `after` only."""
    query = select(_SITE).where(_SITE.c.merchant_id == merchant_id).order_by(_SITE.c.id).limit(limit)
    if after is not None:
        query = query.where(_SITE.c.id > after)
    return [_site(row) for row in session.execute(query)]


def enrol_register(session: Session, merchant_id: UUID, site_id: UUID, name: str, now: datetime) -> UUID:
    """Enrol a register at a place of the merchant and return its id.

    Raises:
        UnknownSite: The merchant has no such place (404).
    """
    site(session, merchant_id, site_id)
    register_id = new_id()
    values = {"id": register_id, "merchant_id": merchant_id, "site_id": site_id, "name": name}
    session.execute(insert(_REGISTER).values(**values, state=RegisterState.ACTIVE.value, created_at=now))
    return register_id


def close_register(session: Session, merchant_id: UUID, register_id: UUID) -> bool:
    """Close a register for good, within a second; return whether it was open. Repeats safely.

    Raises:
        UnknownRegister: The merchant has no such register (404).
    """
    change = update(_REGISTER).where(
        _REGISTER.c.id == register_id,
        _REGISTER.c.merchant_id == merchant_id,
        _REGISTER.c.state == RegisterState.ACTIVE.value,
    )
    closed = session.execute(change.values(state=RegisterState.CLOSED.value))
    if closed.rowcount == 1:  # type: ignore[attr-defined]
        return True
    register(session, merchant_id, register_id)
    return False


def register(session: Session, merchant_id: UUID, register_id: UUID) -> RegisterView:
    """Return a register of a merchant, open or closed.

    Raises:
        UnknownRegister: The merchant has no such register (404).
    """
    query = select(_REGISTER).where(_REGISTER.c.id == register_id, _REGISTER.c.merchant_id == merchant_id)
    row = session.execute(query).one_or_none()
    if row is None:
        raise UnknownRegister(f"no register {register_id}")
    return _register(row)


def registers(
    session: Session, merchant_id: UUID, *, after: UUID | None = None, limit: int = 50
) -> list[RegisterView]:
    """Return a merchant's registers by id, those with ids above `after` only."""
    query = select(_REGISTER).where(_REGISTER.c.merchant_id == merchant_id).order_by(_REGISTER.c.id)
    if after is not None:
        query = query.where(_REGISTER.c.id > after)
    return [_register(row) for row in session.execute(query.limit(limit))]


def _merchant(row: Row[Any]) -> MerchantView:
    return MerchantView(
        row.id,
        row.name,
        row.currency,
        row.timezone,
        MerchantState(row.state),
        row.fee_bps,
        row.claim_fee_minor,
        row.created_at,
    )


def _site(row: Row[Any]) -> SiteView:
    return SiteView(
        row.id, row.merchant_id, row.name, row.address, row.latitude, row.longitude, row.created_at
    )


def _register(row: Row[Any]) -> RegisterView:
    return RegisterView(
        row.id, row.merchant_id, row.site_id, row.name, RegisterState(row.state), row.created_at
    )
