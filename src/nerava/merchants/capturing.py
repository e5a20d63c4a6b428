"""A register takes a code: the capture of its hold, and the row that commits with it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Self
from uuid import UUID

from sqlalchemy import select

from nerava.ledger import Effect, EffectRefused, Status
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.redemption import redemption_capture
from nerava.merchants.errors import (
    CodeAlreadyUsed,
    CodeExpired,
    CodeWithdrawn,
    PosOrderTaken,
    RedemptionRefused,
    UnknownCode,
)
from nerava.merchants.model import PosOrder, Redemption
from nerava.merchants.purchases import FIRST_LOOK
from nerava.merchants.queries import RedemptionState
from nerava.outbox.catalogue import RedemptionEvent
from nerava.outbox.publishing import publish
from nerava.platform.db.bulk import BulkInsert, BulkUpdate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from nerava.kernel.errors import NeravaError
    from nerava.ledger import Chain, Verdict
    from nerava.merchants.board import CodeFacts
    from nerava.merchants.service import RegisterView
    from nerava.platform.limits import Hit, Limits

_T: Final[Any] = Redemption.__table__
_CAPTURE: Final = BulkUpdate(
    _T,
    match=("id", "state"),
    assign=("state", "register_id", "site_id", "bill_minor", "points", "pos_order_id", "captured_at"),
)
_ORDER: Final = BulkInsert(
    PosOrder.__table__,  # type: ignore[arg-type]
    ("merchant_id", "pos_order_id", "redemption_id", "next_at"),
    if_new=True,
)


@dataclass(frozen=True, slots=True)
class Taking:
    """A code that a register wants to take.

    Attributes:
        bill_minor: What the bill comes to, in minor units; never more is taken. None: all of the code.
        pos_order_id: The order in the merchant's point of sale; it takes one code.
    """

    code: CodeFacts
    register: RegisterView
    bill_minor: int | None
    pos_order_id: str | None

    @property
    def points(self) -> int:
        """What is taken: the code's value, or the bill if that is less."""
        price = self.code.price_nova
        return price if self.bill_minor is None else min(price, self.bill_minor)

    def chain(self, *, actor: str) -> Chain:
        """Return the chain that takes the points; another register has another key, and is told who won."""
        return redemption_capture(
            redemption_id=self.code.redemption_id,
            register_id=self.register.id,
            price=self.code.price_nova,
            bill=self.bill_minor,
            actor=actor,
        )

    def refused(self, verdict: Verdict) -> NeravaError:
        """Return why nothing was taken now; `UnknownCode` where the row has to say why (`why_over`)."""
        match verdict.status:
            case Status.HOLD_EXPIRED:
                return CodeExpired()
            case Status.EXISTS | Status.CONFLICT | Status.HOLD_RESOLVED | Status.HOLD_NOT_FOUND:
                return UnknownCode()
            case Status.SWITCHED_OFF:
                return SwitchedOff()
            case other:
                return RedemptionRefused(f"the ledger said {other}", status=other)


@dataclass(frozen=True, slots=True)
class RefuseGuessers(Effect):
    """Who has guessed too often gets nothing for a right guess either; asked in the capture's own commit."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    limits: Limits
    hits: tuple[Hit, ...]
    now: datetime

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Look at the counters of a batch with one statement.

        Raises:
            RateLimited: One of them is full (429).
        """
        first = items[0][0]
        every = dict.fromkeys(hit for effect, _ in items for hit in effect.hits)
        first.limits.check(session, list(every), first.now)


@dataclass(frozen=True, slots=True)
class MarkCaptured(Effect):
    """The row of a code that was taken, committed with the capture of its points: both or none."""

    applies_to: ClassVar[Literal["posted", "any"]] = "posted"

    taking: Taking

    @classmethod
    def apply_batch(cls, session: Session, items: Sequence[tuple[Self, Verdict]]) -> None:
        """Write the captures of a batch with one statement, and their orders with another.

        Raises:
            PosOrderTaken: An order has a code already (409).
            EffectRefused: A row does not say what the ledger says.
        """
        orders = [_order(*each) for each in items if each[0].taking.pos_order_id is not None]
        if _ORDER.run(session, orders) < len(orders):
            raise PosOrderTaken(f"order {orders[0][1]} has a code already", pos_order_id=orders[0][1])
        if _CAPTURE.run(session, [_row(effect.taking, verdict) for effect, verdict in items]) < len(items):
            message = "a code whose points were held must be held"
            raise EffectRefused(message)
        told = [_event(effect.taking) for effect, _ in items]
        publish(session, told, max(one.posted_at for _, one in items if one.posted_at is not None))


def why_over(session: Session, redemption_id: UUID) -> NeravaError:
    """Return why a code whose hold has ended cannot be taken."""
    query = select(_T.c.state, _T.c.captured_at, _T.c.register_id).where(_T.c.id == redemption_id)
    row = session.execute(query).one_or_none()
    if row is None:
        return UnknownCode()
    match row.state:
        case RedemptionState.RELEASED:
            return CodeWithdrawn()
        case RedemptionState.EXPIRED:
            return CodeExpired()
        case _:
            return CodeAlreadyUsed(
                redemption_id=redemption_id, register_id=row.register_id, captured_at=row.captured_at
            )


def _event(one: Taking) -> RedemptionEvent:
    return RedemptionEvent(
        state="captured",
        redemption_id=one.code.redemption_id,
        points=one.points,
        merchant_id=one.code.merchant_id,
    )


def _order(one: MarkCaptured, verdict: Verdict) -> tuple[Any, ...]:
    taking, code = one.taking, one.taking.code
    due_at = None if verdict.posted_at is None else verdict.posted_at + FIRST_LOOK
    return (code.merchant_id, taking.pos_order_id, code.redemption_id, due_at)


def _row(one: Taking, verdict: Verdict) -> tuple[Any, ...]:
    return (
        one.code.redemption_id,
        RedemptionState.HELD.value,
        RedemptionState.CAPTURED.value,
        one.register.id,
        one.register.site_id,
        one.bill_minor,
        one.points,
        one.pos_order_id,
        verdict.posted_at,
    )
