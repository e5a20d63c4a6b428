"""One charge that two accounts prove, by a token and by a car, earns once; two charges side by side earn both."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from nerava.charging.doubles import Told, doubles_of, may_be_one
from nerava.charging.evidenced import evidenced_query, session_of
from nerava.charging.model import ChargingSession
from nerava.charging.service import SessionStart, close, start
from nerava.kernel.ids import fact_id
from nerava.platform.db import Database
from nerava.rewards.rules import Fixed
from nerava.rewards.settlement import resolve_review
from tests.helpers.parallel import in_parallel
from tests.rewards.house import START, House

CAR: dict[str, Any] = {"source": "smartcar", "evidence_level": 2}
MINUTE = timedelta(minutes=1)
HALF_HOUR = 30 * MINUTE
HERE = {"latitude": 41.88, "longitude": -87.63}
PLACE, ONE, TWO = fact_id("place"), fact_id("one"), fact_id("two")


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    opened = House(database)
    yield opened
    opened.close()


def codes(house: House, *sessions: UUID) -> list[list[str]]:
    """Return what was found about each."""
    return [[one.code for one in house.explain(key).findings] for key in sessions]


def earned(house: House, *sessions: UUID) -> list[list[tuple[str, int]]]:
    """Return the grants of each."""
    return [[(one.state, one.points) for one in house.grants(key)] for key in sessions]


def told(minutes: tuple[float, float] = (0, 30), kwh: float = 10, *, level: int = 4, **more: Any) -> Told:
    began, ended = (START + one * MINUTE for one in minutes)
    return Told(began, ended, round(kwh * 1_000), level, more.get("evse"), more.get("place"))


OPERATOR = told(evse=ONE, place=PLACE)


@pytest.mark.parametrize(
    ("other", "may_be"),
    [
        pytest.param(told(level=2), True, id="a car at the same time"),
        pytest.param(told((12, 30), 4, level=2), True, id="a car that told late"),
        pytest.param(told((10, 300), 9, level=3), True, id="a car that said hours later that it had ended"),
        pytest.param(told((-16, 30), level=2), False, id="a car that began before the charger gave anything"),
        pytest.param(told((-15, 30), level=2), True, id="a car whose clock differs"),
        pytest.param(told(kwh=13.5, level=2), True, id="a car that rounds up"),
        pytest.param(told(kwh=13.6, level=2), False, id="a car that took in more than the charger gave"),
        pytest.param(told((29, 60), level=2), False, id="a car that came next"),
        pytest.param(told(evse=TWO, place=PLACE), False, id="another charger of the place"),
        pytest.param(told((20, 50), 30, evse=ONE, place=PLACE), True, id="the same charger"),
        pytest.param(told(evse=TWO, place=ONE), True, id="a charger that another source calls otherwise"),
        pytest.param(told((16, 40), evse=TWO, place=ONE), False, id="another operator, another time"),
        pytest.param(told(kwh=13.6, evse=TWO, place=ONE), False, id="another operator, more energy"),
        pytest.param(told(kwh=6.9, evse=TWO, place=ONE), False, id="another operator, less energy"),
    ],
)
def test_two_sessions_are_told_apart_by_what_is_certain(other: Told, may_be: bool) -> None:
    assert may_be_one(OPERATOR, other) is may_be
    assert may_be_one(other, OPERATOR) is may_be


def test_a_charge_that_a_car_and_a_strangers_token_prove_earns_once(house: House) -> None:
    campaign = house.campaign(Fixed(points=40), evidence_min=2, settle_level=2)
    car = house.charged(driver_id=house.driver("bob"), **CAR)
    house.evaluate()
    house.move_on(minutes=1)
    token = house.charged(source="ocpi:NL-EXA", connector_id=house.connector("1"))
    house.evaluate()

    assert codes(house, car, token) == [[], ["session.another_drivers"]]
    assert earned(house, car, token) == [[("settled", 40)], [("provisional", 40)]]
    (finding,) = house.explain(token).findings
    assert "Another driver charged at this place for 3600 s of it" in finding.text
    house.attest(token, level=5, energy_wh=10_000, is_credit=False)
    house.evaluate()
    assert codes(house, token) == [["session.another_drivers"]], (
        "better evidence of the one does not clear it"
    )
    assert house.settle().settled == 0

    house.database.run(lambda unit: resolve_review(unit, token, accepted=False, now=house.now))
    house.settle()
    assert earned(house, car, token) == [[("settled", 40)], [("released", 0)]]
    assert house.money(campaign).granted == 40


def test_two_drivers_at_two_chargers_of_a_place_both_earn(house: House) -> None:
    house.campaign(Fixed(points=40), evidence_min=2)
    token = house.charged(source="ocpi:NL-EXA", connector_id=house.connector("1"))
    car = house.charged(driver_id=house.driver("bob"), **CAR)
    house.evaluate()
    assert codes(house, token, car) == [[], ["session.another_drivers"]]

    record: dict[str, Any] = {"level": 4, "source": "ocpi:NL-EXA", "energy_wh": 10_000, "is_credit": False}
    house.attest(car, **record, connector_id=house.connector("2"))
    house.evaluate()
    house.settle()
    assert codes(house, token, car) == [[], []]
    assert earned(house, token, car) == [[("settled", 40)], [("settled", 40)]]


def test_a_person_may_say_that_it_was_another_charge(house: House) -> None:
    house.campaign(Fixed(points=40), evidence_min=2, settle_level=2)
    token = house.charged(source="ocpi:NL-EXA", connector_id=house.connector("1"))
    car = house.charged(driver_id=house.driver("bob"), **CAR)
    house.evaluate()
    house.database.run(lambda unit: resolve_review(unit, car, accepted=True, now=house.now))
    house.settle()
    house.attest(token, level=5, energy_wh=10_000, is_credit=False)
    house.evaluate()
    assert codes(house, token) == [[]], "what gave way does not speak against what came first"
    assert earned(house, token, car) == [[("settled", 40)], [("settled", 40)]]


def test_a_place_that_two_sources_know_is_one_place(house: House) -> None:
    house.campaign(Fixed(points=40), evidence_min=1, settle_level=1)
    gate = house.place("gate", **HERE)
    near = house.place("car park", latitude=41.8815, longitude=-87.63)
    far = house.place("next street", latitude=41.884, longitude=-87.63)
    first = house.charged(location_id=gate, source="cpo:a")
    double = house.charged(location_id=near, source="cpo:b", driver_id=house.driver("bob"))
    other = house.charged(location_id=far, source="cpo:c", driver_id=house.driver("carol"))
    house.evaluate()
    assert codes(house, first, double, other) == [[], ["session.another_drivers"], []]


def test_what_one_source_tells_twice_or_a_phone_alone_is_no_double(house: House) -> None:
    house.campaign(Fixed(points=40))
    first = house.charged()
    beside = house.charged(driver_id=house.driver("bob"))
    house.charged(driver_id=house.driver("carol"), source="a-phone", evidence_level=0)
    house.charged(driver_id=house.driver("dave"), source="a-blip", ended_at=START + 1.5 * MINUTE)
    house.evaluate()
    assert codes(house, first, beside) == [[], []]
    house.move_on(minutes=1)
    later = house.charged(driver_id=house.driver("erin"), source="other")
    house.evaluate()
    assert codes(house, later) == [["session.another_drivers"]]
    house.database.run(lambda unit: resolve_review(unit, later, accepted=False, now=house.now))
    house.move_on(minutes=1)
    last = house.charged(driver_id=house.driver("frank"), source="last", started_at=START + 58.5 * MINUTE)
    house.evaluate()
    assert codes(house, last) == [[]]


def test_a_car_that_is_still_charging_gives_way_when_the_other_was_decided(house: House) -> None:
    house.campaign(Fixed(points=40), evidence_min=2, settle_level=2)
    begun = SessionStart(
        source="smartcar",
        reference="open",
        driver_id=house.driver("bob"),
        location_id=house.location,
        connector_id=None,
        started_at=START,
        evidence_level=2,
    )
    car = house.database.run(lambda unit: start(unit, begun, house.now))
    house.move_on(minutes=1)
    token = house.charged(source="ocpi:NL-EXA", connector_id=house.connector("1"))
    house.evaluate()
    assert earned(house, token) == [[("settled", 40)]]

    ended = START + HALF_HOUR
    house.database.run(lambda unit: close(unit, car, ended_at=ended, energy_wh=5_000))
    house.evaluate()
    assert codes(house, token, car) == [[], ["session.another_drivers"]]


def test_however_two_workers_meet_one_charge_earns_once(house: House) -> None:
    """Each of the two is taken in and decided by a worker of its own, both at one instant."""
    campaign = house.campaign(Fixed(points=40), evidence_min=2, settle_level=2)
    plug = house.connector("1")
    people = [(house.driver(f"token-{number}"), house.driver(f"car-{number}")) for number in range(6)]

    def tells(which: int) -> None:
        for number, drivers in enumerate(people):
            more = {"connector_id": plug, "source": "ocpi:NL-EXA"} if which == 0 else CAR
            house.charged(hour=2 * number, driver_id=drivers[which], reference=f"{which}-{number}", **more)
            house.evaluate(1)

    in_parallel(2, tells)
    while house.evaluate().evaluated:
        pass
    for number in range(len(people)):
        pair = [house.session_id(f"{which}-{number}") for which in range(2)]
        assert sorted(codes(house, *pair)) == [[], ["session.another_drivers"]]
        assert sorted(one[0] for one in earned(house, *pair)) == [("provisional", 40), ("settled", 40)]
    assert house.money(campaign).granted == 40 * len(people)


def test_a_session_waits_while_another_worker_decides_its_double(house: House) -> None:
    """The one that is known first looks when the other, known later, is in somebody's hands."""
    token = house.charged(source="ocpi:NL-EXA", connector_id=house.connector("1"))
    house.move_on(minutes=1)
    car = house.charged(driver_id=house.driver("bob"), **CAR)

    def looks(unit: Any) -> tuple[bool, bool]:
        rows = unit.execute(evidenced_query().where(ChargingSession.id == token))
        found = doubles_of(unit, [session_of(row) for row in rows])
        return token in found.waiting, token in found.earlier

    if house.database.dialect == "sqlite":
        assert house.database.run(looks) == (False, False), "there is one writer, who decides both"
        return

    def has_it(unit: Any) -> tuple[bool, bool]:
        unit.execute(select(ChargingSession.id).where(ChargingSession.id == car).with_for_update())
        return house.database.run(looks)

    assert house.database.run(has_it) == (True, False)
    assert house.database.run(looks) == (False, False), "it is free, and will find this one decided"
