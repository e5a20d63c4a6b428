"""Deposits go back by the payments that brought them: reserved, sent, and paid when the provider says so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import func, select, update

from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Outcome, Refused
from nerava.ledger import Status
from nerava.ledger.stops import SwitchedOff
from nerava.ledger.templates.sponsor_refund import (
    SponsorRefund,
    sponsor_refund_failed,
    sponsor_refund_paid,
    sponsor_refund_request,
    sponsor_refund_returned,
)
from nerava.platform import tracing
from nerava.rewards import checkout_store as store
from nerava.rewards.checkout_store import CheckoutState, RefundState, SponsorCheckout, SponsorRefundRow
from nerava.rewards.checkouts import KEY_LIVES
from nerava.rewards.errors import InsufficientFunds, NotRefundable, PostingRefused, SponsorStopped
from nerava.rewards.pace import THEN_EVERY, again, next_look
from nerava.rewards.ports import RefundState as Told
from nerava.rewards.sponsor_stops import refuse_if_stopped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.ledger import Chain, Ledger
    from nerava.platform.db import Database
    from nerava.rewards.ports import PaymentProvider, Refund

AT_ONCE: Final = 10
WATCHED: Final = 30
"""A refund that succeeded is looked at for so many more days: it may still fail."""

UNSEEN_FOR: Final = timedelta(hours=25)
"""A provider forgets a key after a day; what it has not carried out by then it never will."""

LISTED_APART: Final = timedelta(hours=1)
STOPPED_FOR: Final = timedelta(hours=1)
"""A refund that was never sent waits so long for the end of a stop, again and again."""

_GONE: Final = (RefundState.FAILED.value, RefundState.RETURNED.value)
_C: Final[Any] = SponsorCheckout
_R: Final[Any] = SponsorRefundRow


def ask_refund(
    session: Session, ledger: Ledger, sponsor_id: UUID, *, amount: int, actor: str, now: datetime
) -> list[UUID]:
    """Reserve deposits that are in no campaign, and return the refunds that bring them back.

    The newest payments go first. One refund belongs to one payment, so there may be several. The
    amount is in minor units; `actor` is who asks.

    Raises:
        SponsorStopped: A payment of the sponsor is disputed (409).
        NotRefundable: More than what payments brought that can be refunded (409).
        InsufficientFunds: More than what lies with the deposits (409).
        SwitchedOff: Somebody has stopped it (503).
    """
    refuse_if_stopped(session, sponsor_id)
    made = []
    for payment_id, provider, left in _refundable(session, sponsor_id):
        part = min(amount, left)
        refund_id = new_id()
        refund = SponsorRefund(refund_id, sponsor_id, part, provider)
        _post(session, ledger, sponsor_refund_request(refund, actor=actor))
        session.add(
            SponsorRefundRow(
                id=refund_id,
                sponsor_id=sponsor_id,
                checkout_id=payment_id,
                amount=part,
                state=RefundState.ASKED.value,
                tries=1,
                attempts=0,
                due_at=now,
                created_at=now,
            )
        )
        made.append(refund_id)
        amount -= part
        if amount == 0:
            session.flush()
            return made
    raise NotRefundable(f"{amount} more than what payments by card or bank can give back")


def _refundable(session: Session, sponsor_id: UUID) -> list[tuple[UUID, str, int]]:
    """Return payments with what is left to refund of each; locked, so that two refunds see each other."""
    paid = (
        select(_C.id, _C.provider, _C.gross)
        .where(_C.sponsor_id == sponsor_id, _C.state == CheckoutState.PAID.value, _C.disputed_at.is_(None))
        .order_by(_C.id.desc())
        .with_for_update(key_share=True)
    )
    rows = session.execute(paid).all()
    back = (
        select(_R.checkout_id, func.sum(_R.amount))
        .where(_R.sponsor_id == sponsor_id, _R.state.not_in(_GONE))
        .group_by(_R.checkout_id)
    )
    gone = {payment_id: int(total) for payment_id, total in session.execute(back).all()}
    left = ((row.id, row.provider, row.gross - gone.get(row.id, 0)) for row in rows)
    return [one for one in left if one[2] > 0]


def refunds_of(
    session: Session, sponsor_id: UUID, *, after: UUID | None, limit: int
) -> list[SponsorRefundRow]:
    """Return the refunds of a sponsor, the newest first, those older than `after`."""
    query = select(SponsorRefundRow).where(_R.sponsor_id == sponsor_id)
    if after is not None:
        query = query.where(_R.id < after)
    return list(session.scalars(query.order_by(_R.id.desc()).limit(limit)))


class RefundWork:
    """Drives refunds: sends each once, and reads the provider until it is paid or has failed."""

    def __init__(self, database: Database, ledger: Ledger, providers: Mapping[str, PaymentProvider]) -> None:
        self._database = database
        self._ledger = ledger
        self._providers = dict(providers)

    def run(self, now: datetime) -> int:
        """Take one step with each of at most 10 refunds that are due, and return how many."""
        taken = self._database.run(lambda session: self._lease(session, now))
        for row, provider_name, payment in taken:
            provider = self._providers.get(provider_name)
            if provider is None:
                self._write(row, {"trouble": "provider-off", "due_at": now + THEN_EVERY})
            else:
                with tracing.resumed(row.traceparent, "sponsor refund step"):
                    self._step(row, provider, payment, now)
        return len(taken)

    def _lease(self, session: Session, now: datetime) -> list[tuple[SponsorRefundRow, str, str]]:
        rows = store.lease(session, SponsorRefundRow, now, AT_ONCE)
        session.flush()
        paid = select(_C.id, _C.provider, _C.payment).where(_C.id.in_([row.checkout_id for row in rows]))
        by_id = {found.id: (found.provider, found.payment) for found in session.execute(paid)}
        for row in rows:
            session.expunge(row)
        return [(row, *by_id[row.checkout_id]) for row in rows]

    def _step(self, row: SponsorRefundRow, provider: PaymentProvider, payment: str, now: datetime) -> None:
        """Send what was never sent; of everything else read what became of it first."""
        if row.last_sent_at is None:
            self._send(row, provider, payment, now)
            return
        seen = provider.refunds_of(payment)
        if not isinstance(seen, Ok):
            self._write(row, {"trouble": _trouble(seen), "due_at": next_look(row.created_at, now)})
            return
        found = [one for one in seen.value if row.refund == one.refund or one.reference == str(row.id)]
        if found:
            self._believe(row, found[0], provider.name, now)
        elif row.refund is not None:
            self._write(row, {"trouble": "not-found", "due_at": next_look(row.created_at, now)})
        elif now - (row.first_sent_at or now) < KEY_LIVES:
            self._send(row, provider, payment, now)
        else:
            self._miss(row, now)

    def _send(self, row: SponsorRefundRow, provider: PaymentProvider, payment: str, now: datetime) -> None:
        try:
            if not self._note_sending(row, now):
                return
        except SponsorStopped as stopped:
            self._write(row, {"trouble": stopped.code, "due_at": now + STOPPED_FOR})
            return
        key = f"sponsor_refund:{row.id}:{row.tries}"
        sent = provider.refund(payment, row.id, amount_minor=row.amount, key=key)
        if isinstance(sent, Refused):
            self._end(row, RefundState.FAILED, provider.name, now, sent.code)
        elif isinstance(sent, Ok) and (sent.value.payment, sent.value.amount_minor) == (payment, row.amount):
            self._believe(row, sent.value, provider.name, now)
        else:
            self._write(row, {"trouble": _trouble(sent), "due_at": again(row.attempts, now)})

    def _note_sending(self, row: SponsorRefundRow, now: datetime) -> bool:
        """Commit, before the first byte leaves, that it may have been sent.

        Raises:
            SponsorStopped: It never was, and a payment of the sponsor is disputed (409).
        """

        def work(session: Session) -> bool:
            if row.last_sent_at is None:
                refuse_if_stopped(session, row.sponsor_id)
            held = (_R.id == row.id, _R.state == row.state, _R.leased_until == row.leased_until)
            change = update(SponsorRefundRow).where(*held).values(last_sent_at=now).returning(_R.id)
            return session.execute(change).one_or_none() is not None

        return self._database.run(work, repeatable=True)

    def _miss(self, row: SponsorRefundRow, now: datetime) -> None:
        """Begin a new try when the old one cannot happen any more: sent long ago, and twice not listed."""
        waited = now - (row.last_sent_at or now) >= UNSEEN_FOR
        if waited and row.missed_at is not None and now - row.missed_at >= LISTED_APART:
            anew = {"tries": row.tries + 1, "first_sent_at": None, "last_sent_at": None, "missed_at": None}
            self._write(row, {**anew, "due_at": now, "trouble": "tried anew"})
            return
        missed_at = row.missed_at or (now if waited else None)
        self._write(
            row, {"missed_at": missed_at, "due_at": now + LISTED_APART, "trouble": "unknown for a day"}
        )

    def _believe(self, row: SponsorRefundRow, seen: Refund, provider: str, now: datetime) -> None:
        if seen.state is Told.SUCCEEDED:
            self._end(row, RefundState.PAID, provider, now, None, refund=seen.refund)
        elif seen.state is Told.FAILED:
            over = RefundState.RETURNED if row.state == RefundState.PAID else RefundState.FAILED
            self._end(row, over, provider, now, "refund-failed", refund=seen.refund)
        else:
            waiting = {
                "state": RefundState.PENDING.value,
                "refund": seen.refund,
                "trouble": None,
                "due_at": next_look(row.created_at, now),
            }
            self._write(row, waiting)

    def _end(
        self,
        row: SponsorRefundRow,
        state: RefundState,
        provider: str,
        now: datetime,
        trouble: str | None,
        *,
        refund: str | None = None,
    ) -> None:
        refunded = SponsorRefund(row.id, row.sponsor_id, row.amount, provider)
        chains = {
            RefundState.PAID: sponsor_refund_paid,
            RefundState.FAILED: sponsor_refund_failed,
        }
        values = {
            "state": state.value,
            "refund": refund or row.refund,
            "trouble": trouble,
            "ended_at": now,
            "due_at": self._watched_until(row, state, now),
        }

        def work(session: Session) -> None:
            if not store.move(session, row, values, leased_until=row.leased_until):
                return
            if state is RefundState.RETURNED:
                _post(session, self._ledger, sponsor_refund_returned(refunded, actor="refunds"))
            elif row.state != state:
                _post(session, self._ledger, chains[state](refunded, actor="refunds"))

        self._database.run(work)

    def _watched_until(self, row: SponsorRefundRow, state: RefundState, now: datetime) -> datetime | None:
        if state is not RefundState.PAID or (now - row.created_at).days >= WATCHED:
            return None
        return now + 4 * THEN_EVERY

    def _write(self, row: SponsorRefundRow, values: dict[str, Any]) -> None:
        self._database.run(
            lambda session: store.move(session, row, values, leased_until=row.leased_until), repeatable=True
        )


def _trouble(outcome: Outcome[Any]) -> str:
    return (
        "not-found" if isinstance(outcome, Ok) else f"{type(outcome).__name__.lower()}: {outcome.code}"[:120]
    )


def _post(session: Session, ledger: Ledger, chain: Chain) -> None:
    verdict = ledger.post(session, chain)
    match verdict.status:
        case Status.POSTED | Status.EXISTS:
            return
        case Status.INSUFFICIENT:
            raise InsufficientFunds
        case Status.SWITCHED_OFF:
            raise SwitchedOff
        case other:
            raise PostingRefused(f"the ledger said {other}", status=other)
