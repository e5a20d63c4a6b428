"""The car of a demo: its driver connects it at a simulated provider, and what it tells proves a charge."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import select

from nerava.charging.telemetry_store import VehicleCharge
from nerava.identity.acting import Actor
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.installation import jobs_of
from nerava.vehicles.connecting import CONSENT_TEXT, Returned
from nerava.vehicles.ports import CHARGE_LEVEL, ENERGY_ADDED, IS_CHARGING
from nerava.vehicles.service import connected
from nerava.worker import PROVIDERS, BackgroundWork

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from nerava.installation import Installation
    from nerava.kernel.geography import Point
    from nerava.simulators.handle import Simulators

CHARGED_FOR: Final = timedelta(minutes=40)
ENDED_AGO: Final = timedelta(minutes=5)
CHARGED_KWH: Final = 12.4
LEVELS: Final = (35, 51)
POWER_W: Final = 22_000
_SECOND: Final = timedelta(seconds=1)
_ROUNDS_MAX: Final = 12


def charge_told_by_car(
    installation: Installation, simulators: Simulators, driver_id: UUID, place: Point
) -> UUID | None:
    """Connect a new car of a driver, let it tell of a charge at a place, and return the session that it is.

    Everything goes the way it goes live: consent, connection, signed webhooks, jobs. A driver whose car
    told of a charge before keeps that one.
    """
    known = _last_charge(installation, driver_id)
    if known is not None:
        return known
    person = str(simulators.smartcar.add_person()["user_id"])
    car = simulators.smartcar.add_car(
        person, latitude=place.latitude, longitude=place.longitude, level=LEVELS[0]
    )
    vin = str(car["vin"])
    # Its maker hears of it late, as makers do; so the first look at it finds it charging for a while.
    simulators.smartcar.lag(vin, (ENDED_AGO + CHARGED_FOR) // _SECOND)
    simulators.smartcar.plug_in(vin, POWER_W)
    _agree(installation, simulators, driver_id, person)
    _end(installation, simulators, vin)
    return _last_charge(installation, driver_id)


def _agree(installation: Installation, simulators: Simulators, driver_id: UUID, person: str) -> None:
    """Go to the provider's page, agree there, and come back."""
    database, connecting = installation.database, connected(installation.vehicles).connecting
    membership = Membership(Role.DRIVER, driver_id)

    def sign_in(session: Session) -> str:
        now = installation.clock.now()
        grant_role(session, driver_id, membership, granted_by="demo", now=now)
        return installation.sessions.open_command(session, driver_id, Role.DRIVER, now)

    claims = installation.tokens.verify(database.run(sign_in))
    actor = Actor(driver_id, membership, claims.session_id)
    begun = connecting.begin(actor, driver_id, CONSENT_TEXT, installation.clock.now())
    simulators.smartcar.connect(person)
    state = parse_qs(urlsplit(begun.url).query)["state"][0]
    connecting.finish(actor, driver_id, Returned(state, account=person), installation.clock.now())
    _work(installation)


def _end(installation: Installation, simulators: Simulators, vin: str) -> None:
    """Let a car tell its maker that it has charged, the maker tell Smartcar, and Smartcar tell us."""
    now = installation.clock.now()
    simulators.smartcar.lag(vin, ENDED_AGO // _SECOND)
    at_ms = int((now - ENDED_AGO).timestamp()) * 1_000
    for code, body in {
        CHARGE_LEVEL: {"value": LEVELS[1], "unit": "percent"},
        ENERGY_ADDED: {"value": CHARGED_KWH, "unit": "kWh"},
    }.items():
        simulators.smartcar.say(vin, code, body, at_ms=at_ms)
    simulators.smartcar.say(vin, IS_CHARGING, {"value": False}, at_ms=at_ms, tells=True)
    for one in simulators.webhooks.take("VEHICLE_STATE"):
        installation.intake.take("smartcar", one.headers, one.body, now)
    simulators.smartcar.unplug(vin)
    _work(installation)


def _work(installation: Installation) -> None:
    background = BackgroundWork(jobs_of(installation), installation.clock, installation.settings.worker)
    for _ in range(_ROUNDS_MAX):
        if background.round(PROVIDERS) + background.round("own") == 0:
            return


def _last_charge(installation: Installation, driver_id: UUID) -> UUID | None:
    query = select(VehicleCharge.session_id).where(
        VehicleCharge.driver_id == driver_id, VehicleCharge.session_id.is_not(None)
    )
    newest = query.order_by(VehicleCharge.started_at.desc()).limit(1)
    return installation.database.read(lambda session: session.scalar(newest))
