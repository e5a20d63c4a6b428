"""Reading orders and refunds that we were told of: durable, a few at a time, one worker each."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.merchants import code_text
from nerava.merchants.codes import CodeKind
from nerava.merchants.errors import CodeMistyped
from nerava.merchants.model import Redemption
from nerava.tills.hearing import follow_refund, is_newer
from nerava.tills.links import link_of, opened
from nerava.tills.matching import look_at_waiting
from nerava.tills.model import TillLink, TillOrder, TillRefund
from nerava.tills.ports import NOT_THERE, TOKEN_REFUSED, Seller
from nerava.tills.states import RefundState, SaleState, TillState
from nerava.tills.turns import AT_ONCE, LEASE, is_due, look_again, put_off

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.merchants.codes import SecretCodes
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.tills.ports import GivenBack, PointOfSale, Sale

log = logging.getLogger(__name__)

_Failed = Refused | RetryLater | Misconfigured | Unknown

SELLERS_AT_ONCE: Final = 5


@dataclass(frozen=True, slots=True)
class _Turn:
    """What is to be read of one seller: ids of rows, and the provider's names of what they are about."""

    seller: Seller
    orders: dict[str, UUID]
    refunds: dict[str, UUID]


@dataclass(frozen=True, slots=True)
class _Read:
    """An order, and what its completed payments brought."""

    sale: Sale
    paid_minor: int


class TillReading:
    """Reads what is due. Safe to share between threads and processes, to repeat and to kill."""

    def __init__(self, database: Database, vault: Vault, codes: SecretCodes, till: PointOfSale) -> None:
        self._database = database
        self._vault = vault
        self._codes = codes
        self._till = till

    def run(self, now: datetime) -> int:
        """Read orders and refunds that are due and return how many."""
        done = 0
        for _ in range(SELLERS_AT_ONCE):
            turn = self._database.run(lambda session: self._leased(session, now))
            if turn is None:
                break
            self._read(turn, now)
            done += len(turn.orders) + len(turn.refunds)
        return done

    def _leased(self, session: Session, now: datetime) -> _Turn | None:
        due_orders = select(TillOrder.id).where(
            is_due(TillOrder, now),
            TillOrder.provider == TillLink.provider,
            TillOrder.account == TillLink.account,
        )
        due_refunds = (
            select(TillRefund.id)
            .join(TillOrder, TillOrder.id == TillRefund.order_id)
            .where(
                is_due(TillRefund, now),
                TillRefund.state.in_(_UNSETTLED),
                TillOrder.provider == TillLink.provider,
                TillOrder.account == TillLink.account,
            )
        )
        links = (
            select(TillLink)
            .where(
                TillLink.state == TillState.ACTIVE.value,
                TillLink.provider == self._till.name,
                due_orders.exists() | due_refunds.exists(),
            )
            .order_by(TillLink.id)
            .limit(1)
            .with_for_update(skip_locked=True, key_share=True)
        )
        link = session.scalars(links.execution_options(populate_existing=True)).one_or_none()
        if link is None:
            return None
        access = opened(session, self._vault, link)
        if access is None:
            # Whoever looks after links breaks this one, and says so.
            link.next_at = now
            return None
        return _turn(session, link, access[0], now)

    def _read(self, turn: _Turn, now: datetime) -> None:
        """Read what a turn is about; after an answer that is no answer, nothing more of it is asked for."""
        found: Outcome[list[Sale]] = Ok([])
        if turn.orders:
            found = self._till.orders(turn.seller, list(turn.orders))
        failed = _failure(found)
        sales = {one.external_id: one for one in found.value} if isinstance(found, Ok) else {}
        for name, row_id in turn.orders.items():
            read: Outcome[_Read] = Refused(NOT_THERE)
            if failed is not None:
                read = failed
            elif name in sales:
                read = self._with_payments(turn, sales[name])
                failed = _failure(read)
            self._database.run(lambda session: self._settle(session, row_id, read, now))  # noqa: B023 - called at once
        for name, row_id in turn.refunds.items():
            given = self._till.refund(turn.seller, name) if failed is None else failed
            failed = failed or _failure(given)
            self._database.run(lambda session: _settle_refund(session, row_id, given, now))  # noqa: B023 - called at once
        if failed is not None:
            self._note(turn, failed, now)

    def _with_payments(self, turn: _Turn, sale: Sale) -> Outcome[_Read]:
        paid = 0
        for name in sale.payments:
            payment = self._till.payment(turn.seller, name)
            if isinstance(payment, Ok):
                paid += payment.value.paid_minor if payment.value.is_completed else 0
            elif _failure(payment) is not None:
                return payment
        return Ok(_Read(sale, paid))

    def _note(self, turn: _Turn, failed: _Failed, now: datetime) -> None:
        """Have the tokens of a link renewed when they are refused."""
        if isinstance(failed, Misconfigured):
            log.error("%s refuses a reading: %s", self._till.name, failed.code)
        if not (isinstance(failed, Refused) and failed.code == TOKEN_REFUSED):
            return

        def unit(session: Session) -> None:
            link = link_of(session, self._till.name, turn.seller.account)
            # Whoever renews them tries less and less often; a reading that is refused again hurries nobody.
            if link is not None and link.state == TillState.ACTIVE and link.trouble != TOKEN_REFUSED:
                link.trouble, link.next_at = TOKEN_REFUSED, now

        self._database.run(unit)

    def _settle(self, session: Session, row_id: UUID, read: Outcome[_Read], now: datetime) -> None:
        query = select(TillOrder).where(TillOrder.id == row_id).with_for_update(key_share=True)
        row = session.scalars(query.execution_options(populate_existing=True)).one()
        if row.leased_until != now + LEASE:
            # Our turn was over long ago, or the link is.
            return
        if isinstance(read, Refused) and read.code == NOT_THERE:
            row.trouble = NOT_THERE
            look_again(row, now)
        elif not isinstance(read, Ok):
            put_off(row, read, now)
        else:
            row.trouble = None
            look_again(row, now)
            if is_newer(row, read.value.sale.version, read.value.sale.changed_at):
                self._take_in(session, row, read.value, now)

    def _take_in(self, session: Session, row: TillOrder, read: _Read, now: datetime) -> None:
        sale = read.sale
        row.state, row.location, row.reference = sale.state.value, sale.location, sale.reference
        row.currency, row.amount_minor, row.tax_minor = sale.currency, sale.amount_minor, sale.tax_minor
        row.tip_minor, row.discount_minor = sale.tip_minor, sale.discount_minor
        row.version, row.changed_at = sale.version, sale.changed_at
        row.rung_up_at, row.closed_at = sale.created_at, sale.closed_at
        row.paid_minor = read.paid_minor
        row.redemption_id = self._named(session, row)
        is_whole = sale.state is SaleState.COMPLETED and bool(sale.lines)
        row.is_settled = is_whole and read.paid_minor >= sale.total_minor
        if row.is_settled or sale.state is SaleState.CANCELED:
            row.next_at = None
            look_at_waiting(session, row.merchant_id, now)
        for name in sale.refunds:
            follow_refund(session, row.id, name, now)

    def _named(self, session: Session, row: TillOrder) -> UUID | None:
        """Return the redemption of the merchant whose code somebody put into an order's reference."""
        try:
            code = code_text.read(row.reference or "")
        except CodeMistyped:
            return None
        hashes = self._codes.hashes(CodeKind.REDEMPTION, code)
        query = select(Redemption.id).where(
            Redemption.code_hash.in_(hashes), Redemption.merchant_id == row.merchant_id
        )
        return session.scalar(query)


