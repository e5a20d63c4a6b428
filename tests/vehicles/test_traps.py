"""The traps of Smartcar's third interface and of its webhooks, over real HTTP."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from sqlalchemy import func, select

from nerava.identity.roles import Role
from nerava.inbound.model import InboundEvent
from nerava.simulators.webhooks import Manner
from tests.helpers.parallel import in_parallel
from tests.vehicles.garage import Driven, Garage

CHARGING = "charge-ischarging"
LEVEL = "tractionbattery-stateofcharge"
PLACE = "location-preciselocation"


def events(garage: Garage) -> int:
    """Return how many events are stored."""
    count = select(func.count()).select_from(InboundEvent)
    return garage.house.installation.database.read(lambda session: session.scalar(count)) or 0


def signed(garage: Garage, body: bytes) -> dict[str, str]:
    """Return the headers of Smartcar for a body."""
    token = garage.world.smartcar.management_token.encode()
    return {"sc-signature": hmac.new(token, body, hashlib.sha256).hexdigest()}


def say(garage: Garage, driven: Driven, code: str, body: Any, *, age_s: int = 0, **more: Any) -> None:
    """Let the car's maker know one signal in a form of its own."""
    at_ms = more.pop("at_ms", (int(garage.clock.now().timestamp()) - age_s) * 1_000)
    garage.world.smartcar.say(driven.vin, code, body, at_ms=at_ms, status=more.pop("status", None), **more)


@pytest.mark.trap("S1")
def test_a_body_that_was_written_anew_is_refused_and_not_stored(garage: Garage) -> None:
    driven = garage.driven()
    before = events(garage)
    for manner in (Manner.RESERIALISED, Manner.BAD_SIGNATURE, Manner.NO_SIGNATURE, Manner.OTHER_SECRET):
        garage.world.smartcar.tell(driven.vin)
        [told] = [one for one in garage.world.webhooks.read() if one.state.value == "queued"]
        garage.world.webhooks.write(told.id, manner)
        assert [one.status_code for one in garage.bring()] == [401]
    assert events(garage) == before
    garage.world.smartcar.tell(driven.vin)
    assert [one.status_code for one in garage.bring()] == [200]


@pytest.mark.trap("S2")
def test_a_challenge_gets_its_answer_and_nothing_else(garage: Garage) -> None:
    before = events(garage)
    garage.world.smartcar.verify("any-abcd")
    [told] = garage.world.webhooks.take()
    token = garage.world.smartcar.management_token.encode()
    proof = {"challenge": hmac.new(token, b"any-abcd", hashlib.sha256).hexdigest()}
    for headers in (told.headers, told.headers, {"content-type": "application/json"}):
        answer = garage.post(told.body, headers)
        assert (answer.status_code, answer.json()) == (200, proof)
    assert events(garage) == before


@pytest.mark.trap("S2")
def test_what_could_be_an_event_is_not_signed_for_strangers(garage: Garage) -> None:
    forged = json.dumps({"eventId": "e", "eventType": "VEHICLE_STATE", "data": {}})
    answer = garage.post(json.dumps({"eventType": "VERIFY", "data": {"challenge": forged}}).encode(), {})
    assert (answer.status_code, "challenge" in answer.json()) == (400, False)


@pytest.mark.trap("S3")
def test_a_car_that_is_made_up_never_charges(garage: Garage) -> None:
    site = garage.site()
    driven = garage.driven(site)
    garage.world.smartcar.connect(driven.user, mode="test")
    garage.world.smartcar.plug_in(driven.vin)
    garage.bring()
    assert garage.charges(driven) == []

    user = str(garage.world.smartcar.add_person()["user_id"])
    vin = str(garage.world.smartcar.add_car(user, latitude=site.latitude, longitude=site.longitude)["vin"])
    caller = garage.driver()
    begun = caller.post("/v1/vehicle-connections", {"consent_text": "vehicle-data-2026-11"}).json()
    back = garage.came_back(begun["url"].replace("mode=live", "mode=simulated"), user)
    assert caller.post("/v1/vehicle-connections/return", back).json()["state"] == "returned"
    garage.world.smartcar.plug_in(vin)
    garage.work(3)
    [car] = caller.get("/v1/vehicles").json()["vehicles"]
    assert (car["mode"], car["state"]) == ("test", "active")
    assert garage.charges(Driven(caller, user, vin, "")) == []


@pytest.mark.trap("S4")
def test_a_charge_level_is_read_as_it_is_meant(garage: Garage) -> None:
    driven = garage.driven()
    cases: list[tuple[dict[str, Any], float | None]] = [
        ({"value": 0.77}, 77.0),
        ({"value": 0.77, "unit": "percent"}, 0.77),
        ({"value": 78, "unit": "percent"}, 78.0),
        ({"value": 1}, None),
        ({"value": 180, "unit": "percent"}, None),
    ]
    before = garage.told(driven)[LEVEL]
    for body, shown in cases:
        garage.wait(minutes=1)
        say(garage, driven, LEVEL, body, tells=True)
        garage.bring()
        before = before if shown is None else shown
        assert garage.told(driven)[LEVEL] == before, body


