"""Payers dispute payments of sponsors: told by events in any order, believed when the provider was read.

An event stops the sponsor at once and makes the dispute due; how far it is and what it moved is
read from the provider, and what was read decides, never which event came last. So it does not
matter how often, in which order, or how late events come, nor whether our own record of the
payment was there before them.
"""

from __future__ import annotations

import logging
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite

from nerava.kernel.errors import NeravaError
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Ok, Outcome
from nerava.platform import tracing
from nerava.rewards import checkout_store as store
from nerava.rewards.checkout_store import CheckoutState, SponsorCheckout
from nerava.rewards.dispute_money import book, collect, sums_of
from nerava.rewards.dispute_store import DisputeState, SponsorDispute
from nerava.rewards.pace import again, next_look
from nerava.rewards.sponsor_stops import follow, lock_sponsor, stops

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.ledger import Ledger
    from nerava.platform.db import Database
    from nerava.rewards.ports import Dispute, PaymentProvider

log = logging.getLogger(__name__)

AT_ONCE: Final = 10
UNKNOWN_PAYMENT: Final = "no-such-payment"
MONEY_AWAY: Final = "money-not-back"
"""It was decided for us, and the provider has not given the money back yet."""

_D: Final[Any] = SponsorDispute
_C: Final[Any] = SponsorCheckout


class Told(NamedTuple):
    """What an event says of a dispute: enough to be careful, never enough to move money.

    Attributes:
        payment: The provider's name for the payment; None when the event does not say.
        is_over: The event itself says that it ended for the payment.
    """

    provider: str
    dispute: str
    payment: str | None
    is_over: bool


def note(session: Session, told: Told, now: datetime) -> None:
    """Write a dispute down, stop the sponsor whose payment it is, and have it read. Safe to repeat.

    A dispute that is known is only read again: what it is stays what was read last. Whoever is
    reading it right now will read it once more.
    """
    take_turn(session, told.provider, told.payment)
    row = {
        "id": new_id(),
        "provider": told.provider,
        "dispute": told.dispute,
        "payment": told.payment,
        "state": (DisputeState.TOLD if told.is_over else DisputeState.OPEN).value,
        "attempts": 0,
        "due_at": now,
        "told_at": now,
    }
    dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
    session.execute(dialect.insert(SponsorDispute).values(row).on_conflict_do_nothing())
    mine = (_D.provider == told.provider) & (_D.dispute == told.dispute)
    found = session.scalars(select(SponsorDispute).where(mine).with_for_update(key_share=True)).one()
    was_stopping = stops(found)
    found.due_at, found.leased_until = now, None
    found.payment = found.payment or told.payment
    _connect(session, found)
    follow(session, found, now, was_stopping=was_stopping)
    session.flush()


def note_if_new(session: Session, told: Told, now: datetime) -> None:
    """Write a dispute down that no event told of, as `note` does; what is known is left alone."""
    mine = (_D.provider == told.provider) & (_D.dispute == told.dispute)
    if session.scalar(select(_D.id).where(mine)) is None:
        note(session, told, now)


def meet_payment(session: Session, checkout: SponsorCheckout, payment: str, now: datetime) -> None:
    """Stop the sponsor of a payment that was just booked if it was disputed before. After `take_turn`."""
    early = (_D.provider == checkout.provider) & (_D.payment == payment) & _D.checkout_id.is_(None)
    for row in session.scalars(select(SponsorDispute).where(early).with_for_update(key_share=True)):
        _connect(session, row)
        row.due_at, row.leased_until = now, None
        follow(session, row, now, was_stopping=False)


def take_turn(session: Session, provider: str, payment: str | None) -> None:
    """Let what is written about a payment and about its disputes wait for each other, until the commit.

    Otherwise a dispute and its payment could both be new, and each miss the other.
    """
    if payment is not None and session.get_bind().dialect.name == "postgresql":
        lock = zlib.crc32(f"payment:{provider}:{payment}".encode())
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": lock})


