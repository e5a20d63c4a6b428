"""A house whose drivers connect cars at the simulated Smartcar, over real HTTP and by one clock."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx2
from pydantic import SecretStr
from sqlalchemy import select
from sqlalchemy.orm import Session

from nerava.charging.ingest import NewConnector, NewLocation, register_connectors, register_locations
from nerava.charging.model import ChargingSession, Evse
from nerava.charging.telemetry_store import VehicleCharge
from nerava.identity.roles import Role
from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.kernel.ids import new_id
from nerava.settings import Group, SmartcarSettings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from nerava.vehicles.connecting import CONSENT_TEXT
from nerava.vehicles.model import VehicleLink
from nerava.worker import PROVIDERS, BackgroundWork
from tests.http.conftest import Caller, House, opened_house
from tests.http.test_exports import give_contact

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
BACK = "http://127.0.0.1:8000/vehicles/return"


@dataclass
class Site:
    """A charging location and its only charger."""

    location_id: UUID
    evse_id: UUID
    latitude: float
    longitude: float


@dataclass
class Driven:
    """A driver with a car that is connected."""

    caller: Caller
    user: str
    vin: str
    vehicle: str


@dataclass
class Garage:
    """The house, its provider, and their time."""

    house: House
    world: Simulators
    clock: FixedClock
    background: BackgroundWork
    sites: int = 0

    def work(self, rounds: int = 1, *, share: str | None = None) -> None:
        """Let the background work go round, of one share or all, a second each time."""
        for _ in range(rounds):
            self.clock.move_to(self.clock.now() + timedelta(seconds=1))
            self.background.round(share)

    def wait(self, **span: float) -> None:
        """Let time pass for cars."""
        self.world.advance(timedelta(**span))

    def bring(self, kind: str | None = None) -> list[Any]:
        """Bring what Smartcar has to tell, work on it, and return the answers."""
        answers = [self.post(one.body, one.headers) for one in self.world.webhooks.take(kind)]
        self.work(share=PROVIDERS)
        return answers

    def post(self, body: bytes, headers: dict[str, str]) -> Any:
        """Bring one webhook."""
        return self.house.client.post("/webhooks/smartcar", content=body, headers=headers)

    def site(self, power_w_max: int = 150_000) -> Site:
        """Open a charging location of its own, far from the others."""
        self.sites += 1
        latitude, longitude = 50 + self.sites * 0.05, 8.0
        place = NewLocation(
            source="test",
            reference=f"site-{new_id()}",
            name="Garage",
            timezone="Europe/Berlin",
            latitude=latitude,
            longitude=longitude,
        )

        def unit(session: Session) -> Site:
            [location_id] = register_locations(session, [place]).values()
            register_connectors(
                session, [NewConnector(location_id=location_id, evse="1", power_w_max=power_w_max)]
            )
            evse = session.scalars(select(Evse.id).where(Evse.location_id == location_id)).one()
            return Site(location_id, evse, latitude, longitude)

        return self.house.installation.database.run(unit)

    def driver(self) -> Caller:
        """Return a new driver who can be written to."""
        caller = self.house.user()
        give_contact(self.house, caller, f"{caller.subject}@example.com")
        return caller

    def go_and_agree(self, caller: Caller, user: str) -> Any:
        """Go to Smartcar's page, choose whose cars, come back, and return the answer."""
        begun = caller.post("/v1/vehicle-connections", {"consent_text": CONSENT_TEXT})
        assert begun.status_code == 201, begun.text
        return caller.post("/v1/vehicle-connections/return", self.came_back(begun.json()["url"], user))

    def came_back(self, url: str, user: str) -> dict[str, str]:
        """Choose on the consent page and return what stands in the address one is sent back to."""
        with httpx2.Client(timeout=5) as http:
            sent = http.post(url, data={"user": user}, follow_redirects=False)
        assert sent.status_code == 303, sent.text
        assert sent.headers["location"].startswith(f"{BACK}?")
        query = parse_qs(urlsplit(sent.headers["location"]).query)
        wanted = {"state", "code", "user_id", "error"}
        return {name: values[0] for name, values in query.items() if name in wanted}

    def driven(self, site: Site | None = None, **car: Any) -> Driven:
        """Return a driver whose new car is connected; it stands at the site."""
        user = str(self.world.smartcar.add_person()["user_id"])
        place = {} if site is None else {"latitude": site.latitude, "longitude": site.longitude}
        vin = str(self.world.smartcar.add_car(user, **place, **car)["vin"])
        caller = self.driver()
        return self.joined(caller, user, vin)

    def joined(self, caller: Caller, user: str, vin: str) -> Driven:
        """Let a driver connect somebody's account, and return what came of it."""
        answer = self.go_and_agree(caller, user)
        assert answer.status_code == 200, answer.text
        self.work(2, share=PROVIDERS)
        known = self.world.state("smartcar-vehicle")["connections"].items()
        [vehicle] = [name for name, one in known if (one["user"], one["vin"]) == (user, vin)]
        return Driven(caller, user, vin, vehicle)

    def again(self, driven: Driven) -> Caller:
        """Return the driver, signed in just now."""
        caller = driven.caller
        return self.house.caller(Role.DRIVER, caller.tenant_id, caller.subject)

    def link(self, driven: Driven) -> VehicleLink:
        """Return the link of a driver's car."""
        query = select(VehicleLink).where(VehicleLink.driver_id == driven.caller.tenant_id)
        return self.house.installation.database.read(
            lambda session: session.scalars(query.order_by(VehicleLink.id.desc()).limit(1)).one()
        )

    def session(self, driven: Driven) -> ChargingSession | None:
        """Return the only session of a driver."""
        query = select(ChargingSession).where(ChargingSession.driver_id == driven.caller.tenant_id)
        return self.house.installation.database.read(lambda session: session.scalars(query).one_or_none())

    def charges(self, driven: Driven) -> list[VehicleCharge]:
        """Return the charges that a driver's car told of."""
        query = select(VehicleCharge).where(VehicleCharge.driver_id == driven.caller.tenant_id)
        return self.house.installation.database.read(
            lambda session: list(session.scalars(query.order_by(VehicleCharge.id)))
        )

    def told(self, driven: Driven) -> dict[str, Any]:
        """Return what a driver's car said last, by code."""
        cars = self.again(driven).get("/v1/vehicles").json()["vehicles"]
        return {one["code"]: one["value"] for car in cars for one in car["signals"]}

    def asked(self, driven: Driven) -> int:
        """Return how often Smartcar was asked what a car says."""
        calls = self.world.requests("smartcar-vehicle")
        return sum(one.path.endswith(f"/{driven.vehicle}/signals") for one in calls)

    def messages(self) -> list[str]:
        """Return every message that was sent."""
        file = self.house.installation.settings.inbox_file
        if not file.exists():
            return []
        return [json.loads(line)["text"] for line in file.read_text("utf-8").splitlines()]

    def part(self) -> None:
        """Let nobody have a car any more, so that the next test is alone."""
        now = self.clock.now()
        database = self.house.installation.database
        everyone = database.read(lambda session: set(session.scalars(select(VehicleLink.driver_id))))

        def unit(session: Session) -> None:
            for link in session.scalars(select(VehicleLink).where(VehicleLink.driver_id.in_(everyone))):
                link.state, link.ended_at = "ended", link.ended_at or now
                link.ended_because, link.next_at = link.ended_because or "by-ops", None

        database.run(unit)
        self.world.faults.heal()
        self.world.webhooks.take()
        self.world.smartcar.drain(120)


@contextmanager
def opened_garage(
    url: str, folder: Path, version: int = 3, webhook_id: str | None = None, **groups: Group
) -> Iterator[Garage]:
    """Open a house that reads cars; `groups` are further settings."""
    clock = FixedClock(START)
    with running_simulators(clock=clock, by_hand=True) as world:
        world.smartcar.register_redirect(BACK)
        settings = SmartcarSettings(
            mode="simulator",
            version=3 if version == 3 else 2,
            client_id=world.smartcar.client_id,
            client_secret=SecretStr(world.smartcar.client_secret),
            webhook_secrets=SecretStr(world.smartcar.management_token),
            base_url=world.base_url,
            redirect_uri=BACK,
            webhook_id=webhook_id,
        )
        with opened_house(url, folder, clock, smartcar=settings, **groups) as house:
            yield Garage(house, world, clock, background_of(house.installation))