@pytest.mark.trap("S5")
@pytest.mark.trap("S10")
@pytest.mark.trap("S17")
def test_an_older_payload_says_the_same(garage: Garage) -> None:
    site = garage.site()
    driven = garage.driven(site)
    garage.world.smartcar.plug_in(driven.vin)
    garage.world.webhooks.take()
    garage.world.smartcar.tell(driven.vin, old_form=True)
    [told] = garage.world.webhooks.take()
    event = json.loads(told.body)
    assert isinstance(event["meta"]["deliveredAt"], str)
    assert isinstance(event["triggers"][0]["signal"], str)
    assert not any("status" in one or "retrievedAt" in one["meta"] for one in event["data"]["signals"])
    assert garage.post(told.body, told.headers).status_code == 200
    garage.work()
    assert [one.session_id is not None for one in garage.charges(driven)] == [True]


@pytest.mark.trap("S6")
def test_a_signal_with_an_error_leaves_the_others_alone(garage: Garage) -> None:
    driven = garage.driven()
    before = garage.told(driven)
    garage.wait(minutes=1)
    failed = {"value": "ERROR", "error": {"type": "COMPATIBILITY", "code": "VEHICLE_NOT_CAPABLE"}}
    say(garage, driven, "charge-wattage", None, status=failed)
    say(garage, driven, LEVEL, {"value": 12, "unit": "percent"}, tells=True)
    garage.bring()
    assert garage.told(driven) == {**before, LEVEL: 12.0}
    cars = garage.again(driven).get("/v1/vehicles").json()["vehicles"]
    troubles = {one["code"]: one["trouble"] for one in cars[0]["signals"]}
    assert troubles["charge-wattage"] == "COMPATIBILITY:VEHICLE_NOT_CAPABLE"


@pytest.mark.trap("S7")
def test_what_the_maker_does_not_date_proves_nothing(garage: Garage) -> None:
    driven = garage.driven(garage.site())
    codes = list(garage.world.state("smartcar-vehicle")["cars"][driven.vin]["told"])
    now_ms = int(garage.clock.now().timestamp()) * 1_000
    for at_ms in (None, 0, now_ms - 3 * 3_600_000, now_ms + 86_400_000):
        for one in codes:
            if one.startswith("charge-"):
                say(garage, driven, one, {"value": True}, at_ms=at_ms)
        garage.world.smartcar.tell(driven.vin)
        garage.bring()
        assert garage.charges(driven) == [], at_ms


def test_what_is_nearly_two_hours_old_is_usual(garage: Garage) -> None:
    driven = garage.driven(garage.site())
    garage.wait(hours=2)
    garage.world.smartcar.lag(driven.vin, 6_600)
    garage.world.smartcar.plug_in(driven.vin)
    garage.bring()
    assert [one.session_id is not None for one in garage.charges(driven)] == [True]


@pytest.mark.trap("S8")
@pytest.mark.parametrize(("age_s", "reason"), [(86_400, "no-place"), (600, None)])
def test_a_place_where_a_car_was_parked_last_is_old_or_doubtful(
    garage: Garage, age_s: int, reason: str | None
) -> None:
    site = garage.site()
    driven = garage.driven(site)
    garage.world.smartcar.plug_in(driven.vin)
    garage.world.webhooks.take()
    parked = {"latitude": site.latitude, "longitude": site.longitude, "locationType": "LAST_PARKED"}
    say(garage, driven, PLACE, parked, age_s=age_s, tells=True)
    garage.bring()
    [charge] = garage.charges(driven)
    assert (charge.session_id is None, charge.reason) == (reason is not None, reason)
    garage.wait(minutes=20)
    garage.world.webhooks.take()
    garage.world.smartcar.unplug(driven.vin)
    garage.bring()
    garage.work(2)
    found = garage.session(driven)
    codes = [] if found is None else [code for code, *_ in found.findings]
    assert codes == ([] if reason else ["place.last_parked"])


@pytest.mark.trap("S9")
def test_an_event_counts_once_and_an_older_one_changes_nothing(garage: Garage) -> None:
    driven = garage.driven(garage.site())
    garage.world.smartcar.plug_in(driven.vin)
    [began] = garage.world.webhooks.take()
    garage.wait(minutes=20)
    garage.world.webhooks.take()
    garage.world.smartcar.unplug(driven.vin)
    [ended] = garage.world.webhooks.take()
    before = events(garage)
    answers = in_parallel(2, lambda _: garage.post(ended.body, ended.headers).status_code)
    assert (answers, events(garage)) == ([200, 200], before + 1)
    garage.work()
    assert garage.post(began.body, began.headers).status_code == 200
    garage.work()
    assert garage.told(driven)[CHARGING] is False
    assert garage.charges(driven) == []


