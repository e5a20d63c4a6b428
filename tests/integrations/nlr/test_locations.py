"""Boxes are answered by circles and clipped, stations read as sites, and the provider's limits obeyed."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from nerava.discovery.feeds import Reject
from nerava.discovery.records import Access, PlugKind, SiteRecord, SiteStatus
from nerava.integrations.nlr.api import NlrApi
from nerava.integrations.nlr.circles import RADIUS_MILES_MAX, circles_of, is_in
from nerava.integrations.nlr.directory import NlrLocations
from nerava.integrations.nlr.reading import read
from nerava.kernel.geography import Box, Point, metres_between
from nerava.kernel.outcomes import Misconfigured, Ok, Refused, RetryLater, Unknown
from nerava.platform.cache import Cache
from nerava.platform.db import Database
from nerava.platform.outbound import PausesInDatabase, Surroundings
from nerava.platform.provider_calls import NLR_NEAREST
from tests.contracts.recorded import recorded
from tests.integrations.nlr.conftest import Desk

LA = Box(33.9, 34.2, -118.4, -118.1)
ALEUTIANS = Box(51, 53.5, 173, -175)
LAST = "/v1/last-updated.json"


def sites(desk: Desk, box: Box) -> dict[str, SiteRecord]:
    found = desk.locations.within(box)
    assert isinstance(found, Ok), found
    return {one.reference: one for one in found.value.sites}


def station(desk: Desk, **fields: Any) -> SiteRecord:
    made = desk.simulators.nlr.add(**fields)
    found = desk.locations.one(str(made["id"]))
    assert isinstance(found, Ok)
    assert found.value is not None
    return found.value


def in_box(desk: Desk, box: Box) -> set[str]:
    return {
        str(one["id"])
        for one in desk.simulators.nlr.stations(fuel_type_code="ELEC")
        if is_in(box, Point(one["latitude"], one["longitude"]))
    }


@pytest.mark.trap("N1")
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("E", SiteStatus.OPEN),
        ("P", SiteStatus.PLANNED),
        ("T", SiteStatus.UNAVAILABLE),
        ("X", SiteStatus.UNKNOWN),
    ],
)
def test_only_e_is_open(desk: Desk, code: str, status: SiteStatus) -> None:
    assert station(desk, status_code=code).status is status


@pytest.mark.trap("N2")
@pytest.mark.parametrize(
    ("code", "access"),
    [
        ("private", Access.PRIVATE),
        ("PRIVATE", Access.PRIVATE),
        ("public", Access.PUBLIC),
        (None, Access.UNKNOWN),
    ],
)
def test_a_private_site_is_private_in_any_case(desk: Desk, code: str | None, access: Access) -> None:
    assert station(desk, access_code=code).access is access


@pytest.mark.trap("N3")
def test_a_box_holds_what_lies_in_it_and_neighbours_share_nothing(desk: Desk) -> None:
    corner = desk.simulators.nlr.add(latitude=34.05, longitude=-118.25)
    west, east = LA._replace(east=-118.25), LA._replace(west=-118.25)
    south, north = west._replace(north=34.05), west._replace(south=34.05)
    parts = [set(sites(desk, box)) for box in (south, north, east)]
    assert set.union(*parts) == set(sites(desk, LA)) == in_box(desk, LA)
    assert sum(str(corner["id"]) in part for part in parts) == 1
    circle = next(iter(circles_of(LA)))
    assert circle.radius_miles * 1_609.344 > metres_between(circle.centre, Point(LA.north, LA.west))


@pytest.mark.trap("N3")
def test_a_box_over_the_180th_meridian_is_two(desk: Desk) -> None:
    found = sites(desk, ALEUTIANS)
    assert {one.address.city for one in found.values()} == {"Adak", "Shemya"}
    assert set(found) == in_box(desk, ALEUTIANS)
    assert desk.asked("/nearest") == 2


@pytest.mark.parametrize(
    "box",
    [
        pytest.param(Box(52.4, 52.6, 13.3, 13.5), id="Berlin"),
        pytest.param(Box(-34, -33, 151, 152), id="Sydney"),
        pytest.param(Box(10, 16, 170, -170), id="the Pacific"),
    ],
)
def test_nobody_asks_about_a_place_that_is_not_in_north_america(desk: Desk, box: Box) -> None:
    assert sites(desk, box) == {}
    assert desk.asked("/nearest") == 0


def test_a_box_that_is_too_wide_is_many_circles_none_of_them_too_wide(desk: Desk) -> None:
    states = Box(24, 50, -125, -66)
    circles = list(circles_of(states))
    assert len(circles) > 4
    assert all(one.radius_miles <= RADIUS_MILES_MAX for one in circles)
    area = sum((one.box.north - one.box.south) * (one.box.east - one.box.west) for one in circles)
    assert area == pytest.approx(26 * 59)
    assert set(sites(desk, states)) == in_box(desk, states)


@pytest.mark.trap("N5")
def test_a_value_out_of_range_is_refused_and_not_tried_again(desk: Desk) -> None:
    query = [("latitude", "91"), ("longitude", "0"), ("limit", "201")]
    refused = desk.api.get(NLR_NEAREST.call, "/v1/nearest.json", query)
    assert isinstance(refused, Refused)
    assert refused.code == "UNPROCESSABLE_ENTITY"
    assert desk.asked() == 1


@pytest.mark.trap("N6")
def test_pages_go_on_until_all_sites_are_read_and_not_all_ports(desk: Desk) -> None:
    units = desk.simulators.nlr.stations(fuel_type_code="ELEC")[0]["ev_charging_units"][:1] * 2
    for number in range(205):
        desk.simulators.nlr.add(latitude=40.0 + number / 10_000, longitude=-100.0, ev_charging_units=units)
    found = sites(desk, Box(39.9, 40.1, -100.1, -99.9))
    assert len(found) == 205
    assert desk.asked("/nearest") == 2
    assert sum(plug.count for one in found.values() for plug in one.plugs) == 410


@pytest.mark.trap("N7")
def test_plugs_that_are_not_there_and_powers_that_nobody_knows_are_neither_counted_nor_zero(
    desk: Desk,
) -> None:
    units = desk.simulators.nlr.stations(fuel_type_code="ELEC")[0]["ev_charging_units"][:1]
    for name, plug in units[0]["connectors"].items():
        plug |= {"port_count": 1 if name in {"J1772", "J1772COMBO"} else 0, "power_kw": None}
    units[0]["connectors"]["J1772COMBO"]["power_kw"] = 62.5
    found = station(desk, ev_charging_units=units)
    assert {(one.kind, one.count, one.power_w_max) for one in found.plugs} == {
        (PlugKind.IEC_62196_T1, 1, None),
        (PlugKind.IEC_62196_T1_COMBO, 1, 62_500),
    }
    bare = station(desk, ev_charging_units=None, ev_level2_evse_num=3, ev_dc_fast_num=None)
    assert [(one.kind, one.count, one.power_w_max) for one in bare.plugs] == [(PlugKind.UNKNOWN, 3, None)]


@pytest.mark.trap("N8")
@pytest.mark.parametrize(
    ("told", "network", "alias"),
    [
        ("eVgo Network", "eVgo Network", "network:evgo_network:9"),
        ("SHELL_RECHARGE", "SHELL_RECHARGE", "network:shell_recharge:9"),
        ("Circuit électrique", "Circuit électrique", "network:circuit_électrique:9"),
        ("A network of tomorrow", "A network of tomorrow", "network:a_network_of_tomorrow:9"),
        ("Non-Networked", None, "network:non-networked:9"),
        (None, None, None),
    ],
)
def test_networks_are_kept_as_they_are_called(
    desk: Desk, told: str | None, network: str | None, alias: str | None
) -> None:
    found = station(desk, ev_network=told, ev_network_ids={"station": ["9"], "posts": []})
    assert (found.network, found.aliases) == (network, (alias,) if alias else ())


@pytest.mark.trap("N9")
def test_after_a_429_nobody_asks_for_an_hour_not_even_after_a_restart(
    desk: Desk, database_url: Callable[[str], AbstractContextManager[str]]
) -> None:
    with database_url("sqlite") as address:
        one, other = Database(address), Database(address)
        desk.simulators.faults.add("rate", provider="nlr", retry_after="absent", times=1)
        first = desk.open_api(Surroundings(pauses=PausesInDatabase(one))).get(NLR_NEAREST.call, LAST)
        assert isinstance(first, RetryLater)
        restarted = desk.open_api(Surroundings(pauses=PausesInDatabase(other)))
        desk.wait(minutes=59)
        held = restarted.get(NLR_NEAREST.call, LAST)
        assert isinstance(held, RetryLater)
        assert held.not_before == first.not_before == desk.clock.now() + timedelta(minutes=1)
        assert desk.asked() == 1
        desk.wait(minutes=2)
        assert isinstance(restarted.get(NLR_NEAREST.call, LAST), Ok)
        one.close()
        other.close()


def test_with_a_fifth_of_the_hour_left_nothing_is_asked_until_some_of_it_has_rolled(desk: Desk) -> None:
    desk.simulators.nlr.limit(an_hour=10)
    api = desk.api
    answers = [api.get(NLR_NEAREST.call, LAST) for _ in range(12)]
    assert [isinstance(one, Ok) for one in answers] == [True] * 8 + [False] * 4
    assert desk.asked() == 8
    desk.wait(minutes=61)
    assert isinstance(api.get(NLR_NEAREST.call, LAST), Ok)


@pytest.mark.trap("N10")
def test_a_refused_key_is_one_alarm_and_no_second_attempt(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.simulators.nlr.spoil_key("API_KEY_DISABLED")
    api = desk.api
    with caplog.at_level(logging.ERROR):
        denied = api.get(NLR_NEAREST.call, LAST)
        held = api.get(NLR_NEAREST.call, LAST)
        desk.wait(seconds=61)
        assert isinstance(api.get(NLR_NEAREST.call, LAST), Misconfigured)
    assert isinstance(denied, Misconfigured)
    assert (denied.code, isinstance(held, RetryLater), desk.asked()) == ("forbidden", True, 2)
    assert "API_KEY_DISABLED" in denied.message
    assert [one.levelname for one in caplog.records if "refuses our key" in one.message] == ["ERROR"]
    desk.simulators.nlr.mend_key()
    desk.wait(seconds=61)
    assert isinstance(api.get(NLR_NEAREST.call, LAST), Ok)


@pytest.mark.trap("N11")
def test_the_old_domain_is_known_by_its_answer(desk: Desk) -> None:
    desk.simulators.nlr.retire_host()
    moved = desk.api.get(NLR_NEAREST.call, LAST)
    assert isinstance(moved, Misconfigured)
    assert (moved.code, "https://developer.nlr.gov" in moved.message) == ("old-domain", True)


@pytest.mark.trap("N11")
def test_the_old_domain_is_known_by_its_name(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise OSError("Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    monkeypatch.setattr("socket.create_connection", unknown)
    api = NlrApi("k" * 40, base_url="https://developer.nrel.gov", now=desk.clock.now)
    moved = api.get(NLR_NEAREST.call, LAST)
    api.close()
    assert isinstance(moved, Misconfigured)
    assert "https://developer.nlr.gov" in moved.message


@pytest.mark.trap("N12")
def test_the_error_of_a_csv_call_is_read_as_csv(desk: Desk) -> None:
    refused = desk.api.get(NLR_NEAREST.call, "/v1/nearest.csv", [("latitude", "91"), ("longitude", "0")])
    assert isinstance(refused, Refused)
    assert (refused.code, "latitude" in refused.message) == ("UNPROCESSABLE_ENTITY", True)


@pytest.mark.trap("N13")
def test_a_station_that_went_down_does_not_open_on_the_day_it_went_down(desk: Desk) -> None:
    down = station(desk, status_code="T", expected_date="2026-12-24")
    assert down.status is SiteStatus.UNAVAILABLE
    assert "2026-12-24" not in repr(down)


@pytest.mark.trap("N15")
def test_a_station_that_vanishes_between_pages_hides_no_other_one(desk: Desk) -> None:
    made = [
        desk.simulators.nlr.add(latitude=40.0 + one / 10_000, longitude=-100.0)["id"] for one in range(210)
    ]
    desk.simulators.nlr.vanish_between_pages(made[5])
    found = sites(desk, Box(39.9, 40.1, -100.1, -99.9))
    assert set(found) == {str(one) for one in made} - {str(made[5])}


def test_one_station_is_read_by_its_id_or_known_to_be_none(desk: Desk) -> None:
    one = desk.simulators.nlr.stations(fuel_type_code="ELEC")[0]
    found = desk.locations.one(str(one["id"]))
    assert isinstance(found, Ok)
    assert found.value is not None
    assert (found.value.name, found.value.position) == (
        one["station_name"],
        Point(one["latitude"], one["longitude"]),
    )
    assert desk.locations.one("1") == Ok(None)
    assert desk.locations.one("../v1") == Ok(None)


def test_what_was_read_a_moment_ago_is_not_read_again(desk: Desk) -> None:
    cache = Cache(now=desk.clock.now)
    locations = NlrLocations(desk.api, cache)
    first, calls = locations.within(LA), desk.asked()
    assert locations.within(LA) == first
    one = desk.simulators.nlr.stations(fuel_type_code="ELEC")[0]["id"]
    assert locations.one(str(one)) == locations.one(str(one))
    assert locations.one("1") == locations.one("1") == Ok(None)
    assert desk.asked() == calls + 2
    desk.wait(minutes=17)
    desk.simulators.nlr.spoil_key()
    assert locations.within(LA) == first
    cache.close()


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "wrong_type", "how": "login_page"},
        {"kind": "cut", "how": "length"},
        {"kind": "redirect"},
        {"kind": "drift", "field": "fuel_stations", "how": "null"},
        {"kind": "drift", "field": "total_results", "how": "type"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_whatever_goes_wrong_is_an_outcome(desk: Desk, fault: dict[str, Any]) -> None:
    desk.simulators.faults.add(provider="nlr", **fault)
    assert isinstance(desk.locations.within(LA), RetryLater | Unknown)


def test_a_field_of_another_form_is_unknown_or_the_row_is_rejected_with_a_reason(desk: Desk) -> None:
    good = desk.simulators.nlr.stations(fuel_type_code="ELEC")[0]
    odd = {name: ["another", "form"] for name in good} | {
        "id": 5,
        "latitude": 1,
        "longitude": 2,
        "fuel_type_code": "ELEC",
    }
    found = read(odd)
    assert isinstance(found, SiteRecord)
    assert (found.is_named, found.plugs, found.fetched_at) == (False, (), None)
    rejected = [read(one) for one in ([], {}, good | {"latitude": None}, good | {"fuel_type_code": "E85"})]
    assert all(isinstance(one, Reject) for one in rejected)


@pytest.mark.parametrize("name", ["all", "nearest", "nearby-route", "get"])
def test_recorded_stations_are_read(name: str) -> None:
    document = json.loads(recorded(f"nlr_afdc/{name}.json"), parse_float=Decimal)
    stations = document.get("fuel_stations") or [document["alt_fuel_station"]]
    electric = [one for one in stations if one["fuel_type_code"] == "ELEC"]
    assert electric
    for one in electric:
        found = read(one)
        assert isinstance(found, SiteRecord)
        assert (found.reference, found.status) == (str(one["id"]), SiteStatus.OPEN)
        assert found.address.country == "US"
        assert sum(plug.count for plug in found.plugs) >= 1