def _failure(answer: Outcome[object]) -> _Failed | None:
    """Return why there is no answer; that something is not there is one."""
    if isinstance(answer, Ok) or (isinstance(answer, Refused) and answer.code == NOT_THERE):
        return None
    return answer


_UNSETTLED: Final = (RefundState.UNREAD.value, RefundState.PENDING.value)


def _turn(session: Session, link: TillLink, seller: Seller, now: datetime) -> _Turn:
    mine = TillOrder.provider == link.provider, TillOrder.account == link.account
    orders = (
        select(TillOrder)
        .where(*mine, is_due(TillOrder, now))
        .order_by(TillOrder.next_at, TillOrder.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, key_share=True)
        .execution_options(populate_existing=True)
    )
    refunds = (
        select(TillRefund)
        .where(
            TillRefund.order_id.in_(select(TillOrder.id).where(*mine)),
            is_due(TillRefund, now),
            TillRefund.state.in_(_UNSETTLED),
        )
        .order_by(TillRefund.next_at, TillRefund.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    turn = _Turn(seller, {}, {})
    for order in session.scalars(orders).all():
        order.leased_until = now + LEASE
        turn.orders[order.external_id] = order.id
    for refund in session.scalars(refunds).all():
        refund.leased_until = now + LEASE
        turn.refunds[refund.external_id] = refund.id
    return turn


def _settle_refund(session: Session, row_id: UUID, read: Outcome[GivenBack], now: datetime) -> None:
    query = select(TillRefund).where(TillRefund.id == row_id).with_for_update()
    row = session.scalars(query.execution_options(populate_existing=True)).one()
    if row.leased_until != now + LEASE:
        return
    if isinstance(read, Ok):
        row.state, row.amount_minor, row.trouble = read.value.state.value, read.value.amount_minor, None
        look_again(row, now)
        if read.value.state is RefundState.COMPLETED:
            # From now on it is due for giving points back, at once.
            row.next_at = now
        elif read.value.state is RefundState.FAILED:
            row.next_at = None
    elif isinstance(read, Refused) and read.code == NOT_THERE:
        row.trouble = NOT_THERE
        look_again(row, now)
    else:
        put_off(row, read, now)
