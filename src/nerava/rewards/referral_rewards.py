"""Pays referrals that qualified: both drivers or neither, out of the house's budget, once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import select, update

from nerava.drivers.model import Driver
from nerava.kernel.switch_names import EARN, MONEY_ALL, READONLY
from nerava.ledger.switches import require_off
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from nerava.rewards.referral_store import Referral
from nerava.rewards.referrals import POINTS

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database

ACTOR: Final = "referrals"
LATER: Final = timedelta(hours=1)
"""When one is tried again that the house's budget could not pay."""

_R: Final[Any] = Referral.__table__


class _NotPaid(Exception):
    """One of the two presents was refused, so neither is made."""


def reward_qualified(database: Database, ledger: Ledger, now: datetime, limit: int = 100) -> int:
    """Pay up to `limit` referrals, each in a unit of work of its own, and return how many were paid.

    Both presents and the row's new state are one commit. What the house's budget cannot pay stays
    qualified and is tried again an hour later. Safe to repeat and beside other workers.

    Raises:
        SwitchedOff: Nothing is given for now (503).
    """
    due = select(_R.c.id).where(_R.c.state == "qualified", _R.c.next_at <= now)
    ids = database.read(
        lambda session: session.scalars(due.order_by(_R.c.next_at, _R.c.id).limit(limit)).all()
    )
    return sum(_reward(database, ledger, one, now) for one in ids)


def _reward(database: Database, ledger: Ledger, referral_id: UUID, now: datetime) -> int:
    try:
        return database.run(lambda session: _pay(session, ledger, referral_id, now), repeatable=True)
    except _NotPaid:
        later = update(_R).where(_R.c.id == referral_id, _R.c.state == "qualified", _R.c.next_at <= now)
        database.run(lambda session: session.execute(later.values(next_at=now + LATER)), repeatable=True)
        return 0


def _pay(session: Session, ledger: Ledger, referral_id: UUID, now: datetime) -> int:
    require_off(session, EARN, MONEY_ALL, READONLY)
    mine = select(_R).where(_R.c.id == referral_id, _R.c.state == "qualified", _R.c.next_at <= now)
    row = session.execute(mine.with_for_update(skip_locked=True)).one_or_none()
    if row is None:
        return 0
    change = update(_R).where(_R.c.id == referral_id, _R.c.state == "qualified")
    both = (row.referrer_id, row.referee_id)
    gone = select(Driver.id).where(Driver.id.in_(both), Driver.reference.startswith("erased:"))
    if session.scalars(gone).first() is not None:
        ended = {"state": "refused", "reason": "referral.gone", "session_id": None, "next_at": None}
        session.execute(change.values(ended))
        return 0
    chains = [
        promo_grant(kind=PromoKind.REFERRAL, reference_id=row.id, driver_id=one, points=POINTS, actor=ACTOR)
        for one in both
    ]
    if not all(verdict.ok for verdict in ledger.post_many(session, chains)):
        raise _NotPaid
    paid = {
        "state": "rewarded",
        "next_at": None,
        "rewarded_at": now,
        "referrer_key": chains[0].key,
        "referee_key": chains[1].key,
    }
    if session.execute(change.values(paid)).rowcount != 1:  # type: ignore[attr-defined]
        raise AssertionError("a locked referral cannot change")
    return 1
