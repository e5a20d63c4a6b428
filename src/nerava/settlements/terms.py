"""How a merchant is settled: its periods, its zone, and whether its invoices are netted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import select, update

from nerava.charging.errors import LocationInvalid
from nerava.charging.zones import zone
from nerava.merchants.errors import TimezoneUnknown
from nerava.merchants.model import Merchant
from nerava.merchants.service import merchant
from nerava.settlements.closing import AFTER, first_plan, plan_of
from nerava.settlements.model import SettlementPlan
from nerava.settlements.periods import period_from
from nerava.settlements.states import Cadence

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True, slots=True)
class TermsView:
    """How a merchant is settled.

    Attributes:
        period: The name of the period under way, which began at `since_at` and ends at `until_at`.
        nets_fees: Whether its invoices are paid out of what it is owed.
    """

    cadence: Cadence
    timezone: str
    nets_fees: bool
    period: str
    since_at: datetime
    until_at: datetime


def terms_of(session: Session, merchant_id: UUID) -> TermsView:
    """Return how a merchant is settled.

    Raises:
        UnknownMerchant: No merchant has this id (404).
    """
    known = session.scalars(select(SettlementPlan).where(SettlementPlan.merchant_id == merchant_id))
    return _view(session, known.one_or_none() or first_plan(merchant(session, merchant_id)))


def agree_netting(session: Session, merchant_id: UUID, *, nets_fees: bool) -> TermsView:
    """Say whether a merchant's invoices are paid out of what it is owed, from the next close on.

    Raises:
        UnknownMerchant: No merchant has this id (404).
    """
    plan = plan_of(session, merchant_id)
    plan.nets_fees, plan.version = nets_fees, plan.version + 1
    session.flush()
    return _view(session, plan)


def change_periods(session: Session, merchant_id: UUID, cadence: Cadence, timezone: str) -> TermsView:
    """Cut a merchant's periods otherwise; the one under way goes on and ends by the new terms.

    Where it began does not change, so no instant is in two periods or in none.

    Raises:
        UnknownMerchant: No merchant has this id (404).
        TimezoneUnknown: No IANA time zone has this name (422).
    """
    try:
        zone(timezone)
    except LocationInvalid as error:
        raise TimezoneUnknown(error.detail) from error
    plan = plan_of(session, merchant_id)
    session.execute(update(Merchant).where(Merchant.id == merchant_id).values(timezone=timezone))
    period = period_from(date.fromisoformat(plan.next_on), cadence, timezone)
    plan.cadence, plan.next_at, plan.leased_until = cadence.value, period.until_at + AFTER, None
    plan.version += 1
    session.flush()
    return _view(session, plan)


def _view(session: Session, plan: SettlementPlan) -> TermsView:
    whose = merchant(session, plan.merchant_id)
    cadence = Cadence(plan.cadence)
    period = period_from(date.fromisoformat(plan.next_on), cadence, whose.timezone)
    return TermsView(cadence, whose.timezone, plan.nets_fees, period.name, plan.since_at, period.until_at)
