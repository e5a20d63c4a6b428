"""A merchant gives points back: all of them within a minute at the register, any part later."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update

from nerava.kernel.ids import fact_id
from nerava.ledger import Status
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.redemption_refund import CapturedRedemption, redemption_refund
from nerava.merchants import stock
from nerava.merchants.errors import (
    AlreadySettled,
    NotRefundable,
    RedemptionRefused,
    TooLateToVoid,
    UnknownRedemption,
)
from nerava.merchants.model import PosOrder, Redemption, RedemptionRefund
from nerava.merchants.queries import RedemptionState
from nerava.merchants.stock import Piece
from nerava.outbox.catalogue import RedemptionEvent
from nerava.outbox.publishing import publish

if TYPE_CHECKING:
    from sqlalchemy import Row
    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger

VOID_WITHIN: Final = timedelta(seconds=60)
"""How long the register that took a code may take that back."""

_T: Final[Any] = Redemption.__table__
_REFUND: Final[Any] = RedemptionRefund.__table__
_ORDER: Final[Any] = PosOrder.__table__
_OPEN: Final = (RedemptionState.CAPTURED, RedemptionState.PARTLY_REFUNDED)


@dataclass(frozen=True, slots=True)
class Refunded:
    """What was given back: `points` now, `left` is what still stands of the redemption."""

    refund_id: UUID
    redemption_id: UUID
    points: int
    left: int
    state: RedemptionState
    refunded_at: datetime


@dataclass(frozen=True, slots=True)
class Counter:
    """Who gives back, for the books: the merchant and the actor's opaque name."""

    merchant_id: UUID
    actor: str


def void(
    session: Session,
    ledger: Ledger,
    counter: Counter,
    redemption_id: UUID,
    *,
    register_id: UUID,
    now: datetime,
) -> Refunded:
    """Give back all of a redemption within a minute, at the register that took it.

    Raises:
        UnknownRedemption: That register took nothing under this id (404).
        TooLateToVoid: A minute has passed (409).
        NotRefundable: It was given back already, in full or in part (409).
        AlreadySettled: The merchant holds fewer points by now (409).
    """
    row = _locked(session, counter.merchant_id, redemption_id)
    if row.register_id != register_id:
        raise UnknownRedemption(f"no redemption {redemption_id}")
    if row.state != RedemptionState.CAPTURED:
        raise NotRefundable(f"the redemption is {row.state}", state=row.state)
    if now > row.captured_at + VOID_WITHIN:
        raise TooLateToVoid
    refund_id = fact_id(f"void:{redemption_id}")
    _post(session, ledger, counter, row, refund_id=refund_id, points=row.points, refunded=0)
    _write(session, row, RedemptionState.VOIDED, refund_id=refund_id, points=row.points, now=now)
    session.execute(delete(_ORDER).where(_ORDER.c.redemption_id == redemption_id))
    stock.give_back(session, [Piece(row.offer_id, row.local_date)])
    return Refunded(refund_id, redemption_id, row.points, 0, RedemptionState.VOIDED, now)


def refund(
    session: Session,
    ledger: Ledger,
    counter: Counter,
    redemption_id: UUID,
    *,
    refund_id: UUID,
    points: int | None,
    now: datetime,
) -> Refunded:
    """Give points of a redemption back, in the caller's unit of work.

    Args:
        session: The caller's unit of work.
        ledger: Where the points move.
        counter: Who gives them back.
        redemption_id: Of which redemption.
        refund_id: Names this refund; the same one happens once.
        points: How many; None means all that is left.
        now: Aware UTC.

    Raises:
        UnknownRedemption: Nothing was redeemed there under this id (404).
        NotRefundable: All of it was given back (409).
        RefundAboveCaptured: More than what is left (409).
        AlreadySettled: The merchant was settled since and holds fewer points (409).
    """
    row = _locked(session, counter.merchant_id, redemption_id)
    if row.state not in _OPEN:
        raise NotRefundable(f"the redemption is {row.state}", state=row.state)
    given = select(func.coalesce(func.sum(_REFUND.c.points), 0)).where(
        _REFUND.c.redemption_id == redemption_id
    )
    before = int(session.execute(given).scalar_one())
    wanted = row.points - before if points is None else points
    _post(session, ledger, counter, row, refund_id=refund_id, points=wanted, refunded=before)
    left = row.points - before - wanted
    state = RedemptionState.PARTLY_REFUNDED if left else RedemptionState.REFUNDED
    _write(session, row, state, refund_id=refund_id, points=wanted, now=now)
    return Refunded(refund_id, redemption_id, wanted, left, state, now)


def _locked(session: Session, merchant_id: UUID, redemption_id: UUID) -> Row[Any]:
    """Return a redemption under its lock. Group commits touch open codes alone, so they never wait for it."""
    query = select(_T).where(
        _T.c.id == redemption_id, _T.c.merchant_id == merchant_id, _T.c.captured_at.is_not(None)
    )
    row = session.execute(query.with_for_update(key_share=True)).one_or_none()
    if row is None:
        raise UnknownRedemption(f"no redemption {redemption_id}")
    return row


def _post(
    session: Session,
    ledger: Ledger,
    counter: Counter,
    row: Row[Any],
    *,
    refund_id: UUID,
    points: int,
    refunded: int,
) -> None:
    captured = CapturedRedemption(
        row.id, row.register_id, row.driver_id, row.merchant_id, row.points, refunded=refunded
    )
    chain = redemption_refund(refund_id=refund_id, redemption=captured, points=points, actor=counter.actor)
    verdict = ledger.post(session, chain)
    match verdict.status:
        case Status.POSTED:
            return
        case Status.INSUFFICIENT:
            raise AlreadySettled
        case Status.SWITCHED_OFF:
            raise SwitchedOff
        case other:
            raise RedemptionRefused(f"the ledger said {other}", status=other)


def _write(
    session: Session, row: Row[Any], state: RedemptionState, *, refund_id: UUID, points: int, now: datetime
) -> None:
    kind = "void" if state is RedemptionState.VOIDED else "refund"
    ended_at = None if state is RedemptionState.PARTLY_REFUNDED else now
    session.execute(
        insert(_REFUND).values(
            id=refund_id,
            redemption_id=row.id,
            merchant_id=row.merchant_id,
            kind=kind,
            points=points,
            transaction_key=fact_id(f"redemption_refund:{row.id}:{refund_id}"),
            refunded_at=now,
        )
    )
    change = update(_T).where(_T.c.id == row.id, _T.c.state == row.state)
    session.execute(change.values(state=state.value, ended_at=ended_at))
    event = RedemptionEvent.model_validate(
        {"state": state.value, "redemption_id": row.id, "points": points}
        | {"merchant_id": row.merchant_id, "driver_id": row.driver_id}
    )
    publish(session, [event], now)
