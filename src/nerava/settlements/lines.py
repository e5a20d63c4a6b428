"""What a period consists of, from the rows alone: captures, refunds and claims of its time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy import exists, insert, select

from nerava.merchants.model import Offer, PerkClaim, Redemption, RedemptionRefund
from nerava.settlements.model import SettlementLine
from nerava.settlements.states import LineKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Row
    from sqlalchemy.orm import Session

LATE: Final = timedelta(days=2)
"""How far before a period its rows are looked for, too: one that committed late goes into the next."""

_REDEMPTION: Final[Any] = Redemption.__table__
_REFUND: Final[Any] = RedemptionRefund.__table__
_CLAIM: Final[Any] = PerkClaim.__table__
_OFFER: Final[Any] = Offer.__table__
_LINE: Final[Any] = SettlementLine.__table__


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is settled; `amount` as in `SettlementLine`."""

    kind: LineKind
    source_id: UUID
    amount: int
    title: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a period, by instant."""

    every: list[Line]

    @property
    def redeemed(self) -> int:
        """Points that were captured."""
        return self._sum(LineKind.REDEMPTION)

    @property
    def refunded(self) -> int:
        """Points that were given back, as a number of at least 0."""
        return -self._sum(LineKind.REFUND)

    @property
    def claim_fees(self) -> int:
        """Fees of claims, in minor units."""
        return self._sum(LineKind.CLAIM)

    def write(self, session: Session, settlement_id: UUID) -> None:
        """Freeze the lines under a settlement, in the caller's transaction."""
        rows = [
            {
                "settlement_id": settlement_id,
                "number": number,
                "kind": line.kind.value,
                "source_id": line.source_id,
                "amount": line.amount,
                "title": line.title,
                "happened_at": line.happened_at,
            }
            for number, line in enumerate(self.every, start=1)
        ]
        if rows:
            session.execute(insert(_LINE), rows)

    def _sum(self, kind: LineKind) -> int:
        return sum(line.amount for line in self.every if line.kind is kind)


def lines_until(session: Session, merchant_id: UUID, since: datetime, until: datetime) -> Lines:
    """Return what happened before `until` and was not settled before; nothing is settled twice.

    What is as old as `since` or at most two days older is looked at (aware UTC).
    """
    time = (since - LATE, until)
    found = [*_captures(session, merchant_id, time), *_refunds(session, merchant_id, time)]
    found += _claims(session, merchant_id, time)
    return Lines(sorted(found, key=lambda line: (line.happened_at, line.kind, line.source_id)))


def _captures(session: Session, merchant_id: UUID, time: tuple[datetime, datetime]) -> Iterator[Line]:
    query = (
        select(_REDEMPTION.c.id, _REDEMPTION.c.points, _REDEMPTION.c.captured_at, _OFFER.c.title)
        .join(_OFFER, _OFFER.c.id == _REDEMPTION.c.offer_id)
        .where(
            _REDEMPTION.c.merchant_id == merchant_id,
            _REDEMPTION.c.captured_at >= time[0],
            _REDEMPTION.c.captured_at < time[1],
            ~_settled(LineKind.REDEMPTION, _REDEMPTION.c.id),
        )
    )
    for row in session.execute(query):
        yield _line(LineKind.REDEMPTION, row, row.points, row.captured_at)


def _refunds(session: Session, merchant_id: UUID, time: tuple[datetime, datetime]) -> Iterator[Line]:
    query = (
        select(_REFUND.c.id, _REFUND.c.points, _REFUND.c.refunded_at, _OFFER.c.title)
        .join(_REDEMPTION, _REDEMPTION.c.id == _REFUND.c.redemption_id)
        .join(_OFFER, _OFFER.c.id == _REDEMPTION.c.offer_id)
        .where(
            _REFUND.c.merchant_id == merchant_id,
            _REFUND.c.refunded_at >= time[0],
            _REFUND.c.refunded_at < time[1],
            ~_settled(LineKind.REFUND, _REFUND.c.id),
        )
    )
    for row in session.execute(query):
        yield _line(LineKind.REFUND, row, -row.points, row.refunded_at)


def _claims(session: Session, merchant_id: UUID, time: tuple[datetime, datetime]) -> Iterator[Line]:
    query = (
        select(_CLAIM.c.id, _CLAIM.c.fee_minor, _CLAIM.c.claimed_at, _OFFER.c.title)
        .join(_OFFER, _OFFER.c.id == _CLAIM.c.offer_id)
        .where(
            _CLAIM.c.merchant_id == merchant_id,
            _CLAIM.c.claimed_at >= time[0],
            _CLAIM.c.claimed_at < time[1],
            ~_settled(LineKind.CLAIM, _CLAIM.c.id),
        )
    )
    for row in session.execute(query):
        yield _line(LineKind.CLAIM, row, row.fee_minor, row.claimed_at)


def _settled(kind: LineKind, source: Any) -> Any:  # noqa: ANN401 - a column and a condition
    return exists().where(_LINE.c.kind == kind.value, _LINE.c.source_id == source)


def _line(kind: LineKind, row: Row[Any], amount: int, at: datetime) -> Line:
    return Line(kind, row.id, amount, row.title, at)
