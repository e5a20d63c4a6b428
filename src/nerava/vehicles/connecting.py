"""Connecting a vehicle: out to the provider's consent page and back, bound to one sign-in, good once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import select, update

from nerava.identity.one_time import digest, new_token
from nerava.identity.user_store import owner_of
from nerava.kernel.ids import new_id
from nerava.platform.vault import Place
from nerava.vehicles.errors import ConnectStateInvalid, UnknownConnection, VehicleConsentUnknown
from nerava.vehicles.model import VehicleConnect
from nerava.vehicles.states import ConnectState

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from nerava.audit import AuditLog
    from nerava.identity.acting import Actor
    from nerava.platform.db import Database
    from nerava.platform.vault import Vault
    from nerava.vehicles.ports import VehicleTelemetry

LIFE: Final = timedelta(minutes=15)
"""How long one may be away on the provider's page."""

CONSENT_TEXT: Final = "vehicle-data-2026-11"
"""The text that says what is read from a car, and what for; an older one cannot be agreed to."""

REFUSALS: Final = frozenset(
    {
        "access_denied",
        "invalid_subscription",
        "configuration_error",
        "no_vehicles",
        "vehicle_incompatible",
        "server_error",
    }
)
NO_ACCOUNT: Final = "no-account"


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send somebody; the address carries the state."""

    connection: VehicleConnect
    url: str


@dataclass(frozen=True, slots=True)
class Returned:
    """What the provider's page sent back."""

    state: str
    code: str | None = None
    account: str | None = None
    error: str | None = None


class Connecting:
    """Sends people to the provider and takes them back. Safe to share between threads and processes."""

    def __init__(
        self, database: Database, vault: Vault, audit: AuditLog, telemetry: VehicleTelemetry
    ) -> None:
        self._database = database
        self._vault = vault
        self._audit = audit
        self._telemetry = telemetry

    def begin(self, actor: Actor, driver_id: UUID, consent_text: str, now: datetime) -> Begun:
        """Return the provider's page for one way there and back, within 15 minutes, on this sign-in.

        Raises:
            VehicleConsentUnknown: Another text was agreed to than the current one (422).
        """
        if consent_text != CONSENT_TEXT:
            raise VehicleConsentUnknown(current=CONSENT_TEXT)
        if actor.session_id is None:
            raise ConnectStateInvalid("only somebody who is signed in can come back")
        state = new_token()
        row = VehicleConnect(
            id=new_id(),
            state_hash=digest(state),
            driver_id=driver_id,
            user_id=actor.subject,
            session_id=actor.session_id,
            provider=self._telemetry.name,
            consent_text=consent_text,
            state=ConnectState.ASKED.value,
            attempts=0,
            created_at=now,
            expires_at=now + LIFE,
        )
        asked = actor.entry("vehicle.connect", "vehicle_connect", row.id, reason=consent_text)

        def unit(session: Session) -> None:
            session.add(row)
            self._audit.record(session, asked, now)

        self._database.run(unit)
        return Begun(row, self._telemetry.consent_url(state))

    def finish(self, actor: Actor, driver_id: UUID, returned: Returned, now: datetime) -> VehicleConnect:
        """Take somebody back; what they let us see is looked at by a job a moment later.

        The state is used up by it, whatever came back.

        Raises:
            ConnectStateInvalid: Unknown, used, older than 15 minutes, or of another sign-in (409).
        """
        mine = (
            update(VehicleConnect)
            .where(
                VehicleConnect.state_hash == digest(returned.state),
                VehicleConnect.state == ConnectState.ASKED.value,
                VehicleConnect.session_id == actor.session_id,
                VehicleConnect.user_id == actor.subject,
                VehicleConnect.driver_id == driver_id,
                VehicleConnect.expires_at > now,
            )
            .values(**_outcome(returned, now, tokens=self._telemetry.tokens_per_person))
            .returning(VehicleConnect.id)
        )

        def unit(session: Session) -> VehicleConnect:
            used = session.scalar(mine)
            if used is None:
                raise ConnectStateInvalid
            row = session.get_one(VehicleConnect, used, populate_existing=True)
            if row.state == ConnectState.RETURNED and returned.code is not None:
                sealed = returned.code.encode()
                row.code = self._vault.encrypt(
                    session, owner_of(row.user_id), code_place(row.id), sealed, now
                )
            entry = actor.entry("vehicle.consent", "vehicle_connect", row.id, reason=row.trouble)
            self._audit.record(session, entry, now)
            session.flush()
            return row

        return self._database.run(unit)


def connection_of(session: Session, driver_id: UUID, connection_id: UUID) -> VehicleConnect:
    """Return how far a driver's connection is.

    Raises:
        UnknownConnection: The driver began no such one (404).
    """
    query = select(VehicleConnect).where(
        VehicleConnect.id == connection_id, VehicleConnect.driver_id == driver_id
    )
    found = session.scalars(query).one_or_none()
    if found is None:
        raise UnknownConnection
    return found


def code_place(connection_id: UUID) -> Place:
    """Return where a code that waits to be exchanged stands."""
    return Place(VehicleConnect.__tablename__, "code", connection_id)


def _outcome(returned: Returned, now: datetime, *, tokens: bool) -> dict[str, object]:
    needed = returned.code if tokens else returned.account
    if returned.error is None and needed:
        return {
            "state": ConnectState.RETURNED.value,
            "account": returned.account,
            "returned_at": now,
            "next_at": now,
        }
    # Words that are not the provider's own are somebody's text, and text of strangers is not kept.
    known = returned.error if returned.error in REFUSALS else "refused"
    trouble = NO_ACCOUNT if returned.error is None else known
    return {"state": ConnectState.FAILED.value, "trouble": trouble, "returned_at": now, "done_at": now}
