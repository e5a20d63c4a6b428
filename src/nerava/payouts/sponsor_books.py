"""Compares what the provider's book says of sponsors' payments with ours: charges, refunds, disputes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import or_, select

from nerava.payouts.books import MATCHED, Line, Period
from nerava.payouts.states import CaseKind
from nerava.rewards.checkout_store import CheckoutState, RefundState, SponsorCheckout, SponsorRefundRow
from nerava.rewards.dispute_store import MovementKind, SponsorDispute, SponsorDisputeMovement

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.orm import Session

    from nerava.payouts.ports import Movement

CHARGE: Final = "charge"
REFUND: Final = "refund"
REFUND_FAILURE: Final = "refund_failure"
DISPUTE: Final = "dispute"
OURS: Final = frozenset({CHARGE, REFUND, REFUND_FAILURE, DISPUTE})

MARGIN: Final = timedelta(days=1)
"""What ended within a day of a period's beginning may stand in the provider's book before that."""

_C: Final[Any] = SponsorCheckout
_R: Final[Any] = SponsorRefundRow
_D: Final[Any] = SponsorDispute
_M: Final[Any] = SponsorDisputeMovement


@dataclass(frozen=True, slots=True)
class Payments:
    """What our book says: payments of sponsors, what goes back of them, and what disputes moved."""

    checkouts: Sequence[SponsorCheckout]
    refunds: Sequence[SponsorRefundRow]
    disputed: Sequence[SponsorDisputeMovement] = ()


def payments_of(session: Session, provider: str, period: Period, movements: Iterable[Movement]) -> Payments:
    """Return the payments and refunds that ended in the period, and those that a movement names."""
    about = [one for one in movements if one.kind in OURS]
    names = {one.payment for one in about if one.payment is not None}
    checkouts = select(_C).where(
        _C.provider == provider,
        or_(_C.payment.in_(names), (_C.ended_at >= period.since) & (_C.ended_at < period.until)),
    )
    refunds = (
        select(_R)
        .join(_C, _C.id == _R.checkout_id)
        .where(
            _C.provider == provider,
            or_(
                _R.refund.in_({one.source for one in about}),
                (_R.ended_at >= period.since) & (_R.ended_at < period.until),
            ),
        )
    )
    disputed = (
        select(_M)
        .join(_D, _D.id == _M.dispute_id)
        .where(_D.provider == provider, _M.movement.in_({one.id for one in about}))
    )
    return Payments(
        session.scalars(checkouts.order_by(_C.id)).all(),
        session.scalars(refunds.order_by(_R.id)).all(),
        session.scalars(disputed.order_by(_M.id)).all(),
    )


def compare_payments(period: Period, movements: Sequence[Movement], ours: Payments) -> list[Line]:
    """Return a line for every charge, refund and dispute of the period, and for what only our book has. Pure.

    What only ours has is looked for in periods of more than a day: a payment can end hours after
    it stands in the provider's book.
    """
    checkouts = {one.payment: one for one in ours.checkouts if one.payment is not None}
    refunds = {one.refund: one for one in ours.refunds if one.refund is not None}
    disputed = {one.movement: one for one in ours.disputed}
    lines, seen = [], Counter[str]()
    for one in sorted(movements, key=lambda movement: (movement.created_s, movement.id)):
        if one.kind not in OURS:
            continue
        name = one.payment or "" if one.kind == CHARGE else one.source
        if one.kind in {CHARGE, REFUND}:
            seen[name] += 1
        if not period.since.timestamp() <= one.created_s < period.until.timestamp():
            continue
        if one.kind == CHARGE:
            lines.append(_charge(one, checkouts.get(name), seen[name]))
        elif one.kind == DISPUTE:
            lines.append(_dispute(one, disputed.get(one.id)))
        else:
            lines.append(_refund(one, refunds.get(one.source), seen[name]))
    begin = period.since + MARGIN
    paid = [one for one in ours.checkouts if one.state == CheckoutState.PAID]
    back = [one for one in ours.refunds if one.state == RefundState.PAID]
    lines += [
        _missing(CHARGE, one.payment, one.gross, one.currency)
        for one in paid
        if _within(one.ended_at, begin, period.until) and not seen[one.payment or ""]
    ]
    lines += [
        _missing(REFUND, one.refund, -one.amount, None)
        for one in back
        if _within(one.ended_at, begin, period.until) and not seen[one.refund or ""]
    ]
    return lines


def _within(at: datetime | None, begin: datetime, end: datetime) -> bool:
    return at is not None and begin <= at < end


def _charge(one: Movement, checkout: SponsorCheckout | None, times: int) -> Line:
    if checkout is None or checkout.state in {CheckoutState.FAILED, CheckoutState.EXPIRED}:
        return _line(CaseKind.EXTRA, one, None)
    if times > 1:
        return _line(CaseKind.DUPLICATE, one, checkout.gross)
    if one.currency != checkout.currency:
        return _line(CaseKind.CURRENCY, one, checkout.gross)
    return _line(MATCHED if one.amount_minor == checkout.gross else CaseKind.AMOUNT, one, checkout.gross)


def _refund(one: Movement, refund: SponsorRefundRow | None, times: int) -> Line:
    sign = 1 if one.kind == REFUND_FAILURE else -1
    if refund is None:
        return _line(CaseKind.EXTRA, one, None)
    expected = sign * refund.amount
    if one.kind == REFUND_FAILURE:
        came_back = refund.state in {RefundState.RETURNED, RefundState.FAILED}
        return _line(MATCHED if came_back else CaseKind.LATE_REVERSAL, one, expected)
    if times > 1:
        return _line(CaseKind.DUPLICATE, one, expected)
    return _line(MATCHED if one.amount_minor == expected else CaseKind.AMOUNT, one, expected)


def _dispute(one: Movement, booked: SponsorDisputeMovement | None) -> Line:
    """Return the verdict on what a payer took back or got no right to.

    It is extra where no event has told of it yet, or where it is about no payment of ours.
    """
    if booked is None:
        return _line(CaseKind.EXTRA, one, None)
    expected = -booked.amount if booked.kind == MovementKind.TAKEN else booked.amount
    is_same = (one.amount_minor, one.fee_minor) == (expected, booked.cost)
    return _line(MATCHED if is_same else CaseKind.AMOUNT, one, expected)


def _line(verdict: str, one: Movement, expected: int | None) -> Line:
    return Line(
        verdict=str(verdict),
        at=one.created_s,
        kind=one.kind,
        movement=one.id,
        source=one.source,
        payout_id=None,
        amount_minor=one.amount_minor,
        expected_minor=expected,
        currency=one.currency,
    )


def _missing(kind: str, source: str | None, expected: int, currency: str | None) -> Line:
    return Line(CaseKind.MISSING.value, None, kind, None, source, None, None, expected, currency)
