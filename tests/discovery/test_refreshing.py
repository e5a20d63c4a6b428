"""Nobody waits for a provider: thin areas are read in the background, everything at night, nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from nerava.discovery.model import ChargingSite
from nerava.discovery.refresh_store import AreaRefresh
from nerava.discovery.refreshing import LEASE, Refreshing, ThinAreas
from nerava.discovery.squares import WORLD, squares_of
from nerava.integrations.nlr import feed, regions
from nerava.integrations.nlr.api import NlrApi
from nerava.integrations.nlr.directory import NlrLocations
from nerava.kernel.clock import FixedClock
from nerava.kernel.geography import Box, Point, box_around
from nerava.platform.db import Database
from nerava.platform.outbound import PausesInDatabase, Surroundings
from nerava.simulators.handle import Simulators
from nerava.simulators.serving import running_simulators

NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)
CLOCK = FixedClock(NOON)
LA = Box(34.0, 34.1, -118.3, -118.0)
WEST = (regions.Region("US", "NV"), regions.Region("US", "CO"))


@pytest.fixture(scope="module")
def running() -> Iterator[Simulators]:
    with running_simulators(seed=7, clock=CLOCK) as simulators:
        yield simulators


class House:
    """A database, a provider, and a worker."""

    def __init__(self, database: Database, simulators: Simulators) -> None:
        self.database, self.simulators = database, simulators
        self.apis: list[NlrApi] = []
        self.thin = ThinAreas(database, ["nlr"])
        self.worker = self.another_worker()

    def another_worker(self) -> Refreshing:
        api = NlrApi(
            self.simulators.nlr.key,
            base_url=self.simulators.url_of("nlr"),
            now=CLOCK.now,
            surroundings=Surroundings(pauses=PausesInDatabase(self.database)),
            pause=lambda _seconds: None,
        )
        self.apis.append(api)
        return Refreshing(self.database, {"nlr": NlrLocations(api)}, CLOCK)

    def work(self) -> int:
        return sum(iter(lambda: self.worker.run(CLOCK.now()), 0))

    def notice(self, box: Box = LA, sites: int = 0) -> int:
        return self.thin.notice(box, sites, CLOCK.now())

    def wait(self, **by: float) -> None:
        self.simulators.advance(timedelta(**by))

    def squares(self) -> list[AreaRefresh]:
        wanted = select(AreaRefresh).where(AreaRefresh.zoom > 0).order_by(AreaRefresh.map_column)
        return self.database.read(lambda session: list(session.scalars(wanted)))

    def night(self) -> AreaRefresh:
        wanted = select(AreaRefresh).where(AreaRefresh.zoom == 0)
        return self.database.read(lambda session: session.scalars(wanted).one())

    def known(self) -> set[str]:
        wanted = select(ChargingSite.reference).where(ChargingSite.gone_at.is_(None))
        return self.database.read(lambda session: set(session.scalars(wanted)))

    def asked(self, path: str = "") -> int:
        return sum(path in one.path for one in self.simulators.requests("nlr"))

    def electric(self, **fields: Any) -> set[str]:
        return {str(one["id"]) for one in self.simulators.nlr.stations(fuel_type_code="ELEC", **fields)}


@pytest.fixture
def house(database: Database, running: Simulators, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    # Two states are all there is, so that a night is two calls.
    monkeypatch.setattr(feed, "REGIONS", WEST)
    monkeypatch.setattr(feed.open_feed, "__defaults__", (WEST,))
    running.reset(7)
    CLOCK.move_to(NOON)
    opened = House(database, running)
    yield opened
    for api in opened.apis:
        api.close()


def test_a_square_holds_the_points_that_fall_into_it() -> None:
    middle = Point(34.05, -118.24)
    [square] = squares_of(Box(middle.latitude, middle.latitude, middle.longitude, middle.longitude))
    assert square.box.south <= middle.latitude <= square.box.north
    assert square.box.west <= middle.longitude <= square.box.east
    assert {one.column for one in squares_of(Box(51, 52, 179.9, -179.9))} == {0, 511}
    assert WORLD.box == Box(-90, 90, -180, 180)


def test_whoever_looks_at_a_thin_area_asks_no_provider_and_a_job_reads_it(house: House) -> None:
    assert house.notice() == 2
    assert house.notice() == 0, "it is on the list"
    assert house.asked() == 0
    house.simulators.nlr.stand_still()
    house.work()
    # The night's load was due as well; squares come first.
    first = [one.path.rpartition("/")[2] for one in house.simulators.requests("nlr")]
    assert first[: len(house.squares())] == ["nearest.json"] * len(house.squares())
    in_squares = {
        str(one["id"])
        for one in house.simulators.nlr.stations(fuel_type_code="ELEC", city="Los Angeles")
        if any(_holds(square.box, one) for square in squares_of(LA))
    }
    assert in_squares <= house.known()
    assert [(one.due_at, one.trouble) for one in house.squares()] == [(None, None)] * 2


def _holds(box: Box, station: dict[str, Any]) -> bool:
    inside = box.south <= station["latitude"] <= box.north
    return inside and box.west <= station["longitude"] <= box.east


def test_what_is_rich_or_as_wide_as_a_country_or_was_read_today_is_not_asked_for(house: House) -> None:
    assert house.notice(sites=20) == 0
    assert house.notice(Box(30, 45, -120, -100)) == 0
    house.notice()
    assert ThinAreas(house.database, ["nlr"]).notice(LA, 0, CLOCK.now()) == 0, "a colleague sees the list"
    assert ThinAreas(house.database, []).notice(LA, 0, CLOCK.now()) == 0


def test_after_a_night_with_everything_nothing_is_thin(house: House) -> None:
    house.work()
    assert house.known() == house.electric(state="NV") | house.electric(state="CO")
    assert house.notice() == 0


@pytest.mark.trap("N9")
def test_a_429_puts_squares_off_for_the_hour_for_all_workers(house: House) -> None:
    house.notice(box_around(Point(34.05, -118.24), 100))
    house.simulators.faults.add("rate", provider="nlr", retry_after="absent", times=1)
    house.work()
    assert house.asked() == 1
    later = house.another_worker()
    house.wait(minutes=59)
    later.run(CLOCK.now())
    assert house.asked() == 1
    house.wait(minutes=2)
    house.work()
    assert [one.trouble for one in house.squares()] == [None]
    assert house.asked() > 1


@pytest.mark.trap("N10")
def test_with_a_refused_key_what_is_known_is_still_served(house: House) -> None:
    house.work()
    known = house.known()
    house.simulators.nlr.spoil_key()
    house.simulators.nlr.add(state="NV")
    house.wait(days=1, minutes=1)
    house.work()
    assert house.night().trouble == "forbidden"
    assert house.known() == known


@pytest.mark.trap("N14")
def test_a_night_in_which_nothing_moved_loads_nothing_but_the_seventh_does(house: House) -> None:
    house.simulators.nlr.stand_still()
    house.work()
    loads = house.asked("/v1.json")
    assert loads == 2
    for _ in range(7):
        house.wait(days=1, minutes=1)
        house.work()
    assert house.asked("/v1.json") == 2 * loads
    assert house.asked("last-updated") == 8


@pytest.mark.trap("N15")
def test_a_station_is_closed_when_two_full_loads_did_not_have_it(house: House) -> None:
    house.work()
    [station, *_] = sorted(house.electric(state="NV"))
    house.simulators.nlr.close(int(station))
    house.wait(days=1, minutes=1)
    house.work()
    assert station in house.known()
    house.simulators.nlr.change(int(min(house.electric(state="NV"))), ev_pricing="Free")
    house.wait(days=1, minutes=1)
    house.work()
    assert station not in house.known()


def test_a_worker_that_died_over_a_square_is_followed_by_another_one(house: House) -> None:
    house.notice(box_around(Point(34.05, -118.24), 100))
    dead = house.another_worker()
    claimed = house.database.run(lambda session: dead._claim(session, CLOCK.now()))  # noqa: SLF001 - it dies here
    assert claimed is not None
    assert house.worker.run(CLOCK.now()) == 1, "the night's load"
    house.wait(seconds=LEASE.total_seconds() + 1)
    house.work()
    assert [(one.trouble, one.attempts) for one in house.squares()] == [(None, 0)]