@pytest.mark.trap("S10")
def test_an_error_counts_if_it_concerns_what_we_read(garage: Garage) -> None:
    driven = garage.driven()
    cases: list[tuple[tuple[object, ...], str]] = [
        (("Closure.IsLocked", {"code": "closure-islocked"}), "active"),
        ((), "broken"),
        (("Charge.IsCharging",), "broken"),
        (({"name": "Charge", "group": "IsCharging"},), "broken"),
        (({"name": "Charge", "group": "IsCharging", "code": CHARGING},), "broken"),
    ]
    for signals, state in cases:
        garage.world.smartcar.trouble(driven.vehicle, "PERMISSION", None, signals)
        garage.bring("VEHICLE_ERROR")
        assert garage.link(driven).state == state, signals
        garage.world.smartcar.trouble(driven.vehicle, None)
        garage.bring("VEHICLE_ERROR")
        assert garage.link(driven).state == "active"


@pytest.mark.trap("S11")
@pytest.mark.parametrize(("year", "vin"), [("2025", "VIWP1AB29P15LA85784N"), (2021, "SHORT1")])
def test_years_and_numbers_of_all_kinds_are_taken(garage: Garage, year: int | str, vin: str) -> None:
    driven = garage.driven(year=year, vin=vin)
    [car] = garage.again(driven).get("/v1/vehicles").json()["vehicles"]
    assert (car["year"], car["state"]) == (int(year), "active")


@pytest.mark.trap("S12")
@pytest.mark.parametrize(
    ("status", "code", "trouble"),
    [
        (501, "COMPATIBILITY:VEHICLE_NOT_CAPABLE", "incompatible"),
        (502, "UPSTREAM:RATE_LIMIT", "vehicle-limit"),
    ],
)
def test_what_would_only_drain_the_battery_is_asked_once(
    garage: Garage, status: int, code: str, trouble: str
) -> None:
    driven = garage.driven()
    before = garage.asked(driven)
    path = f"*/{driven.vehicle}/signals"
    garage.world.faults.add("status", provider="smartcar-vehicle", path=path, status=status, code=code)
    garage.wait(hours=13)
    garage.work(3)
    assert (garage.asked(driven), garage.link(driven).trouble) == (before + 1, trouble)


def test_a_car_is_left_alone_for_as_long_as_smartcar_says(garage: Garage) -> None:
    driven = garage.driven()
    garage.wait(hours=12, minutes=1)
    garage.world.smartcar.rest(driven.vehicle, 1_800)
    before = garage.asked(driven)
    garage.work(3)
    assert (garage.asked(driven), garage.link(driven).trouble) == (before + 1, "vehicle-limit")
    garage.wait(minutes=29)
    garage.work(2)
    assert garage.asked(driven) == before + 1
    garage.wait(minutes=2)
    garage.work(2)
    assert garage.asked(driven) == before + 2
    assert garage.link(driven).trouble is None


@pytest.mark.trap("S13")
def test_a_login_page_is_no_answer(garage: Garage) -> None:
    driven = garage.driven()
    before = garage.told(driven)
    path = f"*/{driven.vehicle}/signals"
    garage.world.faults.add("wrong_type", provider="smartcar-vehicle", path=path, how="login_page")
    garage.wait(hours=13)
    garage.work(2)
    assert (garage.told(driven), garage.link(driven).trouble) == (before, "unreadable")


@pytest.mark.trap("S16")
def test_of_two_accounts_with_one_car_one_earns_until_a_person_decides(garage: Garage) -> None:
    site = garage.site()
    first = garage.driven(site)
    user = str(garage.world.smartcar.add_person([first.vin])["user_id"])
    other = garage.joined(garage.driver(), user, first.vin)
    assert (garage.link(first).state, garage.link(other).state) == ("active", "review")
    garage.world.smartcar.plug_in(first.vin)
    garage.bring()
    assert (len(garage.charges(first)), len(garage.charges(other))) == (1, 0)

    ops = garage.house.caller(Role.OPS_SUPPORT)
    waiting = ops.get("/v1/ops/vehicle-reviews").json()["links"]
    link = str(garage.link(other).id)
    assert [one["trouble"] for one in waiting if one["id"] == link] == ["another-account"]
    decided = ops.post(f"/v1/ops/vehicle-reviews/{link}/decision", {"accepted": True, "reason": "case 7"})
    assert decided.status_code == 204, decided.text
    assert (garage.link(first).state, garage.link(other).state) == ("ended", "active")


@pytest.mark.trap("S18")
def test_when_events_stop_the_car_is_asked_and_the_end_is_found(garage: Garage) -> None:
    driven = garage.driven(garage.site())
    garage.world.smartcar.plug_in(driven.vin, 50_000)
    garage.bring()
    garage.wait(minutes=25)
    garage.world.smartcar.unplug(driven.vin)
    ended_at = garage.world.now()
    for told in garage.world.webhooks.read():
        garage.world.webhooks.drop(told.id)
    garage.wait(minutes=10)
    garage.work(3)
    [charge] = garage.charges(driven)
    found = garage.session(driven)
    assert found is not None
    assert found.ended_at is not None
    assert abs((found.ended_at - ended_at).total_seconds()) <= 1
    assert charge.ended_at == found.ended_at
    assert found.energy_wh > 5_000
