"""Working on what providers told: each event until it is done, or for a day."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from sqlalchemy import or_, select, update

from nerava.inbound.events import Handled
from nerava.inbound.intake import event_of, owner_of, place_of
from nerava.inbound.model import WAITING, EventState, InboundEvent
from nerava.kernel.errors import NeravaError
from nerava.ledger.stops import SwitchedOff
from nerava.platform import tracing

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    from sqlalchemy.orm import Session

    from nerava.inbound.events import Handler, ProviderEvent
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault

log = logging.getLogger(__name__)

LEASE: Final = timedelta(seconds=60)
AT_ONCE: Final = 50
GAPS: Final = (timedelta(seconds=1), timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5))
THEN_EVERY: Final = timedelta(hours=1)
GIVEN_UP_AFTER: Final = timedelta(hours=24)
BODY_KEPT: Final = timedelta(days=90)


class _Taken(NamedTuple):
    row_id: UUID
    event: ProviderEvent
    received_at: datetime
    attempts: int
    left_by: str | None


class EventWork:
    """Hands stored events to those who know what to do with them.

    Args:
        handlers: By provider, then by the beginning of the kind (`payout.`); the longest that fits
            is asked.
        wiped_when_done: Providers whose bodies go as soon as they were worked on.
    """

    def __init__(
        self,
        database: Database,
        vault: Vault,
        handlers: Mapping[str, Mapping[str, Handler]],
        *,
        wiped_when_done: Collection[str] = (),
    ) -> None:
        self._database = database
        self._vault = vault
        self._wiped_when_done = wiped_when_done
        self._handlers = {provider: dict(known) for provider, known in handlers.items()}

    def run(self, now: datetime) -> int:
        """Work on events that are due, 50 at most, the oldest first, and return how many.

        Safe to repeat and to kill at any point: an event that was taken and not finished is taken
        again a minute later.
        """
        taken = self._database.run(lambda session: self._lease(session, now))
        for row_id, event, received_at, attempts, left_by in taken:
            with tracing.resumed(left_by, f"event of {event.provider}"):
                state, due_at, trouble = self._handle(event, received_at, attempts, now)
                over = due_at is None and state is not EventState.DEAD
                is_wiped = over and event.provider in self._wiped_when_done
                self._end(row_id, now, state, due_at, trouble, is_wiped=is_wiped)
        return len(taken)

    def wipe(self, now: datetime) -> int:
        """Remove bodies of events that came more than 90 days ago and return how many."""
        old = (
            update(InboundEvent)
            .where(InboundEvent.received_at < now - BODY_KEPT, InboundEvent.body.is_not(None))
            .values(body=None)
            .returning(InboundEvent.id)
        )
        return self._database.run(lambda session: len(session.execute(old).all()))

    def _lease(self, session: Session, now: datetime) -> list[_Taken]:
        free = or_(InboundEvent.leased_until.is_(None), InboundEvent.leased_until <= now)
        due = (
            select(InboundEvent)
            .where(InboundEvent.state.in_(WAITING), InboundEvent.due_at <= now, free)
            .order_by(InboundEvent.due_at, InboundEvent.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        taken = []
        for row in session.scalars(due):
            try:
                body = self._vault.decrypt(session, owner_of(row.provider), place_of(row.id), row.body or b"")
            except NeravaError as error:
                # One that cannot be read must not keep the others waiting.
                row.state, row.due_at, row.done_at, row.trouble = EventState.DEAD.value, None, now, error.code
                continue
            row.leased_until = now + LEASE
            row.attempts += 1
            taken.append(_Taken(row.id, event_of(row, body), row.received_at, row.attempts, row.traceparent))
        return taken

    def _handle(
        self, event: ProviderEvent, received_at: datetime, attempts: int, now: datetime
    ) -> tuple[EventState, datetime | None, str | None]:
        handler = self._handler(event)
        if handler is None:
            return EventState.IGNORED, None, None
        try:
            handled, trouble = handler(event, now), None
        except SwitchedOff:
            # It waits, and being switched off for days must not kill it.
            return EventState.RETRY, now + THEN_EVERY, "switched off"
        except Exception as error:  # whatever it is, the other events go on
            log.warning("%s of %s: %s", event.kind, event.provider, type(error).__name__, exc_info=error)
            handled, trouble = Handled.LATER, error.code if isinstance(error, NeravaError) else "failed"
        if handled is not Handled.LATER:
            return (EventState.DONE if handled is Handled.DONE else EventState.IGNORED), None, None
        if now - received_at >= GIVEN_UP_AFTER:
            return EventState.DEAD, None, trouble or "about nothing we know"
        gap = GAPS[attempts - 1] if attempts <= len(GAPS) else THEN_EVERY
        return EventState.RETRY, now + gap, trouble or "about nothing we know yet"

    def _handler(self, event: ProviderEvent) -> Handler | None:
        known = self._handlers.get(event.provider, {})
        fitting = [prefix for prefix in known if event.kind.startswith(prefix)]
        return known[max(fitting, key=len)] if fitting else None

    def _end(
        self,
        row_id: UUID,
        now: datetime,
        state: EventState,
        due_at: datetime | None,
        trouble: str | None,
        *,
        is_wiped: bool,
    ) -> None:
        # Only while the lease is ours: somebody else may have taken it over from a worker that slept.
        mine = update(InboundEvent).where(
            InboundEvent.id == row_id,
            InboundEvent.leased_until == now + LEASE,
            InboundEvent.state.in_(WAITING),
        )
        values = {
            "state": state.value,
            "due_at": due_at,
            "trouble": trouble,
            "leased_until": None,
            "done_at": None if due_at is not None else now,
        }
        values |= {"body": None} if is_wiped else {}
        self._database.run(lambda session: session.execute(mine.values(values)), repeatable=True)
