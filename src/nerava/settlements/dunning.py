"""The job that reminds merchants of invoices that are overdue, and in the end stops their offers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import select

from nerava.audit import ActorKind, AuditLog, Entry
from nerava.merchants.service import MerchantState, set_state
from nerava.settlements.closing import nobody
from nerava.settlements.model import Invoice
from nerava.settlements.notices import tell
from nerava.settlements.periods import local_day_began
from nerava.settlements.states import UNPAID, Dunning, InvoiceState, NoticeKind

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.platform.db import Database
    from nerava.settlements.notices import Tell

AT_ONCE: Final = 50
ACTOR: Final = "dunning"


class _Step(NamedTuple):
    """What happens so many local days after the date on which an invoice was due."""

    days: int
    dunning: Dunning
    notice: NoticeKind


STEPS: Final = (
    _Step(1, Dunning.NONE, NoticeKind.OVERDUE),
    _Step(7, Dunning.REMINDED, NoticeKind.REMINDED),
    _Step(14, Dunning.WARNED, NoticeKind.WARNED),
    _Step(30, Dunning.SUSPENDED, NoticeKind.SUSPENDED),
)


@dataclass(frozen=True, slots=True)
class Reminding:
    """Reminds merchants. Safe to share between threads and processes, and to kill anywhere."""

    database: Database
    audit: AuditLog
    send: Tell = nobody

    def run(self, now: datetime) -> int:
        """Take every invoice that is due one step further, 50 at most, and return how many."""
        return self.database.run(lambda session: self._unit(session, now))

    def _unit(self, session: Session, now: datetime) -> int:
        due = (
            select(Invoice)
            .where(Invoice.next_at <= now, Invoice.state.in_([one.value for one in UNPAID]))
            .order_by(Invoice.next_at, Invoice.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, key_share=True)
        )
        found = session.scalars(due).all()
        for invoice in found:
            self._advance(session, invoice, now)
        session.flush()
        return len(found)

    def _advance(self, session: Session, invoice: Invoice, now: datetime) -> None:
        step, following = _next_step(invoice)
        invoice.state, invoice.dunning = InvoiceState.OVERDUE.value, step.dunning.value
        invoice.next_at = None if following is None else step_at(invoice, following.days)
        tell(session, self.send, invoice.merchant_id, step.notice, invoice.id, now=now)
        if step.dunning is Dunning.SUSPENDED and set_state(
            session, invoice.merchant_id, MerchantState.SUSPENDED
        ):
            told = Entry(
                actor_kind=ActorKind.SYSTEM,
                actor_id=ACTOR,
                action="merchant.suspended",
                object_kind="merchant",
                object_id=str(invoice.merchant_id),
                reason="an invoice is 30 days overdue",
                tenant_id=invoice.merchant_id,
                after={"state": MerchantState.SUSPENDED.value, "invoice_id": str(invoice.id)},
            )
            self.audit.record(session, told, now)


def step_at(invoice: Invoice, days: int) -> datetime:
    """Return the instant at which the local day begins that is so many days after the due date."""
    day = date.fromisoformat(invoice.due_on) + timedelta(days=days)
    return local_day_began(day, invoice.timezone)


def _next_step(invoice: Invoice) -> tuple[_Step, _Step | None]:
    if invoice.state == InvoiceState.OPEN:
        return STEPS[0], STEPS[1]
    taken = next(place for place, step in enumerate(STEPS) if step.dunning == invoice.dunning)
    rest = STEPS[taken + 1 :]
    return rest[0], rest[1] if len(rest) > 1 else None
