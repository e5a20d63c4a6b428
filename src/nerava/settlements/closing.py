"""The job that closes the periods of merchants: each once, in order, everything in one transaction."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import or_, select, update

from nerava.charging.zones import EDITION
from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import fact_id
from nerava.kernel.money import split_fee
from nerava.ledger.chart import merchant_nova
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.merchant_settlement import merchant_settlement
from nerava.merchants.model import Merchant
from nerava.merchants.service import MerchantView, merchant
from nerava.outbox.catalogue import SettlementEvent
from nerava.outbox.publishing import publish
from nerava.payouts.interruptions import Interruptions
from nerava.settlements import invoicing
from nerava.settlements.lines import Lines, lines_until
from nerava.settlements.model import Settlement, SettlementPlan
from nerava.settlements.notices import tell
from nerava.settlements.periods import Period, local_day_began, period_from
from nerava.settlements.states import Cadence, NoticeKind, SettlementState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database
    from nerava.settlements.notices import Tell

log = logging.getLogger(__name__)

AFTER: Final = timedelta(minutes=15)
"""How long after its end a period is closed: every capture of it has committed by then."""

LEASE: Final = timedelta(minutes=1)
AT_ONCE: Final = 20

_MERCHANT: Final[Any] = Merchant.__table__
_PLAN: Final[Any] = SettlementPlan.__table__
_SETTLEMENT: Final[Any] = Settlement.__table__
_UNDECIDED: Final = [SettlementState.CLOSED.value, SettlementState.WAITING.value]


def nobody(_session: Session, _user_id: UUID, _text: str, _now: datetime) -> int:
    """Send nothing; what a merchant is told stands in its list all the same."""
    return 0


class Claim(NamedTuple):
    """A row that this worker has for a minute, and the version that says so."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Closing:
    """Closes periods. Safe to share between threads and processes, and to kill anywhere.

    Attributes:
        send: Sends an urgent notice to a person.
        interruptions: Told of every place where a process may end; for tests.
    """

    database: Database
    ledger: Ledger
    send: Tell = nobody
    interruptions: Interruptions = field(default_factory=Interruptions)

    def run(self, now: datetime) -> int:
        """Close the next period of up to 20 merchants, and return how many were looked at.

        A merchant that cannot be closed is tried again a minute later and keeps nobody else waiting.

        Raises:
            SwitchedOff: Money is stopped; everything waits where it is (503).
        """
        claims = self.claim(now)
        for claim in claims:
            self.interruptions.reach("close: claimed")
            try:
                self.database.run(partial(self.close, claim=claim, now=now))
            except SwitchedOff:
                raise
            except NeravaError as error:
                log.warning("the period of merchant %s was not closed: %s", claim.id, error)
            self.interruptions.reach("close: committed")
        return len(claims)

    def claim(self, now: datetime) -> list[Claim]:
        """Take up to 20 plans that are due for a minute, in the order in which they became due."""
        return self.database.run(lambda session: _claimed(session, now), repeatable=True)

    def close(self, session: Session, claim: Claim, now: datetime) -> UUID | None:
        """Close a merchant's period if it is over, in the caller's transaction; return the settlement.

        None: it is not over, or somebody else has it by now.
        """
        own = update(_PLAN).where(_PLAN.c.merchant_id == claim.id, _PLAN.c.version == claim.version)
        plan = session.execute(own.values(version=claim.version + 1).returning(*_PLAN.c)).one_or_none()
        if plan is None:
            return None
        whose = merchant(session, claim.id)
        cadence = Cadence(plan.cadence)
        period = period_from(date.fromisoformat(plan.next_on), cadence, whose.timezone)
        mine = update(_PLAN).where(_PLAN.c.merchant_id == claim.id).values(leased_until=None)
        if now < period.until_at + AFTER:  # The zone or the cadence was changed since somebody looked.
            session.execute(mine.values(next_at=period.until_at + AFTER))
            return None
        settlement_id = self._settle(session, whose, plan.since_at, period, nets=plan.nets_fees, now=now)
        following = period_from(period.next_on, cadence, whose.timezone)
        session.execute(
            mine.values(
                next_on=period.next_on.isoformat(),
                since_at=period.until_at,
                next_at=following.until_at + AFTER,
            )
        )
        self.interruptions.reach("close: written")
        return settlement_id

    def _settle(
        self,
        session: Session,
        whose: MerchantView,
        since: datetime,
        period: Period,
        *,
        nets: bool,
        now: datetime,
    ) -> UUID:
        lines = lines_until(session, whose.id, since, period.until_at)
        settlement = _settlement(session, whose, since, period, lines=lines, now=now)
        if settlement.points:
            chain = merchant_settlement(
                merchant_id=whose.id,
                period=period.name,
                points=settlement.points,
                fee_bps=whose.fee_bps,
                actor=invoicing.ACTOR,
            )
            invoicing.post(session, self.ledger, chain)
            settlement.transaction_key = chain.key
        self.interruptions.reach("close: posted")
        # What an older settlement waits to pay out goes out with this one.
        session.execute(
            update(_SETTLEMENT)
            .where(_SETTLEMENT.c.merchant_id == whose.id, _SETTLEMENT.c.state.in_(_UNDECIDED))
            .values(
                state=SettlementState.ROLLED_OVER.value,
                waits_for=None,
                next_at=None,
                leased_until=None,
                version=_SETTLEMENT.c.version + 1,
            )
        )
        session.add(settlement)
        session.flush()
        lines.write(session, settlement.id)
        told = [(NoticeKind.SETTLED, settlement.id)]
        if lines.claim_fees:
            invoice = invoicing.issue(session, whose, settlement.id, lines.claim_fees, now)
            told.append((NoticeKind.INVOICED, invoice.id))
        if nets:
            settlement.netted_minor = invoicing.net(session, self.ledger, whose.id, settlement.id, now)
        closed = SettlementEvent(
            state="closed", settlement_id=settlement.id, period=period.name, merchant_id=whose.id
        )
        publish(session, [closed], now)
        for kind, subject in told:
            tell(session, self.send, whose.id, kind, subject, now=now)
        session.flush()
        return settlement.id


