"""The simulated Alternative Fuel Stations API answers, refuses and counts as the documented one."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from nerava.kernel.clock import FixedClock
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators
from tests.contracts.recorded import recorded

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
LA = {"latitude": "34.0537", "longitude": "-118.2428", "fuel_type": "ELEC"}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=FixedClock(NOON)) as simulators:
        yield simulators


@pytest.fixture
def simulators(running: Simulators) -> Simulators:
    running.reset(7)
    return running


class Caller:
    def __init__(self, simulators: Simulators, http: httpx2.Client) -> None:
        self.simulators, self.http = simulators, http

    def ask(self, path: str, key: str | None = None, **query: str) -> httpx2.Response:
        headers = {"x-api-key": self.simulators.nlr.key if key is None else key}
        return self.http.get(f"/api/alt-fuel-stations{path}", params=query, headers=headers)


@pytest.fixture
def nlr(simulators: Simulators) -> Iterator[Caller]:
    with httpx2.Client(base_url=simulators.url_of("nlr"), timeout=5) as http:
        yield Caller(simulators, http)


def rows(answer: httpx2.Response) -> list[dict[str, str]]:
    assert answer.headers["content-type"] == "text/csv"
    return list(csv.DictReader(io.StringIO(answer.text)))


def test_one_seed_gives_the_same_stations_again(simulators: Simulators) -> None:
    first = simulators.nlr.stations(), simulators.nlr.key
    simulators.reset(8)
    assert simulators.nlr.stations() != first[0]
    simulators.reset(7)
    assert (simulators.nlr.stations(), simulators.nlr.key) == first


def test_a_list_counts_ports_and_sites_and_all_fuels(nlr: Caller) -> None:
    document = nlr.ask("/v1.json", state="CA").json()
    electric = document["station_counts"]["fuels"]["ELEC"]
    chargers = [one for one in document["fuel_stations"] if one["fuel_type_code"] == "ELEC"]
    assert electric["stations"]["total"] == len(chargers)
    assert electric["total"] > electric["stations"]["total"]
    assert document["total_results"] == len(document["fuel_stations"]) > len(chargers)
    assert {one["state"] for one in document["fuel_stations"]} == {"CA"}


def test_filters_hold(nlr: Caller) -> None:
    def ids(**query: str) -> set[int]:
        return {one["id"] for one in nlr.ask("/v1.json", fuel_type="ELEC", **query).json()["fuel_stations"]}

    everything = ids()
    assert ids(status="E") | ids(status="P") | ids(status="T") == everything
    assert ids(access="public").isdisjoint(ids(access="private"))
    assert ids(country="CA")
    assert ids(country="CA").isdisjoint(everything)
    assert ids(ev_network="Tesla,SHELL_RECHARGE") < everything
    assert ids(ev_charging_level="dc_fast") < everything
    assert not ids(ev_connector_type="J1772,J1772COMBO", ev_connector_type_operator="AND")
    assert ids(ev_connector_type="J1772,J1772COMBO") >= ids(ev_connector_type="J1772")
    assert ids(ev_power_kw_min="100") < everything
    one = next(iter(everything))
    assert ids(ids=str(one)) == {one}
    nlr.simulators.nlr.close(one)
    assert one not in ids()
    assert one in ids(include_inactive="true")


def test_nearest_sorts_pages_and_measures(nlr: Caller) -> None:
    first = nlr.ask("/v1/nearest.json", **LA, radius="30", limit="5").json()
    second = nlr.ask("/v1/nearest.json", **LA, radius="30", limit="5", offset="5").json()
    found = [*first["fuel_stations"], *second["fuel_stations"]]
    assert len({one["id"] for one in found}) == 10
    assert [one["distance"] for one in found] == sorted(one["distance"] for one in found)
    assert found[0]["distance_km"] == pytest.approx(found[0]["distance"] * 1.609344, abs=1e-4)
    assert second["offset"] == 5
    assert len(nlr.ask("/v1/nearest.json", **LA, radius="500").json()["fuel_stations"]) == 20


@pytest.mark.parametrize(
    "query",
    [
        {"latitude": "91", "longitude": "0"},
        {"longitude": "0"},
        {"latitude": "0", "longitude": "0", "limit": "201"},
        {"latitude": "0", "longitude": "0", "radius": "501"},
        {"latitude": "0", "longitude": "0", "radius": "infinite", "limit": "all"},
        {"latitude": "0", "longitude": "0", "status": "open"},
    ],
)
def test_a_bad_value_is_422_and_not_an_empty_list(nlr: Caller, query: dict[str, str]) -> None:
    answer = nlr.ask("/v1/nearest.json", **query)
    assert answer.status_code == 422
    assert answer.json()["error"]["code"] == "UNPROCESSABLE_ENTITY"


def test_forms_are_json_csv_and_geojson_and_so_are_errors(nlr: Caller) -> None:
    places = nlr.ask("/v1.geojson", state="NV").json()
    assert places["type"] == "FeatureCollection"
    assert places["metadata"]["total_results"] == len(places["features"])
    table = rows(nlr.ask("/v1.csv", state="NV"))
    assert [int(one["ID"]) for one in table] == [one["properties"]["id"] for one in places["features"]]
    longitude, latitude = places["features"][0]["geometry"]["coordinates"]
    assert (float(table[0]["Latitude"]), float(table[0]["Longitude"])) == (latitude, longitude)
    refused = nlr.ask("/v1.csv", key="x" * 40)
    assert (refused.status_code, rows(refused)[0]["Error Code"]) == (403, "API_KEY_INVALID")
    assert nlr.ask("/v1/1.json").json()["error"]["code"] == "NOT_FOUND"


def test_units_are_a_table_of_ports(nlr: Caller) -> None:
    table = rows(nlr.ask("/v1/ev-charging-units.csv", state="CO", fuel_type="ELEC"))
    counts = nlr.ask("/v1.json", state="CO", fuel_type="ELEC").json()["station_counts"]
    assert len(table) == counts["fuels"]["ELEC"]["total"]
    fast = next(one for one in table if one["Charging Port CCS Connector Count"] == "1")
    assert float(fast["Charging Port CCS Power Output (kW)"]) >= 150


def test_a_route_finds_what_lies_along_it(nlr: Caller) -> None:
    line = "LINESTRING(-121.89 37.33, -118.24 34.05)"
    found = nlr.ask("/v1/nearby-route.json", route=line, distance="20", fuel_type="ELEC").json()
    assert {one["city"] for one in found["fuel_stations"]} == {"Los Angeles", "San Jose"}
    form = {"route": line, "distance": "20", "fuel_type": "ELEC", "return_type": "ids"}
    headers = {"x-api-key": nlr.simulators.nlr.key}
    posted = nlr.http.post("/api/alt-fuel-stations/v1/nearby-route.json", data=form, headers=headers).json()
    assert [one["id"] for one in posted["fuel_stations"]] == [one["id"] for one in found["fuel_stations"]]
    assert nlr.ask("/v1/nearby-route.json", route="POINT(1 2)").status_code == 422


def test_a_key_has_a_rolling_hour_and_is_blocked_until_it_rolled(nlr: Caller) -> None:
    nlr.simulators.nlr.limit(an_hour=3)
    left = [nlr.ask("/v1/last-updated.json").headers["x-ratelimit-remaining"] for _ in range(3)]
    assert left == ["2", "1", "0"]
    nlr.simulators.advance(timedelta(minutes=59))
    assert nlr.ask("/v1/last-updated.json").json()["error"]["code"] == "OVER_RATE_LIMIT"
    nlr.simulators.advance(timedelta(minutes=2))
    assert nlr.ask("/v1/last-updated.json").status_code == 429
    nlr.simulators.advance(timedelta(minutes=59))
    assert nlr.ask("/v1/last-updated.json").status_code == 200


def test_the_demo_key_is_for_thirty_an_hour_and_fifty_a_day(nlr: Caller) -> None:
    asked = [nlr.ask("/v1/last-updated.json", key="DEMO_KEY").status_code for _ in range(31)]
    assert asked == [200] * 30 + [429]
    nlr.simulators.advance(timedelta(hours=1, seconds=1))
    asked = [nlr.ask("/v1/last-updated.json", key="DEMO_KEY").status_code for _ in range(21)]
    assert asked == [200] * 20 + [429]


def test_a_key_may_come_in_the_query_or_as_a_user(nlr: Caller) -> None:
    path, key = "/api/alt-fuel-stations/v1/last-updated.json", nlr.simulators.nlr.key
    assert nlr.http.get(path, params={"api_key": key}).status_code == 200
    assert nlr.http.get(path, auth=(key, "")).status_code == 200
    assert nlr.http.get(path).json()["error"]["code"] == "API_KEY_MISSING"


def test_the_old_host_is_gone_and_names_the_new_one(nlr: Caller) -> None:
    nlr.simulators.nlr.retire_host()
    answer = nlr.ask("/v1.json")
    assert (answer.status_code, "developer.nlr.gov" in answer.text) == (410, True)


def test_a_station_breaks_down_and_vanishes_on_the_clock(nlr: Caller) -> None:
    station = nlr.simulators.nlr.stations(status_code="E", fuel_type_code="ELEC")[0]["id"]
    before = nlr.ask("/v1/last-updated.json").json()["last_updated"]
    nlr.simulators.nlr.decline(station, breaks_after_s=60, gone_after_s=7200)
    nlr.simulators.advance(timedelta(minutes=2))
    down = nlr.ask(f"/v1/{station}.json").json()["alt_fuel_station"]
    assert (down["status_code"], down["expected_date"]) == ("T", nlr.simulators.now().date().isoformat())
    assert nlr.ask("/v1/last-updated.json").json()["last_updated"] > before
    nlr.simulators.advance(timedelta(hours=2))
    assert nlr.ask(f"/v1/{station}.json").status_code == 404


def test_helsinki_appears_under_a_country_when_it_is_asked_for(nlr: Caller) -> None:
    assert not nlr.ask("/v1.json", country="FI").json()["fuel_stations"]
    nlr.simulators.nlr.add_helsinki("FI")
    assert len(nlr.ask("/v1.json", country="FI").json()["fuel_stations"]) == 4


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("all", "/v1.json?fuel_type=ELEC"),
        ("nearest", "/v1/nearest.json?latitude=34.05&longitude=-118.24&radius=100&fuel_type=ELEC"),
        ("nearby-route", "/v1/nearby-route.json?route=LINESTRING(-118.3 34,-118.1 34.1)&fuel_type=ELEC"),
        ("last-updated", "/v1/last-updated.json"),
        ("electric-networks", "/v1/electric-networks.json"),
    ],
)
def test_every_key_of_a_recorded_answer_is_in_the_simulated_one(nlr: Caller, name: str, path: str) -> None:
    theirs = json.loads(recorded(f"nlr_afdc/{name}.json"))
    where, _, query = path.partition("?")
    ours = nlr.ask(where, **dict(part.split("=", 1) for part in query.split("&") if part)).json()
    for expected, found in zip(_objects(theirs), _objects(ours), strict=False):
        optional = {"ev_network_ids", "federal_agency"}
        assert set(expected) - optional <= set(found), name


def _objects(document: Any) -> list[dict[str, Any]]:
    """The head and the last record of an answer; of a bare list its first and its second entry."""
    if isinstance(document, list):
        return document[:2]
    return [document, *(document.get("fuel_stations") or [])[-1:]]
