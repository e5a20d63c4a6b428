"""A merchant's day in numbers, its redemptions by day, register and offer, and what a used code says."""

from __future__ import annotations

import csv
import io
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from nerava.kernel.ids import new_id
from nerava.merchants.service import merchant
from tests.http.shop import code_of, open_shop, rich_driver, settle_now

if TYPE_CHECKING:
    from tests.http.conftest import House

LIST = "/v1/merchant/redemptions"


def test_a_day_counts_what_was_taken_and_given_back_and_says_what_is_owed(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    nothing = shop.owner.get("/v1/merchant/today").json()
    assert (nothing["redemptions"], nothing["unsettled_points"], nothing["payable_minor"]) == (0, 0, 0)
    offer_id = shop.offer()
    first = shop.capture(code_of(driver, offer_id)).json()
    shop.capture(code_of(driver, offer_id), bill_minor=120)
    back = {"points": 50}
    shop.manager.post(f"{LIST}/{first['redemption_id']}/refunds", back, key="k")

    day = shop.manager.get("/v1/merchant/today").json()

    assert (day["redemptions"], day["captured"], day["refunded"]) == (2, 420, 50)
    merchant = shop.owner.get("/v1/merchant").json()
    assert day["unsettled_points"] == 370
    assert day["unsettled_net_minor"] == 370 - 370 * merchant["fee_bps"] // 10_000
    settle_now(house)
    settled = shop.owner.get("/v1/merchant/today").json()
    assert (settled["unsettled_points"], settled["payable_minor"]) == (0, day["unsettled_net_minor"])
    assert (settled["owes_minor"], settled["currency"]) == (0, merchant["currency"])
    assert house.findings() == []


def test_redemptions_are_found_by_day_register_and_offer(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    offers = shop.offer(), shop.offer(title="=cmd")
    registers = shop.register_id, shop.register()
    taken = {
        shop.capture(code_of(driver, offer_id), register_id=register_id).json()["redemption_id"]: (
            offer_id,
            register_id,
        )
        for offer_id, register_id in zip(offers, registers, strict=True)
    }

    def found(query: str) -> list[tuple[str, str]]:
        answer = shop.owner.get(f"{LIST}?{query}")
        assert answer.status_code == 200, answer.text
        return [(one["offer_id"], one["register_id"]) for one in answer.json()["items"]]

    assert found(f"offer_id={offers[0]}") == [(offers[0], registers[0])]
    assert found(f"register_id={registers[1]}") == [(offers[1], registers[1])]
    assert found(f"register_id={new_id()}") == []
    today = sqlite_house.installation.clock.now().astimezone(ZoneInfo("America/Chicago")).date()
    assert sorted(found(f"day={today}")) == sorted(taken.values())
    assert found(f"day={today - timedelta(days=1)}") == found(f"day={today + timedelta(days=1)}") == []
    assert shop.owner.get(f"{LIST}?day=0001-01-01").status_code == 422

    exported = shop.owner.get(f"{LIST}.csv?offer_id={offers[1]}")
    [line] = csv.DictReader(io.StringIO(exported.text))
    assert (line["offer"], line["nova"], line["register_id"]) == ("'=cmd", "300", registers[1])
    assert len(shop.owner.get(f"{LIST}.csv").text.splitlines()) == 3


def test_a_day_lasts_as_long_as_where_the_merchant_is(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    whose = sqlite_house.installation.database.read(lambda session: merchant(session, shop.merchant_id))
    began, ends = whose.day_of(date(2026, 3, 8))
    assert (began, ends - began) == (datetime(2026, 3, 8, 6, tzinfo=UTC), timedelta(hours=23))


def test_a_used_code_says_where_and_when_it_was_used(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    code = code_of(driver, shop.offer())
    taken = shop.capture(code).json()
    used = {name: taken[name] for name in ("redemption_id", "register_id", "captured_at")}
    for register_id in (shop.register_id, shop.register()):
        refused = shop.capture(code, register_id=register_id).json()
        at = datetime.fromisoformat(used["captured_at"])
        assert refused["code"] == "code-already-used"
        assert datetime.fromisoformat(refused["facts"].pop("captured_at")) == at
        assert refused["facts"] == {name: used[name] for name in ("redemption_id", "register_id")}


def test_a_capture_can_be_taken_back_until_it_is_said_it_cannot(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    taken = shop.capture(code_of(driver, shop.offer())).json()
    path = f"/v1/merchant/registers/{shop.register_id}/redemptions"
    [listed] = shop.till.get(path).json()["items"]
    assert listed["void_until"] == taken["void_until"]
    body = {"register_id": shop.register_id}
    assert shop.till.post(f"{LIST}/{taken['redemption_id']}/void", body, key="v").status_code == 200
    [voided] = shop.till.get(path).json()["items"]
    assert (voided["state"], voided["void_until"]) == ("voided", None)
