"""Whole stories through the product and its providers: when one is over, every book says the same."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import select

from nerava.discovery.importing import run_import
from nerava.discovery.model import Place
from nerava.identity.roles import Role
from nerava.kernel.geography import Point
from nerava.platform.embedded_valkey import EmbeddedValkey
from nerava.settings import RedisSettings
from tests.discovery.feed import ListFeed, place
from tests.helpers.parallel import in_parallel
from tests.http.flows import cash_out, let_go
from tests.http.shop import code_of, open_shop
from tests.http.story import CPO, START, Story, opened_story
from tests.http.story_over import story_is_over
from tests.vehicles.garage import Garage

pytestmark = pytest.mark.both

DatabaseUrl = Callable[[str], AbstractContextManager[str]]
BOTH = ["sqlite", pytest.param("postgresql", marks=pytest.mark.chaos)]
CHARGER = Point(30.2672, -97.741)


@pytest.fixture(params=BOTH)
def story(request: pytest.FixtureRequest, database_url: DatabaseUrl, tmp_path: Path) -> Iterator[Story]:
    with database_url(request.param) as url, opened_story(url, tmp_path) as opened:
        yield opened
        story_is_over(opened)


@pytest.mark.parametrize("days", [2, pytest.param(7, marks=pytest.mark.chaos)])
def test_a_happy_week_ends_with_everybody_paid(story: Story, days: int) -> None:
    """The quick form is the beginning of the week."""
    story.sponsored()
    drivers = [story.driver(), story.driver()]
    method_id = story.method(drivers[0])
    story.world.play("happy_week")
    for _ in range(days * 2):
        story.wait(hours=12)
    story.wait(3)

    for driver in drivers:
        sessions = story.sessions(driver)
        assert [(one.state, one.evidence_level) for one in sessions] == [("verified", 4)] * days
        assert story.wallet(driver) == sum(one.energy_wh // 100 for one in sessions)
    shop, (first, second) = open_shop(story.house), (story.again(one) for one in drivers)
    assert shop.capture(code_of(second, shop.offer())).status_code == 200
    story.world.stripe.behave(payout_days=0)
    asked = cash_out(first, method_id, 150)
    assert asked.status_code == 202, asked.text
    let_go(story.house, asked.json()["id"])
    story.work(4)
    assert story.again(first).get(f"/v1/payouts/{asked.json()['id']}").json()["state"] == "paid"


def test_what_a_credited_record_gave_is_owed_when_it_was_spent(story: Story) -> None:
    story.sponsored()
    driver = story.driver()
    story.world.play("credit_cdr_after_redemption")
    story.charge(driver, 20)
    shop = open_shop(story.house)
    assert shop.capture(code_of(story.again(driver), shop.offer(price_nova=150))).status_code == 200
    assert (story.wallet(driver), shop.points) == (50, 150)

    story.wait(3, hours=2)
    assert (story.wallet(driver), shop.points) == (0, 150)
    assert story.grants(driver) == [("clawed_back", 0)]
    story.world.play("over")
    story.charge(driver, 20, minutes=30)
    story.wait(minutes=2)
    assert story.wallet(driver) == 50, "what is owed is taken from what is earned next"


def test_a_car_that_falls_asleep_has_charged_for_as_long_as_it_told(story: Story) -> None:
    story.sponsored(evidence_min=2, settle_level=2)
    garage = Garage(story.house, story.world, story.clock, story.background)
    site, user = garage.site(), str(story.world.smartcar.add_person()["user_id"])
    where: dict[str, Any] = {"latitude": site.latitude, "longitude": site.longitude}
    vin = str(story.world.smartcar.add_car(user, level=10, **where)["vin"])
    driver = story.driver()
    garage.joined(driver, user, vin)
    story.world.smartcar.plug_in(vin, 48_000)
    story.work(1)
    story.wait(minutes=20)
    story.world.play("vehicle_sleeps_mid_session")
    story.wait(hours=1)
    story.world.smartcar.unplug(vin)
    story.wait(2, hours=3)

    [session] = story.sessions(driver)
    assert session.ended_at is not None
    took = session.ended_at - session.started_at
    assert (session.state, took) == ("verified", timedelta(minutes=25)), "its last word and five minutes"
    assert story.grants(driver) == [("settled", session.energy_wh // 100)] == [("settled", 160)]
    story.world.play("over")
    story.work()
    assert len(story.sessions(driver)) == 1, "what it says when it wakes is no other charge"


@pytest.mark.chaos
def test_no_race_of_tills_takes_a_code_or_a_payment_twice(story: Story) -> None:
    story.world.play("till_race")
    story.sponsored()
    driver = story.driver()
    story.charge(driver, 20)
    shop = open_shop(story.house)
    registers = [shop.register() for _ in range(8)]
    code = code_of(story.again(driver), shop.offer(price_nova=150))
    answers = in_parallel(8, lambda number: shop.capture(code, register_id=registers[number]))
    assert sorted(one.status_code for one in answers) == [200] + [409] * 7
    assert (story.wallet(driver), shop.points) == (50, 150)
    assert any(one.at_once == 2 for one in story.world.webhooks.read("stripe"))


def test_who_takes_his_money_back_when_it_is_spent_takes_nothing_from_drivers(story: Story) -> None:
    owner, campaign_id = story.sponsored(9_000)
    driver = story.driver()
    story.charge(driver, 20)
    shop = open_shop(story.house)
    assert shop.capture(code_of(story.again(driver), shop.offer(price_nova=150))).status_code == 200
    story.world.play("dispute_after_spend")
    story.work()
    owner = story.house.caller(Role.SPONSOR, owner.tenant_id)
    assert owner.get(f"/v1/campaigns/{campaign_id}").json()["state"] == "paused"
    story.charge(driver, 20)
    assert (story.wallet(driver), shop.points, len(story.grants(driver))) == (50, 150, 1)

    [dispute] = story.world.stripe.objects("dispute")
    story.world.stripe.close_dispute(dispute["id"], won=False)
    story.work()
    owner = story.house.caller(Role.SPONSOR, owner.tenant_id)
    assert owner.post(f"/v1/campaigns/{campaign_id}/activate").json()["code"] == "sponsor-stopped"
    told = owner.get("/v1/sponsor").json()
    assert (told["prepaid_minor"], told["owed_minor"]) == (0, 9_000)
    assert (story.wallet(driver), shop.points) == (50, 150)


@pytest.mark.parametrize(
    ("at", "began", "points"),
    [
        pytest.param(START, datetime(2026, 11, 1, 6, 30, tzinfo=UTC), 60, id="an-hour-twice"),
        pytest.param(
            datetime(2027, 3, 20, 12, tzinfo=UTC),
            datetime(2027, 3, 14, 7, 30, tzinfo=UTC),
            20,
            id="an-hour-never",
            marks=pytest.mark.chaos,
        ),
    ],
)
def test_in_a_night_in_which_clocks_are_set_hours_are_those_of_the_place(
    database_url: DatabaseUrl, tmp_path: Path, at: datetime, began: datetime, points: int
) -> None:
    """Eight kilowatt-hours in two hours in Chicago, of which three half hours, or one, lie in the window."""
    until = "02:00" if points == 60 else "03:00"
    rules = [{"kind": "off_peak", "from_time": "01:00", "until_time": until, "points_per_kwh": 10}]
    with database_url("sqlite") as url, opened_story(url, tmp_path, at) as story:
        window = {"starts_at": (began - timedelta(days=1)).isoformat(), "ends_at": "2027-12-31T00:00:00Z"}
        story.sponsored(rules=rules, **window)
        driver = story.driver()
        story.world.play("dst_night")
        charge = {
            "started_at": began.isoformat(),
            "ended_at": (began + timedelta(hours=2)).isoformat(),
            "energy_kwh": 8,
        }
        story.world.cpo.replay(CPO, story.token_of(driver), [charge])
        story.work()
        [session] = story.sessions(driver)
        assert (session.started_at, session.energy_wh) == (began, 8_000)
        assert story.grants(driver) == [("settled", points)]
        story_is_over(story)


@pytest.mark.parametrize("numbers", [30, pytest.param(400, marks=pytest.mark.chaos)])
def test_a_flood_of_codes_costs_twenty_messages_and_keeps_nobody_else_out(story: Story, numbers: int) -> None:
    story.world.play("sms_pumping")
    asked = []
    for number in range(numbers):
        asked.append(_asks(story, f"+1202555{number:04d}").status_code)
        story.world.advance(timedelta(seconds=2))
        if number % 10 == 9:
            story.work(1)
    assert set(asked) <= {202, 429}
    story.work()
    assert 0 < story.world.state("twilio-verify")["started"] <= 20

    story.wait(hours=1)
    friend = "+13125550123"
    begun = _asks(story, friend)
    assert begun.status_code == 202, begun.text
    story.world.advance(timedelta(minutes=1))
    story.work()
    body = {"code": story.world.twilio.code_of(friend), "client_token": begun.json()["client_token"]}
    entered = story.house.client.post(f"/v1/auth/codes/{begun.json()['challenge_id']}/verify", json=body)
    assert entered.status_code == 200, entered.text


def _asks(story: Story, number: str) -> Any:
    return story.house.client.post("/v1/auth/codes", json={"channel": "sms", "to": number})


@pytest.mark.parametrize("dialect", BOTH)
def test_without_redis_and_places_everybody_charges_earns_and_spends(
    database_url: DatabaseUrl, tmp_path: Path, dialect: str
) -> None:
    with EmbeddedValkey() as valkey, database_url(dialect) as url:
        redis = RedisSettings(url=SecretStr(valkey.url()))
        with opened_story(url, tmp_path, redis=redis) as story:
            _lives_without(story, valkey)
            story_is_over(story)


def _lives_without(story: Story, valkey: EmbeddedValkey) -> None:
    known = story.world.places.places()[1]
    at = Point(known["location"]["latitude"], known["location"]["longitude"])
    ours = place(1, name=known["displayName"]["text"], position=at)
    database = story.house.installation.database
    run_import(database, ListFeed([ours]), now=story.clock.now)
    [place_id] = story.read(select(Place.id))
    story.sponsored()
    driver = story.driver()

    def details() -> str | None:
        found = story.again(driver).get(f"/v1/places/{place_id}/details", params={"language": "en"})
        assert found.status_code == 200, found.text
        missing: str | None = found.json()["missing"]
        return missing

    assert details() is None
    story.world.play("redis_and_places_down")
    os.kill(valkey.pid, signal.SIGSTOP)
    story.wait(minutes=6)
    assert details() is not None, "what is older than five minutes is not shown"
    around = {"lat": CHARGER.latitude, "lng": CHARGER.longitude}
    assert story.house.client.get("/v1/while-you-charge", params=around).status_code == 200
    story.charge(driver, 20)
    shop = open_shop(story.house)
    assert shop.capture(code_of(story.again(driver), shop.offer(price_nova=150))).status_code == 200
    assert (story.wallet(driver), shop.points) == (50, 150)
    os.kill(valkey.pid, signal.SIGKILL)
    assert details() is not None
    assert story.house.client.get("/v1/while-you-charge", params=around).status_code == 200
    valkey.restart()
    story.world.play("over")
    story.wait(minutes=6)
    assert details() is None