class DisputeWork:
    """Reads disputes until each is over, and books what they moved."""

    def __init__(self, database: Database, ledger: Ledger, providers: Mapping[str, PaymentProvider]) -> None:
        self._database = database
        self._ledger = ledger
        self._providers = dict(providers)

    def run(self, now: datetime) -> int:
        """Read at most 10 disputes that are due, and return how many."""
        rows = self._database.run(lambda session: self._lease(session, now))
        for row in rows:
            provider = self._providers.get(row.provider)
            if provider is None:
                self._wait(row, "provider-off", now)
                continue
            with tracing.resumed(row.traceparent, "sponsor dispute step"):
                self._step(row, provider.dispute(row.dispute), now)
        return len(rows)

    def _lease(self, session: Session, now: datetime) -> list[SponsorDispute]:
        rows = store.lease(session, SponsorDispute, now, AT_ONCE)
        session.flush()
        for row in rows:
            session.expunge(row)
        return rows

    def _step(self, row: SponsorDispute, seen: Outcome[Dispute], now: datetime) -> None:
        if not isinstance(seen, Ok):
            self._wait(row, f"{type(seen).__name__.lower()}: {seen.code}"[:120], now)
            return
        told = seen.value
        if told.dispute != row.dispute or (row.payment is not None and told.payment != row.payment):
            log.error("dispute %s is not what was told of; nothing is booked", row.id)
            self._wait(row, "differs", now)
            return
        try:
            self._believe(row, told, now, trouble=None)
        except NeravaError as error:
            # What the dispute is counts even where its money cannot be booked now.
            self._believe(row, told, now, trouble=error.code)

    def _believe(self, row: SponsorDispute, seen: Dispute, now: datetime, *, trouble: str | None) -> None:
        """Let a dispute be what was read, with its stop and its money in one commit.

        Args:
            row: The dispute as it was leased.
            seen: What the provider says.
            now: Aware UTC.
            trouble: Why its money cannot be booked now; None to book it.
        """

        def work(session: Session) -> None:
            take_turn(session, row.provider, seen.payment)
            query = select(SponsorDispute).where(_D.id == row.id, _D.leased_until == row.leased_until)
            mine = session.scalars(query.with_for_update(key_share=True)).one_or_none()
            if mine is None:
                return
            was_stopping = stops(mine)
            mine.leased_until = None
            mine.state, mine.payment = seen.state.value, seen.payment or mine.payment
            mine.amount, mine.currency, mine.reason = seen.amount_minor, seen.currency, seen.reason[:60]
            mine.answer_by = seen.answer_by
            is_open = mine.state == DisputeState.OPEN
            mine.ended_at = None if is_open else mine.ended_at or now
            _connect(session, mine)
            # A row that waits is due; when it is due again is known below.
            mine.due_at = next_look(mine.told_at, now)
            follow(session, mine, now, was_stopping=was_stopping)
            mine.trouble = trouble or self._book(session, mine, seen, now)
            if not is_open and (mine.trouble is None or mine.lifted_at is not None):
                mine.due_at = None

        self._database.run(work)

    def _book(self, session: Session, row: SponsorDispute, seen: Dispute, now: datetime) -> str | None:
        if row.sponsor_id is None:
            return UNKNOWN_PAYMENT
        lock_sponsor(session, row.sponsor_id)
        trouble = book(session, self._ledger, row, seen.moved, now)
        if row.state == DisputeState.LOST:
            collect(session, self._ledger, row, now)
        elif row.state != DisputeState.OPEN and sums_of(session, row.id).away:
            return trouble or MONEY_AWAY
        return trouble

    def _wait(self, row: SponsorDispute, trouble: str, now: datetime) -> None:
        values = {"trouble": trouble, "due_at": again(row.attempts, now)}
        self._database.run(
            lambda session: store.move(session, row, values, leased_until=row.leased_until), repeatable=True
        )


def _connect(session: Session, row: SponsorDispute) -> None:
    """Say whose payment a dispute is about, once there is one of ours."""
    if row.checkout_id is not None or row.payment is None:
        return
    paid = (_C.payment == row.payment) & (_C.state == CheckoutState.PAID.value)
    query = select(_C.id, _C.sponsor_id).where(_C.provider == row.provider, paid)
    found = session.execute(query).one_or_none()
    if found is not None:
        row.checkout_id, row.sponsor_id = found.id, found.sponsor_id
