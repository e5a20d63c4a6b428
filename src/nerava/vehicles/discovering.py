"""What somebody let us see: their cars are looked up at the provider and linked to them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql, sqlite

from nerava.identity.user_store import owner_of
from nerava.kernel.ids import new_id
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.vehicles.connecting import code_place
from nerava.vehicles.links import end
from nerava.vehicles.model import Vehicle, VehicleConnect, VehicleLink
from nerava.vehicles.notices import name_of, review_text
from nerava.vehicles.ports import TOKEN_REFUSED, Access, Exchanged
from nerava.vehicles.states import HOLDING, ConnectState, LinkEnd, LinkState

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.identity.factors import Tell
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.vehicles.ports import ProviderVehicle, VehicleTelemetry
    from nerava.vehicles.tokens import TokenStore

log = logging.getLogger(__name__)

LEASE: Final = timedelta(minutes=1)
AT_ONCE: Final = 5
GAPS: Final = (timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=5), timedelta(minutes=30))
CLOCKS_DIFFER: Final = timedelta(minutes=1)
NO_VEHICLES: Final = "no_vehicles"
ANOTHER_ACCOUNT: Final = "another-account"
CONSENT_NOT_SEEN: Final = "consent-not-seen"
VIN_CHARACTERS_MAX: Final = 40


class Discovering:
    """Looks at who came back from the provider. Safe to share between threads and processes."""

    def __init__(
        self, database: Database, vault: Vault, telemetry: VehicleTelemetry, tokens: TokenStore, tell: Tell
    ) -> None:
        self._database = database
        self._vault = vault
        self._telemetry = telemetry
        self._tokens = tokens
        self._tell = tell

    def run(self, now: datetime) -> int:
        """Look at those who came back, 5 at most, and return how many. Safe to repeat and to kill."""
        taken = self._database.run(lambda session: self._leased(session, now))
        for connection_id, account, code in taken:
            self._look(connection_id, account, code, now)
        return len(taken)

    def _leased(self, session: Session, now: datetime) -> list[tuple[UUID, str | None, str | None]]:
        free = or_(VehicleConnect.leased_until.is_(None), VehicleConnect.leased_until <= now)
        due = (
            select(VehicleConnect)
            .where(VehicleConnect.next_at <= now, free, VehicleConnect.provider == self._telemetry.name)
            .order_by(VehicleConnect.next_at, VehicleConnect.id)
            .limit(AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        taken = []
        for row in session.scalars(due):
            row.leased_until, row.attempts = now + LEASE, row.attempts + 1
            code = None
            if row.code is not None and self._telemetry.tokens_per_person:
                owner = owner_of(row.user_id)
                code = self._vault.decrypt(session, owner, code_place(row.id), row.code).decode()
            # A code is good once: it is gone before it is sent, so it is never sent again.
            row.code = None
            taken.append((row.id, row.account, code))
        return taken

    def _look(self, connection_id: UUID, account: str | None, code: str | None, now: datetime) -> None:
        access: Outcome[Access]
        if code is not None:
            exchanged = self._telemetry.exchange(code)
            if not isinstance(exchanged, Ok):
                trouble = getattr(exchanged, "code", "lost")
                self._database.run(lambda session: self._failed(session, connection_id, trouble, now))
                return
            account = exchanged.value.account
            self._database.run(lambda session: self._keep(session, connection_id, exchanged.value, now))
        access = self._tokens.access(account or "", now)
        found: Outcome[list[ProviderVehicle]]
        found = self._telemetry.vehicles(access.value) if isinstance(access, Ok) else access
        if isinstance(access, Ok) and isinstance(found, Refused) and found.code == TOKEN_REFUSED:
            newer = self._tokens.access(account or "", now, refused=access.value.generation)
            found = self._telemetry.vehicles(newer.value) if isinstance(newer, Ok) else newer
        self._database.run(lambda session: self._settle(session, connection_id, found, now))

    def _keep(self, session: Session, connection_id: UUID, exchanged: Exchanged, now: datetime) -> None:
        row = session.get_one(VehicleConnect, connection_id, with_for_update=True)
        row.account = exchanged.account
        self._tokens.store(session, exchanged.account, row.user_id, exchanged.tokens, now)

    def _failed(self, session: Session, connection_id: UUID, trouble: str, now: datetime) -> None:
        row = session.get_one(VehicleConnect, connection_id, with_for_update=True)
        row.state, row.trouble, row.done_at = ConnectState.FAILED.value, trouble[:80], now
        row.next_at = row.leased_until = None

    def _settle(
        self, session: Session, connection_id: UUID, found: Outcome[list[ProviderVehicle]], now: datetime
    ) -> None:
        row = session.get_one(VehicleConnect, connection_id, with_for_update=True)
        row.leased_until = None
        if isinstance(found, Ok):
            if not found.value:
                self._failed(session, connection_id, NO_VEHICLES, now)
                return
            # In one order, so that two accounts with the same cars wait for each other and never in a ring.
            for one in sorted(found.value, key=lambda car: (car.vin or "", car.external_id)):
                self._link(session, row, one, now)
            row.state, row.next_at, row.done_at, row.trouble = ConnectState.DONE.value, None, now, None
            return
        if isinstance(found, Refused) or row.attempts > len(GAPS):
            self._failed(session, connection_id, getattr(found, "code", "unknown"), now)
            return
        if isinstance(found, Misconfigured):
            log.error("%s refuses us: %s", self._telemetry.name, found.code)
        row.trouble = getattr(found, "code", "unknown")[:80]
        wait_until = now + GAPS[row.attempts - 1]
        told = found.not_before if isinstance(found, RetryLater) else None
        row.next_at = max(wait_until, told or wait_until)

    def _link(self, session: Session, row: VehicleConnect, seen: ProviderVehicle, now: datetime) -> None:
        car = self._car(session, row.account or "", seen, now)
        mine = select(VehicleLink).where(
            VehicleLink.driver_id == row.driver_id,
            VehicleLink.vehicle_id == car.id,
            VehicleLink.state != LinkState.ENDED.value,
        )
        known = session.scalars(mine.with_for_update(key_share=True)).all()
        same = next(
            (one for one in known if (one.account, one.external_id) == (row.account, seen.external_id)), None
        )
        for one in known:
            if one is not same:
                end(session, one, LinkEnd.BY_DRIVER, now)
        holder = session.scalar(
            select(VehicleLink.id).where(
                VehicleLink.vehicle_id == car.id,
                VehicleLink.state.in_(HOLDING),
                VehicleLink.driver_id != row.driver_id,
            )
        )
        doubt = ANOTHER_ACCOUNT if holder is not None else _doubt(row, seen, is_known=bool(known))
        state = LinkState.ACTIVE if doubt is None else LinkState.REVIEW
        link = same or VehicleLink(
            id=new_id(),
            vehicle_id=car.id,
            driver_id=row.driver_id,
            user_id=row.user_id,
            provider=row.provider,
            account=row.account or "",
            external_id=seen.external_id,
            created_at=now,
        )
        link.mode, link.state, link.trouble = "live" if seen.is_live else "test", state.value, doubt
        link.consent_text, link.scopes, link.consented_at = (
            row.consent_text,
            self._telemetry.scopes,
            row.returned_at or now,
        )
        link.next_at, link.leased_until, link.attempts = now, None, 0
        session.add(link)
        session.flush()
        if doubt is not None:
            self._tell(session, row.user_id, review_text(name_of(seen.make, seen.model)), now)

    def _car(self, session: Session, account: str, seen: ProviderVehicle, now: datetime) -> Vehicle:
        """Return the row of a car: by its number, else by the name that the provider has for it."""
        vin = "".join((seen.vin or "").split()).upper()[:VIN_CHARACTERS_MAX]
        vin_ix = self._vault.index("vin", vin) if vin else None
        if vin_ix is not None:
            query = select(Vehicle).where(Vehicle.vin_ix == vin_ix)
        else:
            named = select(VehicleLink.vehicle_id).where(
                VehicleLink.provider == self._telemetry.name,
                VehicleLink.account == account,
                VehicleLink.external_id == seen.external_id,
            )
            query = select(Vehicle).where(Vehicle.id.in_(named)).order_by(Vehicle.id).limit(1)
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
        car = session.scalars(query).one_or_none()
        if car is None:
            fresh = {
                "id": new_id(),
                "vin_ix": vin_ix,
                "make": seen.make[:60],
                "model": seen.model[:80],
                "year": seen.year,
                "created_at": now,
            }
            dialect = postgresql if session.get_bind().dialect.name == "postgresql" else sqlite
            made = session.scalar(
                dialect.insert(Vehicle).values(fresh).on_conflict_do_nothing().returning(Vehicle.id)
            )
            # Whoever was faster made the row that the same question finds now.
            car = session.scalars(query).one() if made is None else session.get_one(Vehicle, made)
        return car


def _doubt(row: VehicleConnect, seen: ProviderVehicle, *, is_known: bool) -> str | None:
    """Say why nobody may believe that this person just agreed at the provider, None if they did.

    Whoever comes back names the account themselves, so the provider must have seen a consent while
    they were away; or the car was theirs already.
    """
    if is_known or seen.connected_at is None:
        return None
    return None if seen.connected_at >= row.created_at - CLOCKS_DIFFER else CONSENT_NOT_SEEN
