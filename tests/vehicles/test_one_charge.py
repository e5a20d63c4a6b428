"""A charge that a car and an operator tell of is one session and one reward, whoever tells first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.charging.model import ChargingSession
from nerava.discovery.importing import run_import
from nerava.kernel.geography import Point
from nerava.rewards.model import RewardGrant
from tests.discovery.feed import ListFeed, site
from tests.helpers.databases import fresh_databases
from tests.helpers.ocpi_operator import Operator, running_operator
from tests.http.flows import campaign, sponsor
from tests.http.roaming import OCPI, Network, invitation
from tests.vehicles.garage import Driven, Garage, opened_garage

AUSTIN = (30.2672, -97.7431)


@dataclass
class Street:
    """A garage, and an operator beside it."""

    garage: Garage
    operator: Operator
    peer_id: UUID
    corners: int = 0


@dataclass
class Corner:
    """A driver with a car and a token at a charger, and everything around."""

    garage: Garage
    operator: Operator
    network: Network
    driven: Driven
    place: Point
    mark: str

    def location(self, **changes: Any) -> dict[str, Any]:
        there = {"latitude": f"{self.place.latitude:.6f}", "longitude": f"{self.place.longitude:.6f}"}
        return self.network.location(id=f"LOC{self.mark}", coordinates=there) | changes

    def at(self, **span: float) -> str:
        """Let time pass, and return the instant."""
        self.garage.wait(**span)
        return self.now()

    def now(self) -> str:
        return self.garage.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")

    def state(self, status: str) -> None:
        """Have the operator say what its charger is doing."""
        evse = self.network.location()["evses"][0] | {"status": status, "last_updated": self.now()}
        told = self.operator.put("locations", evse, f"LOC{self.mark}", "3256")
        assert told.json()["status_code"] == 1000, told.text
        self.garage.work(2)

    def begin(self, started_at: str, status: str = "ACTIVE", **more: Any) -> None:
        """Have the operator tell of the session."""
        told = {"status": status, "start_date_time": started_at, "kwh": 0.0, "last_updated": self.now()}
        told |= {"end_date_time": None, "id": f"S{self.mark}", "location_id": f"LOC{self.mark}"} | more
        answer = self.operator.put("sessions", self.network.session(**told))
        assert answer.json()["status_code"] == 1000, answer.text
        self.garage.work(3)

    def end(self, started_at: str, ended_at: str) -> None:
        self.begin(started_at, "COMPLETED", kwh=20.0, end_date_time=ended_at)

    def record(self, started_at: str, ended_at: str) -> None:
        """Have the operator send the record, of 19 kWh."""
        told = {"start_date_time": started_at, "end_date_time": ended_at, "last_updated": self.now()}
        told |= {"id": f"C{self.mark}", "session_id": f"S{self.mark}"}
        cdr = self.network.record(total_energy=19.0, total_time=0.5, charging_periods=[], **told)
        there = {"id": f"LOC{self.mark}", "coordinates": self.location()["coordinates"]}
        cdr["cdr_location"] |= there
        assert self.operator.cdr(cdr).status_code == 201
        self.garage.work(3)

    def plug_in(self, *, tells: bool = True) -> None:
        self.garage.world.smartcar.plug_in(self.driven.vin, 50_000)
        if tells:
            self.garage.bring()

    def unplug(self, *, tells: bool = True) -> None:
        self.garage.world.smartcar.unplug(self.driven.vin)
        if tells:
            self.garage.bring()
            self.garage.work(2)

    def sessions(self) -> list[ChargingSession]:
        query = select(ChargingSession).where(ChargingSession.driver_id == self.driven.caller.tenant_id)
        return self.read(query)

    def grants(self) -> list[tuple[str, int]]:
        query = select(RewardGrant).where(RewardGrant.driver_id == self.driven.caller.tenant_id)
        return [(one.state, one.points) for one in self.read(query)]

    def read(self, query: Any) -> list[Any]:
        return self.garage.house.installation.database.read(lambda session: list(session.scalars(query)))


@pytest.fixture(scope="module")
def street(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    folder = tmp_path_factory.mktemp("street")
    with (
        fresh_databases(request, folder)("sqlite") as url,
        opened_garage(url, folder, ocpi=OCPI) as garage,
    ):
        invited = invitation(garage.house)
        with running_operator(garage.house.client, invited["invitation"]) as operator:
            assert operator.register().json()["status_code"] == 1000
            rules = [{"kind": "per_kwh", "points_per_kwh": 10}]
            campaign(sponsor(garage.house, 100_000), 50_000, rules=rules, evidence_min=1)
            yield Street(garage, operator, UUID(invited["peer_id"]))
        assert garage.house.findings() == []


@pytest.fixture
def corner(street: Street) -> Iterator[Corner]:
    """A corner of the street with a charger of its own, and a driver whose car stands there."""
    street.corners += 1
    garage, operator = street.garage, street.operator
    place = Point(AUSTIN[0] + street.corners, AUSTIN[1])
    user = str(garage.world.smartcar.add_person()["user_id"])
    vin = str(garage.world.smartcar.add_car(user, latitude=place.latitude, longitude=place.longitude)["vin"])
    driven = garage.joined(garage.driver(), user, vin)
    made = garage.again(driven).post("/v1/me/charging-tokens")
    network = Network(garage.house, operator, garage.clock, street.peer_id, driven.caller, made.json())
    found = Corner(garage, operator, network, driven, place, f"{street.corners}")
    assert operator.put("locations", found.location()).status_code == 201
    garage.work(3)
    yield found
    garage.part()


def test_the_operator_tells_first_and_the_car_joins_in(corner: Corner) -> None:
    began = corner.now()
    corner.begin(began)
    corner.plug_in()
    corner.at(minutes=30)
    corner.unplug()
    corner.end(began, corner.now())
    [session] = corner.sessions()
    assert (session.source, session.evidence_level) == ("ocpi:NL-EXA", 2)

    corner.record(began, corner.now())
    [session] = corner.sessions()
    assert (session.evidence_level, session.energy_wh) == (4, 19_000)
    assert corner.grants() == [("settled", 190)]


def test_the_car_tells_first_and_the_operator_joins_in(corner: Corner) -> None:
    began = corner.now()
    corner.plug_in()
    corner.at(minutes=3)
    corner.begin(began)
    corner.at(minutes=27)
    corner.end(began, corner.now())
    corner.unplug()
    corner.record(began, corner.now())
    [session] = corner.sessions()
    assert (session.source, session.evidence_level, session.energy_wh) == ("smartcar", 4, 19_000)
    assert corner.grants() == [("settled", 190)]


def test_a_car_that_is_heard_of_when_all_is_over_earns_nothing_twice(corner: Corner) -> None:
    began = corner.now()
    corner.plug_in(tells=False)
    ended = corner.at(minutes=30)
    corner.unplug(tells=False)
    corner.end(began, ended)
    corner.record(began, ended)
    assert corner.grants() == [("settled", 190)]

    corner.at(minutes=40)
    corner.garage.bring()
    corner.garage.work(3)
    [charge] = corner.garage.charges(corner.driven)
    [session] = corner.sessions()
    assert (charge.session_id, session.energy_wh) == (session.id, 19_000)
    assert corner.grants() == [("settled", 190)]


def test_the_token_of_one_account_and_the_car_of_another_earn_once(corner: Corner) -> None:
    garage = corner.garage
    user = str(garage.world.smartcar.add_person()["user_id"])
    there = {"latitude": corner.place.latitude, "longitude": corner.place.longitude}
    other = garage.joined(garage.driver(), user, str(garage.world.smartcar.add_car(user, **there)["vin"]))
    began = corner.now()
    corner.begin(began)
    garage.world.smartcar.plug_in(other.vin, 30_000)
    garage.bring()
    ended = corner.at(minutes=30)
    corner.end(began, ended)
    garage.world.smartcar.unplug(other.vin)
    garage.bring()
    corner.record(began, ended)

    [told] = garage.again(other).get("/v1/sessions").json()["items"]
    found = garage.again(other).get(f"/v1/sessions/{told['id']}").json()
    assert (corner.grants(), found["state"]) == ([("settled", 190)], "review")
    assert [one["code"] for one in found["findings"]] == ["session.another_drivers"]


def test_a_charge_after_the_one_that_the_operator_told_of_is_another_one(corner: Corner) -> None:
    began = corner.now()
    ended = corner.at(minutes=30)
    corner.end(began, ended)
    corner.record(began, ended)
    corner.at(minutes=20)
    corner.plug_in()
    corner.at(minutes=30)
    corner.unplug()
    assert sorted(one.source for one in corner.sessions()) == ["ocpi:NL-EXA", "smartcar"]


def test_what_the_operator_says_of_its_charger_bears_witness_for_the_car(corner: Corner) -> None:
    corner.state("CHARGING")
    corner.plug_in()
    corner.at(minutes=30)
    corner.unplug()
    corner.state("AVAILABLE")
    [session] = corner.sessions()
    assert (session.evidence_level, session.state) == (3, "verified")


def test_an_idle_charger_speaks_against_the_car(corner: Corner) -> None:
    corner.state("AVAILABLE")
    corner.plug_in()
    corner.at(minutes=30)
    corner.unplug()
    [session] = corner.sessions()
    assert (session.evidence_level, session.state) == (2, "review")


def test_a_location_that_another_source_knows_is_one_location(corner: Corner) -> None:
    installation, client = corner.garage.house.installation, corner.garage.house.client
    far = Point(corner.place.latitude + 0.5, -97.0)
    near = Point(corner.place.latitude + 0.0002, corner.place.longitude)
    known = [
        site(7, position=near, name="Market Street"),
        site(8, position=far, name="Market Street"),
    ]
    run_import(installation.database, ListFeed(known), now=installation.clock.now)
    there = {"latitude": f"{far.latitude:.6f}", "longitude": f"{far.longitude:.6f}"}
    other = corner.location(id="FAR", coordinates=there, name="Market Street North")
    corner.operator.put("locations", other)
    corner.garage.work(2)

    def shown(at: Point) -> list[dict[str, Any]]:
        found = client.get("/v1/chargers", params={"lat": at.latitude, "lng": at.longitude})
        items: list[dict[str, Any]] = found.json()["items"]
        return items

    for at in (far, corner.place):
        [found] = shown(at)
        assert [one["source"] for one in found["references"]] == ["ocpi:NL-EXA", "osm"]
        assert (found["source"], found["plugs"][0]["kind"]) == ("ocpi:NL-EXA", "IEC_62196_T2_COMBO")
        assert (found["status"], found["access"], found["power_w_max"]) == ("open", "public", 50_000)

    hidden = other | {"publish": False, "last_updated": "2026-11-02T00:00:00Z"}
    corner.operator.put("locations", hidden)
    corner.garage.work(2)
    assert [one["source"] for one in shown(far)] == ["osm"]
