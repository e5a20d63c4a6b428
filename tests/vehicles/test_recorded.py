"""Recorded messages of real cars are read, and the simulator's have the same form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nerava.integrations.smartcar.connection import vehicle_from
from nerava.integrations.smartcar.events import SmartcarEvents, notice_of
from nerava.integrations.smartcar.signals import signals_of_batch
from nerava.vehicles.hearing import Trouble
from tests.contracts.recorded import recorded
from tests.vehicles.garage import Garage


def webhook(name: str) -> Any:
    return json.loads(recorded(f"smartcar/webhooks/{name}.json"))


@pytest.mark.parametrize(
    ("name", "level", "is_live"),
    [
        ("byd_seal_all", 78.0, True),
        ("jaguar_ipace_all", 54.0, True),
        ("jaguar_ipace2_all", None, True),
        ("polestar_2_all", None, True),
        ("vw_id_4_all", None, True),
        ("vw_id_4_test_mode", None, False),
    ],
)
def test_every_recorded_state_is_read(name: str, level: float | None, is_live: bool) -> None:
    body = webhook(name)
    notice = notice_of(body)
    assert (notice.is_live, bool(notice.account), bool(notice.external_id)) == (is_live, True, True)
    told = {one.code: one for one in notice.signals}
    assert not any(one.trouble == "not-understood" for one in notice.signals)
    if (capacity := told.get("tractionbattery-nominalcapacity")) is not None:
        assert capacity.body["value"] in {82_000, 90_000}
    found = told.get("tractionbattery-stateofcharge")
    if level is not None:
        assert found is not None
        assert found.body["value"] == level
        assert found.at is not None
    if found is not None and found.trouble is None:
        assert 1 < found.body["value"] <= 100


def test_the_recorded_challenge_is_answered_and_recorded_errors_are_judged() -> None:
    events = SmartcarEvents(["token"])
    assert events.challenge(recorded("smartcar/webhooks/vw_id_4_verify.json").encode()) is not None
    assert notice_of(webhook("vw_id_4_broad_auth_error")).troubles == [Trouble("reconnect", is_over=False)]
    assert notice_of(webhook("vw_id_4_irrelevant_auth_error")).troubles == []
    assert notice_of(webhook("vw_id_4_error")).troubles == []


@pytest.mark.parametrize("name", ["vw_id_4.charging", "vw_id_4.ok"])
def test_recorded_batches_of_the_second_interface_are_read(name: str) -> None:
    for exchange in json.loads(recorded(f"smartcar/api/{name}.json")):
        responses = (exchange.get("response") or {}).get("responses")
        if not responses:
            continue
        found, statuses = signals_of_batch(responses)
        told = {one.code: one for one in found}
        assert {200} <= statuses <= {200, 403}
        assert told["tractionbattery-stateofcharge"].body["value"] == 68.0
        assert told["tractionbattery-nominalcapacity"].body == {"value": 82_000, "unit": "Wh"}
        assert told["charge-ischarging"].body == {"value": "charging" in name}
        assert told["charge-ischarging"].at is not None
        return
    pytest.fail("no batch in the recording")


@pytest.mark.parametrize("name", ["byd_seal", "unknown_make", "polestar_2", "vw_id_4", "jaguar_ipace"])
def test_recorded_cars_are_described(name: str) -> None:
    facts = json.loads(recorded(f"smartcar/vehicles/{name}.json"))
    car = vehicle_from(facts["id"], facts, is_live=True)
    assert car.vin == facts["vin"]
    assert car.year == (int(facts["year"]) if "year" in facts else None)


def test_a_capacity_that_its_owner_chose_is_taken_as_the_smallest_it_may_be() -> None:
    event = webhook("jaguar_ipace_all")
    [row] = [one for one in event["data"]["signals"] if one["code"] == "tractionbattery-nominalcapacity"]
    row["body"] |= {"capacity": 120, "availableCapacities": [{"capacity": 85}, {"capacity": 120}]}
    [told] = [one for one in notice_of(event).signals if one.code == row["code"]]
    assert told.body == {"value": 85_000, "unit": "Wh"}


def test_a_simulated_event_has_every_part_of_a_recorded_one(garage: Garage) -> None:
    shown = webhook("byd_seal_all")
    driven = garage.driven()
    garage.world.smartcar.tell(driven.vin)
    [told] = garage.world.webhooks.take()
    mine = json.loads(told.body)
    assert shown.keys() <= mine.keys()
    assert shown["data"].keys() <= mine["data"].keys()
    assert shown["data"]["vehicle"].keys() <= mine["data"]["vehicle"].keys()
    assert shown["triggers"][0].keys() <= mine["triggers"][0].keys()
    assert shown["meta"].keys() - mine["meta"].keys() <= {"webhookId"}
    good = next(one for one in shown["data"]["signals"] if "body" in one)
    assert good.keys() == mine["data"]["signals"][0].keys()
    assert good["meta"].keys() == mine["data"]["signals"][0]["meta"].keys()