def _settlement(
    session: Session, whose: MerchantView, since: datetime, period: Period, *, lines: Lines, now: datetime
) -> Settlement:
    """Return the settlement of a period, not yet written: as much of it as the merchant's points cover."""
    latest = select(_SETTLEMENT.c.carried_out).where(_SETTLEMENT.c.merchant_id == whose.id)
    carried = session.scalar(latest.order_by(_SETTLEMENT.c.until_at.desc()).limit(1)) or 0
    owed = carried + lines.redeemed - lines.refunded
    points = max(0, min(owed, balance_now(session, merchant_nova(whose.id)).available))
    net, fee = split_fee(points, whose.fee_bps)
    return Settlement(
        id=fact_id(f"settlement:{whose.id}:{period.name}"),
        merchant_id=whose.id,
        period=period.name,
        timezone=whose.timezone,
        zone_edition=EDITION,
        since_at=since,
        until_at=period.until_at,
        currency=whose.currency,
        carried_in=carried,
        redeemed=lines.redeemed,
        refunded=lines.refunded,
        carried_out=owed - points,
        points=points,
        fee_bps=whose.fee_bps,
        net_minor=net,
        fee_minor=fee,
        claim_fees_minor=lines.claim_fees,
        netted_minor=0,
        closed_at=now,
        state=SettlementState.CLOSED.value,
        next_at=now,
        version=1,
    )


def plan_of(session: Session, merchant_id: UUID) -> SettlementPlan:
    """Return a merchant's plan under its lock; made on the day the merchant became known if there is none.

    Raises:
        UnknownMerchant: No merchant has this id (404).
    """
    query = select(SettlementPlan).where(SettlementPlan.merchant_id == merchant_id).with_for_update()
    known = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if known is not None:
        return known
    plan = first_plan(merchant(session, merchant_id))
    session.add(plan)
    session.flush()
    return plan


def first_plan(whose: MerchantView) -> SettlementPlan:
    """Return the plan of a merchant that has none yet: months, from the day on which it became known."""
    first = date.fromisoformat(whose.local_date(whose.created_at))
    return SettlementPlan(
        merchant_id=whose.id,
        cadence=Cadence.MONTH.value,
        nets_fees=False,
        next_on=first.isoformat(),
        since_at=local_day_began(first, whose.timezone),
        next_at=period_from(first, Cadence.MONTH, whose.timezone).until_at + AFTER,
        version=1,
    )


def _claimed(session: Session, now: datetime) -> list[Claim]:
    unplanned = select(_MERCHANT.c.id).where(
        ~select(_PLAN.c.merchant_id).where(_PLAN.c.merchant_id == _MERCHANT.c.id).exists()
    )
    for merchant_id in session.scalars(unplanned.order_by(_MERCHANT.c.id).limit(AT_ONCE)).all():
        plan_of(session, merchant_id)
    due = (
        select(SettlementPlan)
        .where(
            SettlementPlan.next_at <= now,
            or_(SettlementPlan.leased_until.is_(None), SettlementPlan.leased_until <= now),
        )
        .order_by(SettlementPlan.next_at, SettlementPlan.merchant_id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    found = session.scalars(due).all()
    for plan in found:
        plan.leased_until, plan.version = now + LEASE, plan.version + 1
    session.flush()
    return [Claim(plan.merchant_id, plan.version) for plan in found]
