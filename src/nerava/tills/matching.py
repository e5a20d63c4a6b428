"""Which order proves which redemption: by what it names, else by place, amount and time; and if none, why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from nerava.merchants.model import Merchant, Redemption
from nerava.merchants.purchases import FIRST_LOOK, LOOKED_FOR
from nerava.merchants.queries import RedemptionState
from nerava.tills.model import TillLink, TillLocation, TillMatch, TillOrder, TillProof, TillRefund
from nerava.tills.states import ProofState, Reason, RefundState, SaleState, TillState

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database

WINDOW: Final = timedelta(minutes=15)
"""Between a code being taken and its order being rung up or paid, where nothing names the order."""

ENLISTED_WITHIN: Final = timedelta(days=1)
AT_ONCE: Final = 500
LOOKS_AT_ONCE: Final = 50
_REDEMPTION: Final[Any] = Redemption.__table__.c
_BY_REFERENCE: Final = "reference"
_BY_AMOUNT: Final = "amount"


class TillMatching:
    """Finds orders for redemptions. Safe to share between threads and processes, to repeat and to kill."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enlist(self, now: datetime) -> int:
        """Begin to look for orders of what was redeemed where a point of sale is linked; return how many."""
        return self._database.run(lambda session: _enlist(session, now))

    def run(self, now: datetime) -> int:
        """Look for orders of redemptions that are due, each in a unit of work; return of how many."""
        done = 0
        while done < LOOKS_AT_ONCE and self._database.run(lambda session: _look(session, now)):
            done += 1
        return done


def look_at_waiting(session: Session, merchant_id: UUID, now: datetime) -> None:
    """Look soon at redemptions of a merchant that wait: there is an order that was not there before."""
    waiting = select(TillProof).where(
        TillProof.merchant_id == merchant_id,
        TillProof.state == ProofState.WAITING.value,
        TillProof.captured_at <= now - FIRST_LOOK,
        TillProof.next_at > now,
    )
    # In one order, so that two orders that are read at once wait for each other and never in a ring.
    ordered = waiting.order_by(TillProof.redemption_id).with_for_update()
    for proof in session.scalars(ordered.execution_options(populate_existing=True)):
        proof.next_at = now


def _enlist(session: Session, now: datetime) -> int:
    known = select(TillProof.redemption_id).where(TillProof.redemption_id == Redemption.id)
    found = (
        select(Redemption.id, Redemption.merchant_id, Redemption.captured_at)
        .join(TillLink, TillLink.merchant_id == Redemption.merchant_id)
        .where(
            TillLink.state == TillState.ACTIVE.value,
            Redemption.captured_at >= TillLink.created_at,
            Redemption.captured_at > now - ENLISTED_WITHIN,
            ~known.exists(),
        )
        .distinct()
        .limit(AT_ONCE)
    )
    rows = [
        {
            "redemption_id": one.id,
            "merchant_id": one.merchant_id,
            "state": ProofState.WAITING.value,
            "reason": Reason.NOT_LOOKED_AT.value,
            "captured_at": one.captured_at,
            "next_at": one.captured_at + FIRST_LOOK,
        }
        for one in session.execute(found)
    ]
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    if rows:
        session.execute(dialect.insert(TillProof).on_conflict_do_nothing(), rows)
    return len(rows)


