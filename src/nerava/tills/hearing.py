"""What a provider of points of sale tells by itself: orders, refunds, and that we are not let in any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from nerava.inbound.events import Handled
from nerava.kernel.ids import new_id
from nerava.tills.links import end, link_of, told_by_itself
from nerava.tills.model import TillLink, TillOrder, TillRefund
from nerava.tills.states import RefundState, SaleState, TillEnd, TillState
from nerava.tills.turns import tell_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.platform.db import Database


@dataclass(frozen=True, slots=True)
class OrderTold:
    """An order that was made, changed or paid; a hint that it is worth reading.

    Attributes:
        version: Of the order, where it is told.
        changed_at: When it changed, where that is told.
    """

    provider: str
    account: str
    order: str
    version: int | None = None
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RefundTold:
    """Money of an order that went back, or is on its way."""

    provider: str
    account: str
    order: str
    refund: str


class TillHearing:
    """Works on what a provider tells. Safe to share between threads and processes."""

    def __init__(self, database: Database, audit: AuditLog) -> None:
        self._database = database
        self._audit = audit

    def order(self, told: OrderTold, now: datetime) -> Handled:
        """Let an order be read; what is older than what we have read changes nothing. Repeats safely."""

        def unit(session: Session) -> Handled:
            row = _order(session, told, now)
            if row is None or _is_known(row, told):
                return Handled.IGNORED
            tell_of(row, now)
            return Handled.DONE

        return self._database.run(unit)

    def refund(self, told: RefundTold, now: datetime) -> Handled:
        """Let a refund be read, and the order that it is of. Repeats safely."""

        def unit(session: Session) -> Handled:
            order = _order(session, OrderTold(told.provider, told.account, told.order), now)
            if order is None:
                return Handled.IGNORED
            tell_of(order, now)
            follow_refund(session, order.id, told.refund, now, is_news=True)
            return Handled.DONE

        return self._database.run(unit)

    def revoked(self, provider: str, account: str, at: datetime, now: datetime) -> Handled:
        """End a link whose seller lets us in no more, unless they let us in again since. Repeats safely."""

        def unit(session: Session) -> Handled:
            link = link_of(session, provider, account)
            if link is None or at < link.linked_at:
                return Handled.IGNORED
            end(session, link, TillEnd.AT_PROVIDER, now)
            self._audit.record(session, told_by_itself(link, "till.revoked", None), now)
            return Handled.DONE

        return self._database.run(unit)


def follow_order(session: Session, link: TillLink, name: str, now: datetime) -> TillOrder | None:
    """Return the row of an order, locked; the first to hear of it makes it. None for another merchant's."""
    row = {
        "id": new_id(),
        "merchant_id": link.merchant_id,
        "provider": link.provider,
        "account": link.account,
        "external_id": name,
        "state": SaleState.UNREAD.value,
        "told_at": now,
    }
    _insert(session, TillOrder, row)
    query = select(TillOrder).where(
        TillOrder.provider == link.provider, TillOrder.account == link.account, TillOrder.external_id == name
    )
    locked = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = session.scalars(locked).one()
    return found if found.merchant_id == link.merchant_id else None


def follow_refund(
    session: Session, order_id: UUID, name: str, now: datetime, *, is_news: bool = False
) -> None:
    """Let a refund of an order be read, unless what became of it is known. Repeats safely.

    One that waits to be read already is read anew only where `is_news` says that it changed.
    """
    row = {"id": new_id(), "order_id": order_id, "external_id": name}
    _insert(session, TillRefund, {**row, "state": RefundState.UNREAD.value, "told_at": now})
    query = select(TillRefund).where(TillRefund.order_id == order_id, TillRefund.external_id == name)
    found = session.scalars(query.with_for_update().execution_options(populate_existing=True)).one()
    is_open = found.state in {RefundState.UNREAD, RefundState.PENDING}
    if is_open and (is_news or found.next_at is None):
        tell_of(found, now)


def is_newer(row: TillOrder, version: int | None, changed_at: datetime | None) -> bool:
    """Whether a state of an order is not older than what we have read: by its version, else by its time."""
    if row.version is not None and version is not None:
        return version >= row.version
    return row.changed_at is None or changed_at is None or changed_at >= row.changed_at


def _order(session: Session, told: OrderTold, now: datetime) -> TillOrder | None:
    link = link_of(session, told.provider, told.account)
    if link is None or link.state != TillState.ACTIVE:
        return None
    return follow_order(session, link, told.order, now)


def _is_known(row: TillOrder, told: OrderTold) -> bool:
    if told.version is not None and row.version is not None:
        return told.version <= row.version
    return not is_newer(row, told.version, told.changed_at)


def _insert(session: Session, rows: type[TillOrder | TillRefund], row: dict[str, Any]) -> None:
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(rows).values(row).on_conflict_do_nothing())
