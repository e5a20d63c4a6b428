"""The job that pays merchants out: what is owed above a minimum goes to the payouts, the rest rolls over."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import or_, select, update

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import fact_id
from nerava.ledger.chart import merchant_payable
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.payouts.errors import MethodNotReady
from nerava.payouts.interruptions import Interruptions
from nerava.payouts.requesting import request_merchant_payout
from nerava.settlements.closing import AT_ONCE, LEASE, Claim, nobody
from nerava.settlements.invoicing import ACTOR
from nerava.settlements.model import Settlement
from nerava.settlements.notices import tell
from nerava.settlements.states import NoticeKind, SettlementState, Waits

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database
    from nerava.settlements.notices import Tell

log = logging.getLogger(__name__)

LOOK_AGAIN: Final = timedelta(hours=1)
"""How often it is looked whether a merchant can be paid by now."""

_SETTLEMENT: Final[Any] = Settlement.__table__


@dataclass(frozen=True, slots=True)
class Paying:
    """Has merchants paid out. Safe to share between threads and processes, and to kill anywhere.

    Attributes:
        minimum: Minor units below which nothing is paid out.
    """

    database: Database
    ledger: Ledger
    minimum: int
    send: Tell = nobody
    interruptions: Interruptions = field(default_factory=Interruptions)

    def run(self, now: datetime) -> int:
        """Decide about up to 20 settlements, and return how many were looked at.

        Raises:
            SwitchedOff: Payouts are stopped; everything waits where it is (503).
        """
        claims = self.database.run(lambda session: _claimed(session, now), repeatable=True)
        for claim in claims:
            self.interruptions.reach("pay: claimed")
            try:
                self.database.run(partial(self.decide, claim=claim, now=now))
            except SwitchedOff:
                raise
            except NeravaError as error:
                log.warning("settlement %s was not paid out: %s", claim.id, error)
            self.interruptions.reach("pay: committed")
        return len(claims)

    def decide(self, session: Session, claim: Claim, now: datetime) -> SettlementState | None:
        """Have everything paid that a merchant is owed, or say why not, in the caller's transaction.

        None: somebody else has the settlement by now.
        """
        own = update(_SETTLEMENT).where(_SETTLEMENT.c.id == claim.id, _SETTLEMENT.c.version == claim.version)
        row = session.execute(
            own.values(version=claim.version + 1, leased_until=None).returning(*_SETTLEMENT.c)
        ).one_or_none()
        if row is None:
            return None
        owed = balance_now(session, merchant_payable(row.merchant_id)).available
        values: dict[str, object]
        if owed < max(self.minimum, 1):
            values = _ends(SettlementState.ROLLED_OVER, Waits.MINIMUM)
        else:
            values = self._requested(session, row, owed, now)
        session.execute(update(_SETTLEMENT).where(_SETTLEMENT.c.id == claim.id).values(values))
        self.interruptions.reach("pay: written")
        return SettlementState(str(values["state"]))

    def _requested(self, session: Session, row: Any, owed: int, now: datetime) -> dict[str, object]:  # noqa: ANN401 - a row
        payout_id: UUID = fact_id(f"settlement_payout:{row.id}")
        try:
            request_merchant_payout(
                session,
                self.ledger,
                payout_id=payout_id,
                merchant_id=row.merchant_id,
                amount_minor=owed,
                currency=row.currency,
                requested_by=ACTOR,
                now=now,
            )
        except MethodNotReady:  # Raised before anything was written.
            tell(session, self.send, row.merchant_id, NoticeKind.NO_METHOD, row.id, now=now)
            waiting = _ends(SettlementState.WAITING, Waits.METHOD)
            return waiting | {"next_at": now + LOOK_AGAIN}
        done = _ends(SettlementState.REQUESTED, None)
        return done | {"payout_id": payout_id, "payout_minor": owed}


def _ends(state: SettlementState, waits_for: Waits | None) -> dict[str, object]:
    return {
        "state": state.value,
        "waits_for": None if waits_for is None else waits_for.value,
        "next_at": None,
    }


def _claimed(session: Session, now: datetime) -> list[Claim]:
    due = (
        select(Settlement)
        .where(
            Settlement.next_at <= now,
            or_(Settlement.leased_until.is_(None), Settlement.leased_until <= now),
        )
        .order_by(Settlement.next_at, Settlement.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
    )
    found = session.scalars(due).all()
    for one in found:
        one.leased_until, one.version = now + LEASE, one.version + 1
    session.flush()
    return [Claim(one.id, one.version) for one in found]
