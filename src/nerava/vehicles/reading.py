"""Asking cars: durable, one vehicle at a time, never before the provider lets us; and saying farewell."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from sqlalchemy import or_, select

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.vehicles.links import break_off, end_at_provider, locked, mend
from nerava.vehicles.model import VehicleFarewell, VehicleLink
from nerava.vehicles.ports import (
    ACCOUNT_TROUBLE,
    APP_LIMIT,
    GONE,
    INCOMPATIBLE,
    REAUTH_REQUIRED,
    RECONNECT,
    TOKEN_REFUSED,
    VEHICLE_LIMIT,
)
from nerava.vehicles.signals import take_in
from nerava.vehicles.states import LinkState
from nerava.vehicles.tokens import HELD_OFF_FOR

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.factors import Tell
    from nerava.platform.db import Database
    from nerava.vehicles.ports import Access, Signal, Sink, VehicleTelemetry
    from nerava.vehicles.tokens import TokenStore

_T = TypeVar("_T")

log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=1)
AT_ONCE: Final = 5
GAPS: Final = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))
VEHICLE_REST: Final = timedelta(minutes=30)
"""Between two questions to one car that the provider does not name a time for."""

INCOMPATIBLE_FOR: Final = timedelta(days=30)
FAREWELLS_MAX: Final = 20


class Reading:
    """Reads cars whose turn it is. Safe to share between threads and processes."""

    def __init__(
        self, database: Database, telemetry: VehicleTelemetry, tokens: TokenStore, sink: Sink, tell: Tell
    ) -> None:
        self._database = database
        self._telemetry = telemetry
        self._tokens = tokens
        self._sink = sink
        self._tell = tell

    def run(self, now: datetime) -> int:
        """Read cars that are due, 5 at most, and return how many. Safe to repeat and to kill."""
        taken = self._database.run(lambda session: self._leased(session, now))
        for link_id, account, external_id in taken:
            read = self._asked(account, partial(self._telemetry.signals, external_id=external_id), now)
            self._database.run(partial(self._settle, link_id=link_id, read=read, now=now))
        return len(taken)

    def farewells(self, now: datetime) -> int:
        """Tell the provider which connections are over, 5 at most, and return how many were looked at."""
        taken = self._database.run(lambda session: self._parting(session, now))
        for farewell_id, account, external_id in taken:
            said = self._asked(account, partial(self._telemetry.disconnect, external_id=external_id), now)
            self._database.run(partial(_part, farewell_id=farewell_id, said=said, now=now))
        return len(taken)

    def _asked(self, account: str, ask: Callable[[Access], Outcome[_T]], now: datetime) -> Outcome[_T]:
        """Ask with a token; with a newer one, once, when the provider refuses it."""
        access = self._tokens.access(account, now)
        if not isinstance(access, Ok):
            return access
        answer = ask(access.value)
        if not (isinstance(answer, Refused) and answer.code == TOKEN_REFUSED):
            return answer
        newer = self._tokens.access(account, now, refused=access.value.generation)
        if not isinstance(newer, Ok):
            return newer
        answer = ask(newer.value)
        if isinstance(answer, Refused) and answer.code == TOKEN_REFUSED:
            return Misconfigured(TOKEN_REFUSED, "a fresh token is refused")
        return answer

    def _leased(self, session: Session, now: datetime) -> list[tuple[UUID, str, str]]:
        free = or_(VehicleLink.leased_until.is_(None), VehicleLink.leased_until <= now)
        allowed = or_(VehicleLink.not_before.is_(None), VehicleLink.not_before <= now)
        due = (
            select(VehicleLink)
            .where(VehicleLink.next_at <= now, free, allowed, VehicleLink.provider == self._telemetry.name)
            .order_by(VehicleLink.next_at, VehicleLink.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True, key_share=True)
        )
        taken = []
        for row in session.scalars(due):
            row.leased_until, row.attempts = now + LEASE, row.attempts + 1
            taken.append((row.id, row.account, row.external_id))
        return taken

    def _settle(self, session: Session, link_id: UUID, read: Outcome[list[Signal]], now: datetime) -> None:
        link = locked(session, link_id)
        link.leased_until = None
        if link.state == LinkState.ENDED:
            return
        match read:
            case Ok(value=signals):
                mend(session, link, self._tell, now)
                # Why a person has to look stays; why it could not be read is over.
                link.trouble = link.trouble if link.state == LinkState.REVIEW else None
                take_in(session, link, signals, self._sink, now)
            case Refused(code=code):
                self._refused(session, link, code, now)
            case RetryLater(code=code, not_before=told):
                self._later(link, code, told, now)
            case Misconfigured(code=code):
                log.error("%s refuses us: %s", self._telemetry.name, code)
                self._hold_off(session, link, code, now)
            case _:
                self._later(link, "unknown", None, now)

    def _refused(self, session: Session, link: VehicleLink, code: str, now: datetime) -> None:
        link.trouble = code[:80]
        if code == GONE:
            end_at_provider(session, link, self._tell, now)
        elif code == INCOMPATIBLE:
            link.next_at = now + INCOMPATIBLE_FOR
        elif code in {RECONNECT, REAUTH_REQUIRED} or code.startswith(ACCOUNT_TROUBLE):
            break_off(session, link, code, self._tell, now)
        else:
            log.error("%s refuses a reading: %s", self._telemetry.name, code)
            link.next_at = now + GAPS[-1]

    def _later(self, link: VehicleLink, code: str, told: datetime | None, now: datetime) -> None:
        link.trouble = code[:80]
        if code == VEHICLE_LIMIT:
            link.not_before = link.next_at = told or now + VEHICLE_REST
        elif code == APP_LIMIT or told is not None:
            link.next_at = told or now + GAPS[0]
        else:
            link.next_at = now + GAPS[min(link.attempts, len(GAPS)) - 1]

    def _hold_off(self, session: Session, link: VehicleLink, code: str, now: datetime) -> None:
        link.trouble, link.next_at = code[:80], now + HELD_OFF_FOR
        self._tokens.note_hold(session, code, now + HELD_OFF_FOR, now)

    def _parting(self, session: Session, now: datetime) -> list[tuple[UUID, str, str]]:
        free = or_(VehicleFarewell.leased_until.is_(None), VehicleFarewell.leased_until <= now)
        due = (
            select(VehicleFarewell)
            .where(VehicleFarewell.next_at <= now, free, VehicleFarewell.provider == self._telemetry.name)
            .order_by(VehicleFarewell.next_at, VehicleFarewell.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        taken = []
        for row in session.scalars(due):
            row.leased_until, row.attempts = now + LEASE, row.attempts + 1
            taken.append((row.id, row.account, row.external_id))
        return taken


def _part(session: Session, farewell_id: UUID, said: Outcome[None], now: datetime) -> None:
    row = session.get(VehicleFarewell, farewell_id, with_for_update=True)
    if row is None:
        return
    if isinstance(said, Ok) or (isinstance(said, Refused) and said.code in {GONE, REAUTH_REQUIRED}):
        session.delete(row)
        return
    row.leased_until, row.trouble = None, getattr(said, "code", "unknown")[:80]
    row.next_at = None if row.attempts >= FAREWELLS_MAX else now + GAPS[min(row.attempts, len(GAPS)) - 1]
