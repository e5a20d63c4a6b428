"""Chargers are found around a point and in a box, places at a charger by the way to them, pages end where they end."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from nerava.discovery.cells import inside
from nerava.discovery.importing import run_import
from nerava.discovery.linking import Linker
from nerava.discovery.model import ChargingSite
from nerava.discovery.records import Access, Category, Plug, PlugKind
from nerava.integrations.extracts import HELSINKI as HELSINKI_EXTRACT
from nerava.integrations.osm.base_map import draw_map
from nerava.kernel.geography import Point, box_around
from nerava.kernel.ids import new_id
from tests.discovery.conftest import stored_or_skipped
from tests.discovery.feed import HELSINKI, ListFeed, place, site
from tests.discovery.tile_reader import read_tile
from tests.helpers.databases import DatabaseUrl
from tests.http.conftest import opened_house
from tests.http.shop import open_shop

if TYPE_CHECKING:
    from tests.http.conftest import House
    from tests.http.shop import Shop

CCS, TYPE2 = PlugKind.IEC_62196_T2_COMBO, PlugKind.IEC_62196_T2
HERE = {"lat": HELSINKI.latitude, "lng": HELSINKI.longitude}


@pytest.fixture
def mapped(sqlite_house: House) -> House:
    return with_a_street(sqlite_house)


def with_a_street(house: House) -> House:
    """Return a house with a street of three chargers, a place every 100 m, and a charger beyond the date line."""
    sites = [
        site(1, plugs=(Plug(kind=CCS, power_w_max=150_000, count=4),), access=Access.PUBLIC, network="Valo"),
        site(
            2, east_m=1_000, plugs=(Plug(kind=TYPE2, power_w_max=22_000), Plug(kind=CCS, power_w_max=50_000))
        ),
        site(3, east_m=3_000),
        site(4, position=Point(-17.0, -179.95)),
    ]
    places = [
        place(1, east_m=100, opening_hours="Mo-Su 08:00-20:00", names={"sv": "Kafé"}),
        place(2, east_m=200, opening_hours="24/7"),
        place(3, east_m=300, opening_hours="whenever we like"),
        place(4, east_m=400, category=Category.SHOP, kind="books"),
        place(5, east_m=700),
    ]
    installation = house.installation
    run_import(installation.database, ListFeed([*sites, *places]), now=installation.clock.now)
    Linker(installation.database).run()
    return house


def test_chargers_around_a_point_come_by_distance_page_by_page(mapped: House) -> None:
    first = _get(mapped, "/v1/chargers", **HERE, limit=2)
    last = _get(mapped, "/v1/chargers", **HERE, limit=2, cursor=first["next_cursor"])

    assert [(one["name"], one["distance_m"]) for one in first["items"] + last["items"]] == [
        ("Charging 1", 0),
        ("Charging 2", 1_000),
        ("Charging 3", 3_001),
    ]
    assert last["next_cursor"] is None
    assert first["attributions"][0]["url"] == "https://example.org/copyright"
    assert first["items"][0]["references"] == [{"source": "osm", "reference": "n1", "matched_by": None}]
    assert first["items"][0]["timezone"] == "Europe/Helsinki"


def test_a_charger_must_have_what_was_asked_for_in_one_plug(mapped: House) -> None:
    def named(**asked: object) -> list[str]:
        return [one["name"] for one in _get(mapped, "/v1/chargers", **HERE, **asked)["items"]]

    assert named(plug="IEC_62196_T2") == ["Charging 2"]
    assert named(plug="IEC_62196_T2", power_w_min=50_000) == []
    assert named(plug="IEC_62196_T2_COMBO", power_w_min=50_000) == ["Charging 1", "Charging 2"]
    assert named(network="Valo", access="public") == ["Charging 1"]
    assert named(radius_m=500) == ["Charging 1"]


def test_a_box_holds_what_lies_in_it_also_over_the_date_line(mapped: House) -> None:
    town = _get(mapped, "/v1/chargers", bbox="24.93,60.1,24.97,60.2", limit=1)
    rest = _get(mapped, "/v1/chargers", bbox="24.93,60.1,24.97,60.2", cursor=town["next_cursor"])
    assert {one["name"] for one in town["items"] + rest["items"]} == {"Charging 1", "Charging 2"}
    assert town["items"][0]["distance_m"] is None

    ocean = _get(mapped, "/v1/chargers", bbox="179,-18,-179,-16")
    assert [one["name"] for one in ocean["items"]] == ["Charging 4"]


def test_places_come_by_the_way_with_their_state_at_that_instant(mapped: House) -> None:
    [charger] = _get(mapped, "/v1/chargers", **HERE, radius_m=1)["items"]
    path = f"/v1/chargers/{charger['id']}/places"
    first = _get(mapped, path, at="2026-11-23T18:30:00Z", limit=3)
    rest = _get(mapped, path, at="2026-11-23T18:30:00Z", cursor=first["next_cursor"])

    shown = [
        (one["name"], one["walk"]["minutes"], one["walk"]["is_estimate"], one["opening"]["state"])
        for one in first["items"] + rest["items"]
    ]
    assert shown == [
        ("Café 1", 2, True, "closed"),
        ("Café 2", 4, True, "open"),
        ("Café 3", 5, True, "unknown"),
        ("Café 4", 7, True, "unknown"),
    ]
    assert first["items"][0]["opening"]["until"] == "2026-11-24T06:00:00Z", "8 o'clock in Helsinki"
    assert first["items"][0]["names"] == {"sv": "Kafé"}
    only_open = _get(mapped, path, at="2026-11-23T18:30:00Z", state="open", category="cafe", minutes_max=5)
    assert [one["name"] for one in only_open["items"]] == ["Café 2"]


def test_while_you_charge_names_chargers_with_what_is_near_each(mapped: House) -> None:
    found = _get(mapped, "/v1/while-you-charge", **HERE, places=2)

    assert [
        (one["charger"]["name"], [place["name"] for place in one["places"]]) for one in found["items"]
    ] == [("Charging 1", ["Café 1", "Café 2"]), ("Charging 2", ["Café 5", "Café 4"]), ("Charging 3", [])]
    assert _get(mapped, "/v1/attributions") == found["attributions"]


def test_places_where_an_offer_holds_come_first_and_offers_without_a_place_are_named(mapped: House) -> None:
    def opened(name: str, east_m: int) -> Shop:
        longitude = HELSINKI.longitude + east_m / 55_300
        return open_shop(mapped, latitude=HELSINKI.latitude, longitude=longitude, name=name)

    known, unmapped, over = opened("Café 3", 310), opened("Nobody's", 150), opened("Café 2", 200)
    offers = [known.offer(), unmapped.perk()]
    over.draft()

    [stop] = _get(mapped, "/v1/while-you-charge", **HERE, limit=1, places=3)["items"]
    shown = [(one["name"], one["score"], one["offer_ids"]) for one in stop["places"]]
    assert shown == [("Café 3", -5, [offers[0]]), ("Café 1", 2, []), ("Café 2", 4, [])]
    names = [(one["merchant_name"], one["walk"]["minutes"], one["place_id"]) for one in stop["offers"]]
    assert names == [("Nobody's", 3, None), ("Café 3", 5, stop["places"][0]["id"])]
    [pharmacies] = _get(mapped, "/v1/while-you-charge", **HERE, limit=1, category="pharmacy")["items"]
    assert pharmacies["places"] == []


def test_a_location_that_nobody_shows_is_not_found(mapped: House) -> None:
    for path in ("", "/places"):
        answer = mapped.client.get(f"/v1/chargers/{new_id()}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "unknown-location")


def test_a_question_that_makes_no_sense_is_refused(sqlite_house: House) -> None:
    nonsense: list[dict[str, Any]] = [
        {},
        {"lat": 1},
        {"lat": 1, "lng": 1, "bbox": "0,0,1,1"},
        {"bbox": "0,0,1"},
        {"bbox": "0,0,9,1"},
        {"bbox": "nan,0,1,1"},
        {"bbox": "0,2,1,1"},
        {"lat": 1, "lng": 1, "cursor": "WyJhIl0"},
        {"lat": 1, "lng": 1, "plug": "kettle"},
    ]
    answers = [sqlite_house.client.get("/v1/chargers", params=asked).status_code for asked in nonsense]
    assert answers == [422] * len(nonsense)


def test_on_both_databases_questions_are_answered_alike_and_by_the_index_of_cells(house: House) -> None:
    mapped = with_a_street(house)
    test_a_charger_must_have_what_was_asked_for_in_one_plug(mapped)
    test_places_come_by_the_way_with_their_state_at_that_instant(mapped)
    test_a_box_holds_what_lies_in_it_also_over_the_date_line(mapped)

    here = inside(ChargingSite, box_around(HELSINKI, 5_000))
    query = select(ChargingSite.id).where(here, ChargingSite.gone_at.is_(None))

    def plan(session: Any) -> str:
        text = query.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        is_sqlite = session.get_bind().dialect.name == "sqlite"
        asked = session.connection().exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' * is_sqlite}{text}")
        return " ".join(str(row) for row in asked)

    assert "ix_charging_site_cell" in mapped.installation.database.read(plan)


def _get(house: House, path: str, **asked: object) -> Any:
    answer = house.client.get(path, params={name: str(value) for name, value in asked.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.needs_data
def test_the_map_is_described_and_served_tile_by_tile(database_url: DatabaseUrl, tmp_path: Path) -> None:
    helsinki = stored_or_skipped(HELSINKI_EXTRACT)
    with database_url("sqlite") as url, opened_house(url, tmp_path, data_dir=tmp_path) as house:
        none = house.client.get("/v1/map")
        assert (none.status_code, none.json()["code"]) == (404, "no-map")

        draw_map(helsinki, tmp_path / "maps" / "helsinki.mbtiles", "helsinki")

        described = house.client.get("/v1/map").json()
        assert {layer["id"] for layer in described["vector_layers"]} >= {"road", "building", "sea"}
        assert "openstreetmap.org/copyright" in described["attribution"]
        [address] = described["tiles"]
        tile = house.client.get(address.format(z=15, x=18655, y=9483).removeprefix("http://127.0.0.1:8000"))
        assert tile.status_code == 200
        assert tile.headers["content-type"] == "application/vnd.mapbox-vector-tile"
        assert tile.headers["content-encoding"] == "gzip"
        assert read_tile(tile.content)["road"]
        assert house.client.get("/v1/map/tiles/15/0/0").status_code == 204