def _look(session: Session, now: datetime) -> bool:
    due = (
        select(TillProof)
        .where(TillProof.next_at <= now)
        .order_by(TillProof.next_at, TillProof.redemption_id)
        .limit(1)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    proof = session.scalars(due).one_or_none()
    if proof is None:
        return False
    redemption = _redemption(session, proof.redemption_id)
    if redemption.state == RedemptionState.VOIDED:
        session.delete(proof)
        return True
    proof.looked_at = now
    reason = _match(session, redemption, now)
    if reason is None:
        proof.state, proof.reason, proof.next_at = ProofState.PROVED.value, None, None
        return True
    proof.reason = reason.value
    again = now + max(now - proof.captured_at, FIRST_LOOK)
    proof.next_at = again if again - proof.captured_at <= LOOKED_FOR else None
    proof.state = (ProofState.UNPROVED if proof.next_at is None else ProofState.WAITING).value
    return True


def _redemption(session: Session, redemption_id: UUID) -> Row[Any]:
    query: Any = select(
        _REDEMPTION.id,
        _REDEMPTION.merchant_id,
        _REDEMPTION.site_id,
        _REDEMPTION.state,
        _REDEMPTION.bill_minor,
        _REDEMPTION.pos_order_id,
        _REDEMPTION.captured_at,
        Merchant.__table__.c.currency,
    ).join(Merchant, Merchant.id == _REDEMPTION.merchant_id)
    found: Row[Any] = session.execute(query.where(_REDEMPTION.id == redemption_id)).one()
    return found


def _match(session: Session, one: Row[Any], now: datetime) -> Reason | None:
    """Match a redemption with an order and return None, or return why there is none."""
    named = _named(session, one)
    if named:
        return _first_that_fits(session, one, named, _BY_REFERENCE, now)
    if one.bill_minor is None:
        return Reason.NO_BILL
    places = select(TillLocation.external_id).where(
        TillLocation.site_id == one.site_id, TillLocation.merchant_id == one.merchant_id
    )
    locations = session.scalars(places).all()
    if not locations:
        return Reason.NO_PLACE
    return _first_that_fits(session, one, _around(session, one, locations), _BY_AMOUNT, now)


def _named(session: Session, one: Row[Any]) -> Sequence[TillOrder]:
    """Return the orders that name a redemption, or that it names."""
    names = [TillOrder.redemption_id == one.id, TillOrder.reference == str(one.id)]
    if one.pos_order_id is not None:
        names += [TillOrder.external_id == one.pos_order_id, TillOrder.reference == one.pos_order_id]
    mine = TillOrder.merchant_id == one.merchant_id, TillOrder.state != SaleState.UNREAD.value
    return session.scalars(select(TillOrder).where(*mine, or_(*names)).order_by(TillOrder.id)).all()


def _around(session: Session, one: Row[Any], locations: Sequence[str]) -> list[TillOrder]:
    """Return the orders of a place around the time of a redemption, the nearest first; none of another's."""
    until = one.captured_at + WINDOW
    query = select(TillOrder).where(
        TillOrder.merchant_id == one.merchant_id,
        TillOrder.location.in_(locations),
        TillOrder.rung_up_at <= until,
        func.coalesce(TillOrder.closed_at, TillOrder.rung_up_at) >= one.captured_at - WINDOW,
        TillOrder.rung_up_at >= one.captured_at - ENLISTED_WITHIN,
        or_(TillOrder.redemption_id.is_(None), TillOrder.redemption_id == one.id),
    )
    found = session.scalars(query).all()
    return sorted(found, key=lambda order: (abs(_paid_at(order) - one.captured_at), order.id))


def _paid_at(order: TillOrder) -> datetime:
    at = order.closed_at or order.rung_up_at
    if at is None:
        raise AssertionError("an order that was read has an instant")
    return at


def _first_that_fits(
    session: Session, one: Row[Any], orders: Sequence[TillOrder], by: str, now: datetime
) -> Reason | None:
    """Match with the first order that proves the redemption; else return what came closest to it."""
    reasons = set()
    for order in orders:
        reason = _against(one, order)
        if reason is None:
            if _claim(session, one.id, order, by, now):
                return None
            reason = Reason.TAKEN
        reasons.add(reason)
    closest = (Reason.TAKEN, Reason.NOT_PAID, Reason.CANCELED, Reason.AMOUNT_DIFFERS)
    return next((reason for reason in closest if reason in reasons), Reason.NO_ORDER)


def _against(one: Row[Any], order: TillOrder) -> Reason | None:
    """Return what speaks against an order as the proof of a redemption."""
    if one.currency != order.currency or not fits(one.bill_minor, order):
        return Reason.AMOUNT_DIFFERS
    if order.state == SaleState.CANCELED:
        return Reason.CANCELED
    return None if order.is_settled else Reason.NOT_PAID


def fits(bill_minor: int | None, order: TillOrder) -> bool:
    """Whether an order comes to a bill: with tax or without, before or after its discount; never with tip."""
    if bill_minor is None:
        return True
    goods = {order.amount_minor, order.amount_minor + order.discount_minor}
    return bill_minor in goods | {one + order.tax_minor for one in goods}


def _claim(session: Session, redemption_id: UUID, order: TillOrder, by: str, now: datetime) -> bool:
    """Let an order prove a redemption, unless it proves another; whoever comes at once waits here."""
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    row = {"redemption_id": redemption_id, "order_id": order.id, "by": by, "matched_at": now}
    claimed = dialect.insert(TillMatch).values(row).on_conflict_do_nothing().returning(TillMatch.order_id)
    if session.scalar(claimed) is None:
        return False
    given_back = update(TillRefund).where(
        TillRefund.order_id == order.id,
        TillRefund.state == RefundState.COMPLETED.value,
        TillRefund.points.is_(None),
    )
    session.execute(given_back.values(next_at=now).execution_options(synchronize_session=False))
    return True
