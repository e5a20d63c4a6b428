"""The worker finds the regions of charging sites, reads what is due, and has sessions decided by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from nerava.grid.carbon import Interval, Signal
from nerava.grid.keeping import GridKeeping
from nerava.grid.model import GridCarbon, GridRegion, GridSite, GridTariff
from nerava.grid.tariffs import Tariff
from nerava.kernel.geography import Point
from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater
from nerava.platform.db import Database
from nerava.rewards.rules import GridCarbon as CarbonRule
from nerava.rewards.rules import TariffPeriod
from tests.grid.test_tariffs import tariff
from tests.rewards.grid_house import series
from tests.rewards.house import START, House

pytestmark = pytest.mark.in_turn

LOOP = {"latitude": 41.88, "longitude": -87.63}
NOW = START + timedelta(days=1)


@dataclass
class Told:
    """A source of carbon that says what it is given, and remembers what it was asked."""

    source: str = "test"
    signal: Signal = Signal.MARGINAL
    every: timedelta = timedelta(minutes=15)
    corrects_within: timedelta = timedelta(days=1)
    region: Outcome[str] = field(default_factory=lambda: Ok("NORTH"))
    says: Outcome[Sequence[Interval]] = field(default_factory=lambda: Ok([]))
    asked: list[Any] = field(default_factory=list)

    def region_at(self, place: Point | None) -> Outcome[str]:
        self.asked.append(place)
        return self.region if place is not None else Refused("no-place")

    def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
        self.asked.append((region, since, until))
        return self.says


@dataclass
class Tariffs:
    """A source of one utility's tariffs."""

    source: str = "test"
    every: timedelta = timedelta(days=1)
    says: list[Tariff] = field(default_factory=list)

    def region_at(self, place: Point | None) -> Outcome[str]:
        return Ok("HERE")

    def tariffs(self, region: str, changed_since: datetime | None) -> Outcome[Sequence[Tariff]]:
        return Ok(self.says)


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A house whose location nobody has coordinates of, and another in Chicago."""
    opened = House(database)
    opened.location = opened.place("loop", **LOOP)
    yield opened
    opened.close()


def rows(house: House, *columns: Any) -> list[Any]:
    return [
        tuple(row) for row in house.database.read(lambda session: session.execute(select(*columns)).all())
    ]


def test_a_region_is_found_once_read_when_due_and_decides_what_waited(house: House) -> None:
    source = Told()
    keeping = GridKeeping(house.database, [source])
    paying = house.campaign(CarbonRule(below_g_per_kwh=200, points_per_kwh=10))
    house.charged()
    house.evaluate()
    assert house.money(paying).granted == 0

    assert (keeping.find_regions(NOW), keeping.find_regions(NOW)) == (2, 0)
    assert sorted(row[0] is None for row in rows(house, GridSite.region_id)) == [False, True]
    source.says = Ok(series(100, 300))
    assert (keeping.read_due(NOW), keeping.read_due(NOW)) == (1, 0)
    assert source.asked[-1] == ("NORTH", NOW - timedelta(days=7), NOW + timedelta(days=1))
    later = NOW + timedelta(minutes=15)
    assert (keeping.look(NOW), keeping.look(later)) == (0, 1)
    house.evaluate()

    assert house.money(paying).granted == 50
    assert (keeping.read_due(later), keeping.look(later)) == (1, 0)
    assert source.asked[-1] == ("NORTH", NOW - timedelta(days=1), later + timedelta(days=1))
    assert len(rows(house, GridCarbon.edition)) == 2


@pytest.mark.parametrize(
    ("failure", "wait"),
    [
        (RetryLater("busy"), timedelta(minutes=5)),
        (RetryLater("busy", NOW + timedelta(minutes=40)), timedelta(minutes=40)),
        (Misconfigured("forbidden"), timedelta(hours=1)),
        (Refused("status-400"), timedelta(hours=1)),
    ],
)
def test_a_source_that_does_not_answer_is_asked_later(
    house: House, failure: Outcome[Any], wait: timedelta
) -> None:
    source = Told(says=failure)
    keeping = GridKeeping(house.database, [source])
    keeping.find_regions(NOW)
    keeping.read_due(NOW)

    assert rows(house, GridRegion.next_at, GridRegion.read_until) == [(NOW + wait, None)]


def test_where_nobody_answers_sites_are_asked_about_again(house: House) -> None:
    source = Told(region=RetryLater("busy"))
    keeping = GridKeeping(house.database, [source])
    keeping.find_regions(NOW)
    source.region = Refused("no-region")
    assert keeping.find_regions(NOW) == 1
    source.region = Ok("NORTH")
    assert keeping.find_regions(NOW + timedelta(days=6)) == 0
    assert keeping.find_regions(NOW + timedelta(days=7)) == 2
    assert rows(house, GridRegion.name) == [("NORTH",)]


def test_another_source_takes_over_the_sites_and_the_old_one_rests(house: House) -> None:
    GridKeeping(house.database, [Told()]).find_regions(NOW)
    other = GridKeeping(house.database, [Told(source="other")])

    assert other.find_regions(NOW) == 1
    assert other.read_due(NOW) == 1

    read = dict(rows(house, GridRegion.source, GridRegion.next_at))
    assert read == {"test": None, "other": NOW + timedelta(minutes=15)}


def test_two_workers_do_not_read_one_region_at_once(house: House) -> None:
    keeping = GridKeeping(house.database, [Told()])
    keeping.find_regions(NOW)
    meanwhile = []

    class Slow(Told):
        def series(self, region: str, since: datetime, until: datetime) -> Outcome[Sequence[Interval]]:
            meanwhile.append(keeping.read_due(NOW))
            return Ok([])

    assert GridKeeping(house.database, [Slow()]).read_due(NOW) == 1
    assert meanwhile == [0]


def test_tariffs_are_read_and_pay_by_their_periods(house: House) -> None:
    told = Tariffs(says=[tariff(), tariff("ended", ends_on=date(2020, 1, 1))])
    keeping = GridKeeping(house.database, tariffs=told)
    keeping.find_regions(NOW)
    keeping.read_due(NOW)
    paying = house.campaign(
        TariffPeriod(utility="Edison", tariff="EV", periods=frozenset({0}), points_per_kwh=10)
    )
    # Half an hour before 16:00 in Chicago, where the dear hours begin.
    charged = house.charged(started_at=START.replace(hour=21, minute=30))
    house.evaluate()

    assert house.money(paying).granted == 50
    assert house.explain(charged).campaigns[0].rules[0].text == (
        "5 kWh in period 0 of Edison, EV, at 10 points per kWh."
    )
    assert sorted(rows(house, GridTariff.reference, GridTariff.ends_on)) == [
        ("ended", "2020-01-01"),
        ("v1", None),
    ]
    told.says = [tariff(ends_on=date(2026, 12, 31))]
    keeping.read_due(NOW + timedelta(days=1))
    assert ("v1", "2026-12-31") in rows(house, GridTariff.reference, GridTariff.ends_on)
