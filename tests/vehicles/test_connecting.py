"""Connecting a car and letting it go: bound to one sign-in, good once, and gone when it is over."""

from __future__ import annotations

from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select

from nerava.identity.roles import Role
from nerava.identity.user_store import AppUser
from nerava.privacy.erasing import erase
from nerava.vehicles.connecting import CONSENT_TEXT
from nerava.vehicles.model import Vehicle, VehicleLink, VehicleSignal
from tests.http.conftest import Caller
from tests.vehicles.garage import BACK, Garage


def begin(caller: Caller) -> str:
    answer = caller.post("/v1/vehicle-connections", {"consent_text": CONSENT_TEXT})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


def owner(garage: Garage) -> tuple[Caller, str]:
    user = str(garage.world.smartcar.add_person()["user_id"])
    garage.world.smartcar.add_car(user)
    return garage.driver(), user


def test_one_comes_back_once_and_only_on_the_sign_in_one_left_with(garage: Garage) -> None:
    caller, user = owner(garage)
    back = garage.came_back(begin(caller), user)
    thief = garage.driver()
    again = garage.house.caller(role=Role.DRIVER, tenant_id=caller.tenant_id, subject=caller.subject)
    for other in (thief, again):
        refused = other.post("/v1/vehicle-connections/return", back)
        assert (refused.status_code, refused.json()["code"]) == (409, "connect-state-invalid")
    assert caller.post("/v1/vehicle-connections/return", back).json()["state"] == "returned"
    assert caller.post("/v1/vehicle-connections/return", back).status_code == 409


def test_a_way_there_and_back_takes_a_quarter_of_an_hour_at_most(garage: Garage) -> None:
    caller, user = owner(garage)
    back = garage.came_back(begin(caller), user)
    garage.clock.move_to(garage.clock.now() + timedelta(minutes=15))
    again = caller.post("/v1/vehicle-connections/return", back)
    assert again.status_code in {401, 409}
    garage.work()
    fresh = garage.house.caller(role=Role.DRIVER, tenant_id=caller.tenant_id, subject=caller.subject)
    assert fresh.get("/v1/vehicles").json()["vehicles"] == []


@pytest.mark.parametrize(("choice", "trouble"), [("", "access_denied"), ("no_vehicles", "no_vehicles")])
def test_who_does_not_agree_has_no_car(garage: Garage, choice: str, trouble: str) -> None:
    caller, _ = owner(garage)
    told = caller.post("/v1/vehicle-connections/return", garage.came_back(begin(caller), choice)).json()
    assert (told["state"], told["trouble"]) == ("failed", trouble)
    shown = caller.get(f"/v1/vehicle-connections/{told['id']}").json()
    assert shown["state"] == "failed"


def test_the_page_sends_people_to_the_registered_address_alone(garage: Garage) -> None:
    caller, user = owner(garage)
    url = begin(caller)
    with httpx2.Client(timeout=5) as http:
        other = http.post(url.replace("return", "return2"), data={"user": user}, follow_redirects=False)
    assert (other.status_code, BACK in url.replace("%3A", ":").replace("%2F", "/")) == (400, True)


def test_a_name_that_somebody_brings_along_is_believed_only_with_a_consent_of_now(garage: Garage) -> None:
    victim = garage.driven()
    garage.wait(minutes=30)
    garage.world.smartcar.add_car(victim.user)
    garage.part()
    caller, user = owner(garage)
    back = garage.came_back(begin(caller), user) | {"user_id": victim.user}
    caller.post("/v1/vehicle-connections/return", back)
    garage.work(2)
    cars = caller.get("/v1/vehicles").json()["vehicles"]
    assert {(one["state"], one["trouble"]) for one in cars} == {("review", "consent-not-seen")}


def test_a_car_that_is_let_go_is_forgotten_here_and_there(garage: Garage) -> None:
    driven = garage.driven()
    assert garage.told(driven)
    link = garage.link(driven)
    for _ in range(2):
        assert (
            garage.again(driven)
            .client.delete(f"/v1/vehicles/{link.id}", headers=garage.again(driven).headers())
            .status_code
            == 204
        )
    garage.clock.move_to(garage.clock.now() + timedelta(minutes=1))
    garage.work()
    assert driven.vehicle not in garage.world.state("smartcar-vehicle")["connections"]
    query = select(VehicleSignal.code).where(VehicleSignal.link_id == link.id)
    assert garage.house.installation.database.read(lambda session: session.scalars(query).all()) == []


def test_an_erased_driver_leaves_no_number_and_no_connection(garage: Garage) -> None:
    driven = garage.driven()
    one, now = garage.house.installation, garage.clock.now()
    car_id = garage.link(driven).vehicle_id
    one.database.run(
        lambda session: erase(
            session, one.ledger, one.vault, one.sessions, user_id=driven.caller.subject, now=now
        )
    )
    car = one.database.read(lambda session: session.get_one(Vehicle, car_id))
    assert (car.vin_ix, car.make) == (None, "unknown")
    left = select(VehicleLink.id).where(VehicleLink.driver_id == driven.caller.tenant_id)
    assert one.database.read(lambda session: session.scalars(left).all()) == []
    assert one.database.read(lambda session: session.get_one(AppUser, driven.caller.subject)) is not None
    garage.clock.move_to(now + timedelta(minutes=1))
    garage.work()
    assert driven.vehicle not in garage.world.state("smartcar-vehicle")["connections"]
