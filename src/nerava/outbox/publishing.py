"""Writing events in the transaction of what happened, and ordering them after its commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from nerava.kernel.ids import fact_id, new_id
from nerava.outbox.model import OutboxEvent, OutboxHead
from nerava.platform import tracing
from nerava.platform.db.bulk import BulkInsert
from nerava.platform.metrics.catalogue import EVENTS, PAYOUTS, REDEMPTIONS, REWARDS, SESSIONS_JUDGED
from nerava.platform.metrics.tally import tally

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.outbox.catalogue import Event

ORDERED_AT_ONCE: Final = 2_000
_T: Final[Any] = OutboxEvent.__table__
_C: Final[Any] = _T.c
BY_STATE: Final = {
    "charging_session": SESSIONS_JUDGED,
    "reward": REWARDS,
    "redemption": REDEMPTIONS,
    "payout": PAYOUTS,
}
"""What is counted by itself, too."""

_NEW: Final = BulkInsert(
    _T,
    (
        "id",
        "fact",
        "type",
        "version",
        "subject_id",
        "driver_id",
        "merchant_id",
        "sponsor_id",
        "partner_id",
        "data",
        "happened_at",
        "traceparent",
    ),
    if_new=True,
)


def publish(session: Session, events: Sequence[Event], now: datetime) -> None:
    """Write down what happened, in the caller's transaction: with its commit there is one event, or none.

    Nothing is sent here and nobody is waited for. The order of the list is the order of the events.
    """
    left_by = tracing.stored()
    _NEW.run(session, [_row(one, now, left_by) for one in events])
    for one in events:
        tally(session, EVENTS, one.type)
        if one.noun in BY_STATE:
            tally(session, BY_STATE[one.noun], one.state)


def give_positions(session: Session, limit: int = ORDERED_AT_ONCE) -> int:
    """Give committed events their positions, in the order of their numbers, and return how many.

    Two at once wait for each other. An event is seen here no earlier than every event about its
    subject that was committed before it was written, so positions keep the order of each subject.
    """
    if session.scalar(select(_C.number).where(_C.position.is_(None)).limit(1)) is None:
        return 0
    head = session.execute(select(OutboxHead.position).with_for_update()).scalar_one()
    # Read under the lock, as everything that another round has just ordered is.
    waiting = select(_C.number).where(_C.position.is_(None)).order_by(_C.number).limit(limit).subquery()
    ahead = select(
        waiting.c.number, func.row_number().over(order_by=waiting.c.number).label("ahead")
    ).subquery()
    order = update(_T).where(_C.number == ahead.c.number).values(position=head + ahead.c.ahead)
    ordered: int = session.execute(order).rowcount  # type: ignore[attr-defined]
    session.execute(update(OutboxHead).values(position=head + ordered))
    return ordered


def _row(one: Event, now: datetime, left_by: str | None) -> tuple[Any, ...]:
    return (
        new_id(),
        None if one.once is None else fact_id(f"event:{one.once}"),
        one.type,
        one.version,
        one.subject_id,
        one.driver_id,
        one.merchant_id,
        one.sponsor_id,
        one.partner_id,
        one.model_dump_json(),
        now,
        left_by,
    )
