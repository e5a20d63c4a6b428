"""Smartcar tells of the cars that are connected, of no others; and people come back to the app."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from nerava.settings import SmartcarSettings
from tests.helpers.databases import DatabaseUrl, fresh_databases
from tests.http.conftest import opened_house
from tests.vehicles.garage import Driven, Garage, opened_garage

WEBHOOK = "wh-1"


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Garage]:
    folder = tmp_path_factory.mktemp("subscribing")
    with (
        fresh_databases(request, folder)("sqlite") as url,
        opened_garage(url, folder, webhook_id=WEBHOOK) as opened,
    ):
        yield opened


def listed(garage: Garage) -> set[str]:
    """Return the cars that Smartcar tells of."""
    return set(garage.world.state("smartcar-vehicle")["subscriptions"].get(WEBHOOK, []))


def look(garage: Garage) -> int:
    vehicles = garage.house.installation.vehicles
    assert vehicles is not None
    assert vehicles.subscribing is not None
    return vehicles.subscribing.run(garage.clock.now())


def asked(garage: Garage) -> int:
    return len(garage.world.requests("smartcar-mgmt"))


def test_a_car_that_is_connected_is_told_of_and_one_that_is_let_go_is_not(garage: Garage) -> None:
    one, other = garage.driven(), garage.driven()
    garage.wait(minutes=2)
    garage.work(2)
    assert listed(garage) == {one.vehicle, other.vehicle}
    quiet = asked(garage)
    assert look(garage) == 0
    assert asked(garage) == quiet, "nothing is new, so nobody is asked"

    end(garage, other)
    assert look(garage) == 1
    assert listed(garage) == {one.vehicle}
    garage.world.webhooks.take()
    garage.world.smartcar.tell(other.vin)
    assert garage.world.webhooks.take() == []


def test_what_somebody_changed_at_smartcar_is_put_right_within_the_hour(garage: Garage) -> None:
    driven = garage.driven()
    assert look(garage) > 0
    garage.world.smartcar.forget_subscriptions(WEBHOOK)
    assert look(garage) == 0
    garage.wait(minutes=61)
    assert look(garage) == 1
    assert listed(garage) == {driven.vehicle}


def test_a_provider_in_trouble_is_asked_again_minutes_later(garage: Garage) -> None:
    look(garage)
    rule = garage.world.faults.add("status", provider="smartcar-mgmt", status=403)
    driven = garage.driven()
    assert look(garage) == 0
    garage.world.faults.remove(rule)
    tried = asked(garage)
    assert look(garage) == 0
    assert asked(garage) == tried
    garage.wait(minutes=6)
    assert look(garage) == 1
    assert driven.vehicle in listed(garage)


def end(garage: Garage, driven: Driven) -> None:
    link = garage.link(driven)
    caller = garage.again(driven)
    assert caller.client.delete(f"/v1/vehicles/{link.id}", headers=caller.headers()).status_code == 204


def test_who_comes_back_is_sent_on_to_the_app_with_what_came(
    database_url: DatabaseUrl, tmp_path: Path
) -> None:
    came = {"state": "s t", "code": "c", "user_id": "u", "error_description": "<b>no</b>"}
    settings = SmartcarSettings(app_url="nerava://vehicles/return")
    with database_url("sqlite") as url, opened_house(url, tmp_path, smartcar=settings) as house:
        sent = house.client.get("/vehicles/return", params=came, follow_redirects=False)
        assert sent.status_code == 303
        address = urlsplit(sent.headers["location"])
        assert (address.scheme, address.netloc, address.path) == ("nerava", "vehicles", "/return")
        assert parse_qs(address.query) == {"state": ["s t"], "code": ["c"], "user_id": ["u"]}
        assert (sent.headers["cache-control"], sent.headers["referrer-policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize(
    ("came", "said"),
    [
        ({"state": "s", "user_id": "u"}, "Almost done"),
        ({"state": "s", "error": "access_denied", "error_description": "<script>"}, "was not connected"),
        ({}, "Nothing to do here"),
    ],
)
def test_without_an_app_a_page_says_what_to_do_and_nothing_of_strangers(
    garage: Garage, came: dict[str, str], said: str
) -> None:
    page = garage.house.client.get("/vehicles/return", params=came)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert said in page.text
    assert 'href="/pages/page.css"' in page.text
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
