"""Books what a dispute moved at the provider, line by line, and collects what a lost one left open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import func, select

from nerava.kernel.ids import new_id
from nerava.ledger import Status, UnknownAccount
from nerava.ledger.chart import (
    external_account,
    sponsor_prepaid,
    sponsor_receivable,
    sponsor_receivable_account,
)
from nerava.ledger.reads import balance_now
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.sponsor_dispute import (
    Disputed,
    Returned,
    sponsor_dispute_collected,
    sponsor_dispute_returned,
    sponsor_dispute_taken,
)
from nerava.rewards.checkout_store import SponsorCheckout
from nerava.rewards.dispute_store import MovementKind, SponsorDispute, SponsorDisputeMovement
from nerava.rewards.errors import PostingRefused

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Ledger
    from nerava.rewards.ports import DisputedMoney

_ACTOR: Final = "disputes"
_M: Final[Any] = SponsorDisputeMovement
_C: Final[Any] = SponsorCheckout


class DisputeSums(NamedTuple):
    """What was booked of one dispute, in minor units.

    Attributes:
        taken: By the payer's bank.
        returned: By it, later.
        collected: Out of the sponsor's deposits.
        to_deposits: Of what was returned, and `to_house` likewise.
    """

    taken: int = 0
    returned: int = 0
    collected: int = 0
    to_deposits: int = 0
    to_house: int = 0

    @property
    def away(self) -> int:
        """What the payer's bank has of us now."""
        return self.taken - self.returned

    @property
    def owed(self) -> int:
        """What nothing has paid yet."""
        return self.taken - self.collected - (self.returned - self.to_deposits - self.to_house)


def owed_of(session: Session, sponsor_id: UUID) -> int:
    """Return what a sponsor owes for payments that were taken back, in minor units."""
    try:
        return -balance_now(session, sponsor_receivable(sponsor_id)).posted
    except UnknownAccount:
        return 0


def share_out(sums: DisputeSums, amount: int, sponsor_owes: int) -> Returned:
    """Return where an amount goes that a bank returns; the parts are the amount. Pure.

    First it pays what the dispute left open, as far as the sponsor still owes that. Then the sponsor
    gets back what was collected for it. What is left had been given up by the house.
    """
    owed = min(amount, max(0, sums.owed), sponsor_owes)
    deposits = min(amount - owed, sums.collected - sums.to_deposits)
    return Returned(owed, deposits, amount - owed - deposits)


def sums_of(session: Session, dispute_id: UUID) -> DisputeSums:
    """Return what was booked of a dispute."""
    query = (
        select(_M.kind, func.sum(_M.amount), func.sum(_M.to_deposits), func.sum(_M.to_house))
        .where(_M.dispute_id == dispute_id)
        .group_by(_M.kind)
    )
    amounts = {}
    to_deposits = to_house = 0
    for kind, amount, deposits, house in session.execute(query):
        amounts[kind] = int(amount)
        to_deposits, to_house = to_deposits + int(deposits), to_house + int(house)
    return DisputeSums(**amounts, to_deposits=to_deposits, to_house=to_house)


def book(
    session: Session, ledger: Ledger, row: SponsorDispute, moved: Iterable[DisputedMoney], now: datetime
) -> str | None:
    """Book every line of the provider's that is not booked yet; return what is in the way, if anything is.

    The sponsor's row is locked by the caller. The same line counts once, whatever tells of it.

    Raises:
        SwitchedOff: Somebody has stopped it (503).
        PostingRefused: The ledger knows the line with another amount (409).
    """
    disputed, currency = _of(row), session.scalar(select(_C.currency).where(_C.id == row.checkout_id))
    known = set(session.scalars(select(_M.movement).where(_M.dispute_id == row.id)))
    new = [
        one for one in moved if one.movement not in known and (one.amount_minor != 0 or one.fee_minor != 0)
    ]
    if any(one.currency != currency for one in new):
        return "other-currency"
    if new:
        there = external_account(row.provider, str(currency))
        ledger.open(session, [there, sponsor_receivable_account(disputed.sponsor_id, str(currency))])
    # What was taken comes before what was returned of it, however the provider lists them.
    for one in sorted(new, key=lambda line: line.amount_minor):
        if one.amount_minor <= 0:
            chain = sponsor_dispute_taken(
                disputed, one.movement, amount=-one.amount_minor, cost=one.fee_minor, actor=_ACTOR
            )
            kind, returned = MovementKind.TAKEN, Returned(0, 0, 0)
        else:
            owes = owed_of(session, disputed.sponsor_id)
            returned = share_out(sums_of(session, row.id), one.amount_minor, owes)
            chain = sponsor_dispute_returned(
                disputed, one.movement, returned=returned, cost=one.fee_minor, actor=_ACTOR
            )
            kind = MovementKind.RETURNED
        _post(session, ledger, chain)
        session.add(
            SponsorDisputeMovement(
                id=new_id(),
                dispute_id=row.id,
                movement=one.movement,
                kind=kind.value,
                amount=abs(one.amount_minor),
                cost=one.fee_minor,
                to_deposits=returned.deposits,
                to_house=returned.house,
                transaction_key=chain.key,
                booked_at=now,
            )
        )
        session.flush()
    return None


def collect(session: Session, ledger: Ledger, row: SponsorDispute, now: datetime) -> int:
    """Pay what a lost dispute left open out of the sponsor's deposits, as far as they go; return how much.

    The sponsor's row is locked by the caller. Points and what campaigns hold are left alone.

    Raises:
        SwitchedOff: Somebody has stopped it (503).
        PostingRefused: The deposits changed meanwhile (409).
    """
    open_minor = sums_of(session, row.id).owed
    if open_minor <= 0:
        return 0
    disputed = _of(row)
    owes = owed_of(session, disputed.sponsor_id)
    there = balance_now(session, sponsor_prepaid(disputed.sponsor_id)).available
    amount = min(open_minor, owes, there)
    if amount <= 0:
        return 0
    collection_id = new_id()
    chain = sponsor_dispute_collected(disputed, collection_id, amount=amount, actor=_ACTOR)
    _post(session, ledger, chain)
    session.add(
        SponsorDisputeMovement(
            id=collection_id,
            dispute_id=row.id,
            movement=f"collected:{collection_id}",
            kind=MovementKind.COLLECTED.value,
            amount=amount,
            cost=0,
            to_deposits=0,
            to_house=0,
            transaction_key=chain.key,
            booked_at=now,
        )
    )
    session.flush()
    return amount


def _of(row: SponsorDispute) -> Disputed:
    if row.sponsor_id is None:
        raise AssertionError("only what a payment of ours is known for is booked")
    return Disputed(row.provider, row.dispute, row.sponsor_id)


def _post(session: Session, ledger: Ledger, chain: Chain) -> None:
    verdict = ledger.post(session, chain)
    match verdict.status:
        case Status.POSTED | Status.EXISTS:
            return
        case Status.SWITCHED_OFF:
            raise SwitchedOff
        case other:
            raise PostingRefused(f"the ledger said {other}", status=other)
