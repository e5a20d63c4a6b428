"""Who looks at the map is answered from our own rows: providers are asked later, or for a moment, or not at all."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from nerava.discovery.enriching import LOOK_WITHIN_S, LOOKS_AT_ONCE
from nerava.discovery.importing import run_import
from nerava.discovery.model import Place
from nerava.discovery.refresh_store import AreaRefresh
from nerava.discovery.squares import Square
from nerava.kernel.geography import Point
from nerava.kernel.ids import new_id
from nerava.kernel.switch_names import READONLY
from nerava.settings import NlrSettings, OutboundSettings, PlacesSettings
from nerava.simulators.serving import running_simulators
from tests.discovery.feed import ListFeed, place, site
from tests.helpers.databases import DatabaseUrl
from tests.http.conftest import opened_house
from tests.http.test_problems import assert_problem
from tests.http.test_switches import stop

if TYPE_CHECKING:
    from uuid import UUID

    from nerava.simulators.handle import Simulators
    from tests.http.conftest import Caller, House

LOS_ANGELES = {"lat": 34.05, "lng": -118.15, "radius_m": 30_000}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7) as simulators:
        yield simulators


@pytest.fixture
def looked_at(running: Simulators, database_url: DatabaseUrl, tmp_path: Path) -> Iterator[House]:
    """A house beside simulated directories, with one café that the simulated Google knows as well."""
    running.reset(7)
    known = running.places.places()[1]
    groups = {
        "nlr": NlrSettings(mode="simulator", key=SecretStr(running.nlr.key), base_url=running.url_of("nlr")),
        "places": PlacesSettings(
            mode="simulator", key=SecretStr(running.places.key), base_url=running.url_of("places")
        ),
    }
    with database_url("sqlite") as url, opened_house(url, tmp_path, **groups) as house:
        at = known["location"]
        ours = place(1, name=known["displayName"]["text"], position=Point(at["latitude"], at["longitude"]))
        run_import(house.installation.database, ListFeed([ours]), now=house.installation.clock.now)
        yield house


def test_what_else_is_known_about_a_place_is_shown_with_its_age_and_whom_to_name(looked_at: House) -> None:
    driver = looked_at.driver()
    found = _details(driver, _place_id(looked_at))
    assert found["missing"] is None
    assert found["as_of"] is not None
    assert found["content"]["attribution"]
    assert found["content"]["status"] == "operational"
    assert_problem(driver.get(f"/v1/places/{new_id()}/details"), 404, "unknown-place")
    assert looked_at.client.get(f"/v1/places/{_place_id(looked_at)}/details").status_code == 401


@pytest.mark.parametrize(
    ("fault", "more", "missing"),
    [
        ("black_hole", {}, "read-timeout"),
        ("drip", {}, "read-timeout"),
        ("status", {"status": 503}, "UNAVAILABLE"),
        ("wrong_type", {"how": "login_page"}, "schema-drift:no-object"),
    ],
)
def test_a_place_is_answered_in_time_whatever_its_directory_does(
    looked_at: House, running: Simulators, fault: str, more: dict[str, Any], missing: str
) -> None:
    driver, place_id = looked_at.driver(), _place_id(looked_at)
    running.faults.add(fault, provider="places", **more)

    begun = time.monotonic()
    found = _details(driver, place_id)
    took_s = time.monotonic() - begun

    assert found == {"place_id": str(place_id), "content": None, "as_of": None, "missing": missing}
    assert took_s < LOOK_WITHIN_S + 0.5


def test_an_installation_may_be_less_patient(
    running: Simulators, database_url: DatabaseUrl, tmp_path: Path
) -> None:
    running.reset(7)
    running.faults.add("black_hole", provider="places")
    places = PlacesSettings(
        mode="simulator", key=SecretStr(running.places.key), base_url=running.url_of("places")
    )
    hasty = OutboundSettings.model_validate({"calls": {"places search": {"read_s": 0.3, "attempts": 1}}})
    with (
        database_url("sqlite") as url,
        opened_house(url, tmp_path, places=places, outbound=hasty) as house,
    ):
        run_import(house.installation.database, ListFeed([place(1)]), now=house.installation.clock.now)
        begun = time.monotonic()
        assert _details(house.driver(), _place_id(house))["missing"] == "read-timeout"
        assert time.monotonic() - begun < 1.2


def test_more_people_than_the_directory_takes_are_told_so_at_once(looked_at: House) -> None:
    enrichment, place_id = looked_at.app.state.wiring.enrichment, _place_id(looked_at)
    for _ in range(LOOKS_AT_ONCE):
        assert enrichment._places.acquire(blocking=False)  # noqa: SLF001 - eight callers who wait
    assert _details(looked_at.driver(), place_id)["missing"] == "busy"
    for _ in range(LOOKS_AT_ONCE):
        enrichment._places.release()  # noqa: SLF001 - as above
    assert _details(looked_at.driver(), place_id)["missing"] is None


def test_a_look_is_answered_while_nothing_can_be_written(looked_at: House) -> None:
    place_id, driver = _place_id(looked_at), looked_at.driver()
    stop(looked_at, READONLY)
    assert _details(driver, place_id)["missing"] == "cost-cap", "what cannot be counted is not asked"
    assert looked_at.client.get("/v1/chargers", params=LOS_ANGELES).status_code == 200
    assert _areas(looked_at) == 0


def test_an_area_with_few_chargers_is_read_after_somebody_looked_and_not_again_for_a_quarter_of_an_hour(
    looked_at: House, running: Simulators
) -> None:
    first = looked_at.client.get("/v1/chargers", params=LOS_ANGELES).json()["items"]
    assert (first, running.requests("nlr")) == ([], [])
    assert _areas(looked_at) > 0

    directories, now = looked_at.installation.directories, looked_at.installation.clock.now()
    for _ in _rows(looked_at):
        assert directories.refreshing.run(now) == 1
    asked = len(running.requests("nlr"))
    shown = looked_at.client.get("/v1/chargers", params=LOS_ANGELES).json()["items"]
    assert shown
    assert {one["source"] for one in shown} == {"nlr"}

    # Another process notices the same area: what was read a moment ago comes from the cache.
    [nlr] = directories.sites.values()
    before = len(running.requests("nlr"))
    for row in _rows(looked_at):
        nlr.within(Square(row.zoom, row.map_column, row.map_row).box)
    assert len(running.requests("nlr")) == before >= asked > 0


@pytest.mark.parametrize("query", ["limit=1", "network=Valo", "power_w_min=1"])
def test_who_looks_for_something_or_sees_a_part_says_nothing_about_an_area(
    looked_at: House, query: str
) -> None:
    run_import(
        looked_at.installation.database,
        ListFeed([site(1, position=Point(34.05, -118.15))], source="csv:mine"),
        now=looked_at.installation.clock.now,
    )
    answer = looked_at.client.get(f"/v1/chargers?lat=34.05&lng=-118.15&{query}")
    assert answer.status_code == 200
    assert _areas(looked_at) == 0


def test_while_you_charge_notices_a_thin_area_too(looked_at: House) -> None:
    assert looked_at.client.get("/v1/while-you-charge", params=LOS_ANGELES).json()["items"] == []
    assert _areas(looked_at) > 0


def _details(driver: Caller, place_id: UUID) -> dict[str, Any]:
    answer = driver.get(f"/v1/places/{place_id}/details", params={"language": "en"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _place_id(house: House) -> UUID:
    found = house.installation.database.read(lambda session: session.scalar(select(Place.id)))
    assert found is not None
    return found


def _rows(house: House) -> list[AreaRefresh]:
    wanted = select(AreaRefresh).where(AreaRefresh.zoom > 0)
    return house.installation.database.read(lambda session: list(session.scalars(wanted)))


def _areas(house: House) -> int:
    return len(_rows(house))
