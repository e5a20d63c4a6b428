"""The product beside simulated operators over real HTTP, both ways: push, pull, outage, late and signed records."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import uvicorn
from sqlalchemy import select

from nerava.installation import background_of
from nerava.kernel.clock import FixedClock
from nerava.kernel.outcomes import Ok
from nerava.rewards.model import RewardGrant
from nerava.roaming import peers
from nerava.settings.roaming import OcpiSettings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import PromptServer, running_simulators
from tests.helpers.databases import DatabaseUrl
from tests.http.conftest import Caller, House, opened_house
from tests.http.flows import as_driver, campaign, sponsor
from tests.http.roaming import NOW, invitation


@dataclass
class Town:
    """A house that is really served, operators beside it, and their clock."""

    house: House
    simulators: Simulators
    clock: FixedClock
    address: str

    def work(self, rounds: int = 5) -> None:
        """Let the background work go round."""
        background = background_of(self.house.installation)
        for _ in range(rounds):
            self.clock.move_to(self.clock.now() + timedelta(seconds=2))
            background.round()

    def wait(self, **span: float) -> None:
        """Let time pass at both, then work."""
        self.simulators.advance(timedelta(**span))
        self.work()

    def driver(self) -> Caller:
        """Return a driver with a token that every connected operator knows."""
        found = self.house.driver()
        assert found.post("/v1/me/charging-tokens").status_code == 201
        self.work(3)
        return found

    def seen(self, driver: Caller, path: str) -> dict[str, Any]:
        """Return what a driver who has just signed in sees."""
        found: dict[str, Any] = as_driver(self.house, driver.tenant_id).get(path).json()
        return found

    def token_of(self, number: str, driver: Caller) -> dict[str, Any]:
        """Return a driver's token as an operator was told it."""
        [uid] = [one["uid"] for one in self.seen(driver, "/v1/me/charging-tokens")["tokens"]]
        told: list[dict[str, Any]] = self.simulators.state("cpo")[number]["tokens"]
        return next(one for one in told if one["uid"] == uid)

    def connect(self, number: str) -> UUID:
        """Register us at an operator, which is from then on read."""
        installation, now = self.house.installation, self.clock.now()
        roaming = installation.roaming
        assert roaming is not None
        peer_id, _ = installation.database.run(lambda session: peers.invite(session, number, now=now))
        versions = f"{self.simulators.url_of('cpo')}/{number}/versions"
        token = self.simulators.cpo.invitation(number)
        assert isinstance(roaming.handshake.connect(peer_id, versions, token, now), Ok)
        self.work(3)
        return peer_id

    def grants(self, driver: Caller) -> list[str]:
        """Return what became of a driver's rewards."""
        grants: Any = RewardGrant
        query = select(grants.state).where(grants.driver_id == driver.tenant_id).order_by(grants.id)
        return list(self.house.installation.database.read(lambda session: session.scalars(query).all()))


@contextmanager
def served(house: House, listening: socket.socket) -> Iterator[None]:
    """Serve a house on a socket."""
    config = uvicorn.Config(house.app, lifespan="off", access_log=False, log_level=60, ws="none")
    server = PromptServer(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    until = time.monotonic() + 10
    while not server.started and time.monotonic() < until:
        time.sleep(0.005)
    try:
        yield
    finally:
        server.end()
        thread.join()


@pytest.fixture(scope="module")
def town(database_url_of_module: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One town for all stories."""
    folder: Path = tmp_path_factory.mktemp("town")
    clock = FixedClock(NOW)
    listening = socket.create_server(("127.0.0.1", 0))
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    ocpi = OcpiSettings(mode="simulator", country_code="US", party_id="NRV", public_url=address)
    with (
        database_url_of_module("sqlite") as url,
        running_simulators(clock=clock) as simulators,
        opened_house(url, folder, clock, ocpi=ocpi) as house,
        served(house, listening),
    ):
        owner = sponsor(house, 100_000)
        campaign(owner, 50_000, rules=[{"kind": "per_kwh", "points_per_kwh": 10}], settle_within_days=14)
        yield Town(house, simulators, clock, address)
    listening.close()


def test_a_pushed_charge_is_promised_paid_days_later_and_taken_back(town: Town) -> None:
    cpo, versions = town.simulators.cpo, f"{town.address}/ocpi/versions"
    cpo.behave("1", lists=False)
    cpo.register("1", versions, invitation(town.house)["invitation"], town.simulators.url_of("cpo"))
    cpo.add_location("1", "L1")
    assert cpo.push("1") == [("PUT locations", 201)]
    driver = town.driver()
    begun = cpo.plug_in("1", town.token_of("1", driver))
    assert cpo.push("1") == [("PUT sessions", 201)]
    town.wait(hours=1)
    assert town.seen(driver, "/v1/sessions")["items"][0]["state"] == "open"

    cpo.unplug("1", begun["id"], 20.0, record_after_s=3 * 86_400)
    assert cpo.push("1") == [("PUT sessions", 200)]
    town.work()
    assert town.grants(driver) == ["provisional"]
    town.wait(days=3, minutes=1)
    assert cpo.push("1") == [("POST cdrs", 201)]
    town.work()
    assert (town.grants(driver), town.seen(driver, "/v1/wallet")["available"]) == (["settled"], 200)

    [record] = list(town.simulators.state("cpo")["1"]["cdrs"].values())
    cpo.credit("1", record["id"])
    cpo.push("1")
    town.work()
    assert (town.grants(driver), town.seen(driver, "/v1/wallet")["available"]) == (["clawed_back"], 0)
    assert town.house.findings() == []


def test_what_an_outage_kept_from_us_is_read_afterwards(town: Town) -> None:
    cpo = town.simulators.cpo
    town.connect("2")
    driver = town.driver()
    token = town.token_of("2", driver)
    cpo.behave("2", out=True)
    began = cpo.plug_in("2", token)
    town.simulators.advance(timedelta(hours=1))
    cpo.unplug("2", began["id"], 15.0)
    town.simulators.advance(timedelta(hours=30))
    assert cpo.push("2") == []
    assert town.grants(driver) == []

    cpo.behave("2", out=False)
    town.wait(hours=7)
    assert town.grants(driver) == ["settled"]
    signed = cpo.plug_in("2", token)
    town.wait(hours=1)
    cpo.unplug("2", signed["id"], 12.5, record_after_s=-1)
    cpo.bill("2", signed["id"], signed=True)
    cpo.push("2")
    town.work()
    [latest, *_] = town.seen(driver, "/v1/sessions")["items"]
    assert (latest["evidence_level"], latest["energy_wh"]) == (5, 12_500)
    assert town.seen(driver, "/v1/wallet")["available"] == 275
    assert town.house.findings() == []


def test_recorded_sessions_are_replayed_by_an_operator_who_only_lists(town: Town) -> None:
    cpo = town.simulators.cpo
    cpo.behave("2", pushes=False)
    driver = town.driver()
    days = [town.clock.now() - timedelta(days=number) for number in (1, 2, 3)]
    charges = [
        {"started_at": day.isoformat(), "ended_at": (day + timedelta(hours=1)).isoformat(), "energy_kwh": 8}
        for day in days
    ]
    assert len(cpo.replay("2", town.token_of("2", driver), charges)) == 3
    town.wait(hours=2)
    assert town.grants(driver) == ["settled"] * 3
    assert town.house.findings() == []
