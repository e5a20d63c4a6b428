"""Merchants publish offers, drivers find them, stock ends, perks and codes are claimed once."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import PLATFORM_FEES, merchant_receivable
from nerava.merchants.model import OfferDay
from tests.helpers.parallel import in_parallel
from tests.http.shop import Shop, charging_at, code_of, nova_of, open_shop, rich_driver, show
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

LOOP = (41.88, -87.63)


def near(driver: Caller, latitude: float, longitude: float, **more: object) -> list[dict[str, Any]]:
    """Return the offers around a place."""
    asked = {"lat": latitude, "lng": longitude} | more
    answer = driver.get("/v1/offers", params=asked)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def claim(driver: Caller, offer_id: str, key: str | None = None) -> Any:
    """Claim a perk."""
    return driver.post(f"/v1/offers/{offer_id}/claims", key=key or str(new_id()))


def move(shop: Shop, offer_id: str, step: str) -> Any:
    """Publish, pause or end an offer."""
    return shop.manager.post(f"/v1/merchant/offers/{offer_id}/{step}")


def test_a_merchant_is_opened_by_ops_and_its_accounts_with_it(house: House) -> None:
    shop = open_shop(house)
    told = shop.till.get("/v1/merchant").json()

    assert (told["currency"], told["fee_bps"], told["claim_fee_minor"]) == ("USD", 1_500, 100)
    assert house.books.posted(merchant_receivable(shop.merchant_id)) == [0]
    ops = house.caller(Role.OPS_ADMIN)
    body = {"name": "Nowhere", "timezone": "Mars/Olympus"}
    assert_problem(ops.post("/v1/ops/merchants", body), 422, "timezone-unknown")
    first = ops.post("/v1/ops/merchants", body | {"timezone": "Europe/Berlin"}, key="k")
    assert (
        ops.post("/v1/ops/merchants", body | {"timezone": "Europe/Berlin"}, key="k").content == first.content
    )
    page = ops.get("/v1/ops/merchants", params={"limit": 1}).json()
    rest = ops.get("/v1/ops/merchants", params={"cursor": page["next_cursor"]}).json()
    assert [one["name"] for one in page["items"] + rest["items"]] == ["Corner Coffee", "Nowhere"]
    assert house.findings() == []


def test_an_offer_is_seen_once_it_is_published_and_not_edited_any_more(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.draft()
    body = {"kind": "discount", "title": "5.00 off", "price_nova": 500, "starts_at": "2026-01-01T00:00:00Z"}
    edit = lambda: shop.manager.client.put(  # noqa: E731
        f"/v1/merchant/offers/{offer_id}", json=body, headers=shop.manager.headers()
    )

    assert_problem(show(driver, offer_id), 404, "unknown-offer")
    assert_problem(driver.get(f"/v1/offers/{offer_id}"), 404, "unknown-offer")
    assert edit().json()["price_nova"] == 500
    assert move(shop, offer_id, "publish").json()["state"] == "live"
    assert_problem(edit(), 409, "wrong-offer-state")
    assert_problem(move(shop, offer_id, "publish"), 409, "wrong-offer-state")
    assert driver.get(f"/v1/offers/{offer_id}").json()["price_nova"] == 500
    assert [one["id"] for one in driver.get("/v1/offers").json()["items"]] == [offer_id]
    assert shop.capture(code_of(driver, offer_id)).json()["points"] == 500


@pytest.mark.parametrize(
    "wrong",
    [
        {"price_nova": None},
        {"price_nova": 0},
        {"price_nova": -5},
        {"price_nova": 1.5},
        {"price_nova": "300"},
        {"kind": "perk"},
        {"kind": "gift"},
        {"ends_at": "2026-01-01T00:00:00Z"},
        {"daily_stock": 0},
        {"title": " "},
        {"claim_fee_minor": 0},
        {"state": "live"},
    ],
)
def test_terms_that_cannot_be_are_refused(sqlite_house: House, wrong: dict[str, object]) -> None:
    shop = open_shop(sqlite_house)
    body = {"kind": "discount", "title": "x", "price_nova": 300, "starts_at": "2026-01-01T00:00:00Z"}
    assert_problem(shop.manager.post("/v1/merchant/offers", body | wrong), 422, "invalid-input")


def test_a_place_of_another_merchant_is_unknown(house: House) -> None:
    shop, other = open_shop(house), open_shop(house, name="Other")
    body = {"kind": "discount", "title": "x", "price_nova": 300, "starts_at": "2026-01-01T00:00:00Z"}
    answer = shop.manager.post("/v1/merchant/offers", body | {"site_id": other.site_id})
    assert_problem(answer, 404, "unknown-site")
    enrol = {"name": "Till", "site_id": other.site_id}
    assert_problem(shop.manager.post("/v1/merchant/registers", enrol), 404, "unknown-site")


def test_a_paused_offer_gives_no_codes_at_once_and_open_ones_stay_good(house: House) -> None:
    shop, one, other = open_shop(house), rich_driver(house), rich_driver(house)
    offer_id = shop.offer()
    code = code_of(one, offer_id)

    assert move(shop, offer_id, "pause").json()["state"] == "paused"

    # Whether this process still remembers it as live or not: the commit asks.
    refused = show(other, offer_id, "k")
    assert_problem(refused, 409, "offer-not-available")
    assert nova_of(house, other) == (1_000, 1_000)
    assert shop.capture(code).status_code == 200
    assert move(shop, offer_id, "publish").json()["state"] == "live"
    assert show(other, offer_id, "k").content == refused.content
    assert move(shop, offer_id, "end").json()["state"] == "ended"
    assert_problem(move(shop, offer_id, "publish"), 409, "wrong-offer-state")
    assert house.findings() == []


def test_an_offer_is_on_within_its_window_alone(house: House) -> None:
    shop, driver, now = open_shop(house), rich_driver(house), house.installation.clock.now()
    day = timedelta(days=1)
    over = shop.offer(ends_at=(now - day).isoformat())
    coming = shop.offer(starts_at=(now + day).isoformat())

    for offer_id in (over, coming):
        assert_problem(show(driver, offer_id), 409, "offer-not-available")
    assert driver.get("/v1/offers").json()["items"] == []
    assert nova_of(house, driver) == (1_000, 1_000)


def test_a_suspended_merchant_gives_no_codes(house: House) -> None:
    shop, driver, ops = open_shop(house), rich_driver(house), house.caller(Role.OPS_ADMIN)
    offer_id, why = shop.offer(), {"reason": "complaints"}
    path = f"/v1/ops/merchants/{shop.merchant_id}"
    assert driver.get(f"/v1/offers/{offer_id}").status_code == 200
    for _ in range(2):
        assert ops.post(f"{path}/suspend", why).json()["state"] == "suspended"

    assert_problem(show(driver, offer_id), 409, "offer-not-available")
    assert_problem(driver.get(f"/v1/offers/{offer_id}"), 404, "unknown-offer")
    assert ops.post(f"{path}/reopen", why).json()["state"] == "active"
    assert driver.get(f"/v1/offers/{offer_id}").status_code == 200


def test_the_stock_of_a_day_ends_and_what_was_not_used_comes_back(house: House) -> None:
    shop = open_shop(house)
    offer_id = shop.offer(daily_stock=2)
    drivers = [rich_driver(house) for _ in range(4)]
    first = show(drivers[0], offer_id).json()
    assert show(drivers[1], offer_id).status_code == 201

    assert_problem(show(drivers[2], offer_id), 409, "sold-out")
    assert nova_of(house, drivers[2]) == (1_000, 1_000)
    path = f"/v1/redemptions/{first['id']}"
    assert drivers[0].client.delete(path, headers=drivers[0].headers()).status_code == 204
    assert drivers[0].client.delete(path, headers=drivers[0].headers()).status_code == 204
    assert show(drivers[2], offer_id).status_code == 201
    assert_problem(show(drivers[3], offer_id), 409, "sold-out")
    taken = house.installation.database.read(lambda session: session.scalar(select(OfferDay.taken)))
    assert taken == 2
    assert house.findings() == []


def test_a_stock_of_eight_gives_eight_of_sixty_four_at_once(house: House) -> None:
    shop = open_shop(house)
    offer_id = shop.offer(daily_stock=8)
    drivers = [rich_driver(house, 300) for _ in range(64)]

    answers = in_parallel(64, lambda index: show(drivers[index], offer_id))

    assert [one.status_code for one in answers].count(201) == 8
    assert {one.json()["code"] for one in answers if one.status_code != 201} == {"sold-out"}
    assert house.findings() == []


def test_offers_are_found_near_a_place_the_nearest_first(house: House) -> None:
    driver = rich_driver(house)
    here = open_shop(house, name="Here")
    there = open_shop(house, name="There", latitude=41.884)
    far = open_shop(house, name="Far", latitude=42.5)
    pacific = open_shop(house, name="Pacific", latitude=0.0, longitude=179.999)
    names = {"Here": here.offer(), "There": there.offer(), "Far": far.offer(), "Pacific": pacific.offer()}

    found = near(driver, *LOOP)

    assert [one["merchant_name"] for one in found] == ["Here", "There"]
    assert found[0]["distance_m"] == 0
    assert found[1]["distance_m"] == pytest.approx(445, abs=3)
    assert (found[0]["site_name"], found[0]["address"]) == ("Loop", "1 State St")
    assert [one["id"] for one in near(driver, *LOOP, limit=1)] == [names["Here"]]
    assert near(driver, *LOOP, radius_m=400)[-1]["id"] == names["Here"]
    assert [one["id"] for one in near(driver, 0, -179.999)] == [names["Pacific"]]
    assert_problem(driver.get("/v1/offers", params={"lat": 1}), 422, "invalid-input")
    assert_problem(driver.get("/v1/offers", params={"lat": 91, "lng": 0}), 422, "invalid-input")
    everything = driver.get("/v1/offers", params={"limit": 3}).json()
    rest = driver.get("/v1/offers", params={"cursor": everything["next_cursor"]}).json()
    assert len(everything["items"] + rest["items"]) == 4


def test_an_offer_of_one_place_is_shown_there_alone(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    place = {"name": "North", "address": "9 Lake St", "latitude": 41.95, "longitude": -87.63}
    north = shop.manager.post("/v1/merchant/sites", place).json()["id"]
    everywhere, only_north = shop.offer(), shop.offer(site_id=north)

    assert [one["id"] for one in near(driver, *LOOP)] == [everywhere]
    assert {one["id"] for one in near(driver, 41.95, -87.63)} == {everywhere, only_north}
    assert {one["site_id"] for one in near(driver, 41.95, -87.63)} == {north}


# Perks.


def test_who_charges_nearby_claims_a_perk_and_the_merchant_owes_the_fee(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    session_id = charging_at(house, driver, 41.884, -87.63)
    offer_id = shop.perk()

    claimed = claim(driver, offer_id, "k")

    assert claimed.status_code == 201, claimed.text
    assert claimed.json()["session_id"] == str(session_id)
    assert claimed.json()["distance_m"] == pytest.approx(445, abs=3)
    assert claim(driver, offer_id, "k").content == claimed.content
    assert house.books.posted(merchant_receivable(shop.merchant_id), PLATFORM_FEES) == [-100, 100]
    assert nova_of(house, driver) == (1_000, 1_000)
    assert_problem(claim(driver, offer_id), 409, "already-claimed")
    assert house.books.posted(PLATFORM_FEES) == [100]
    assert house.findings() == []


def test_a_perk_needs_a_session_that_is_open_near_and_fresh(house: House) -> None:
    shop = open_shop(house)
    offer_id = shop.perk()
    nobody, away, stale, placeless = (rich_driver(house) for _ in range(4))
    charging_at(house, away, 41.89, -87.63)
    charging_at(house, stale, *LOOP, minutes_ago=16)
    charging_at(house, placeless, None, None)

    assert_problem(claim(nobody, offer_id), 409, "not-charging")
    assert_problem(claim(away, offer_id), 409, "too-far-away")
    assert_problem(claim(stale, offer_id), 409, "not-charging")
    assert_problem(claim(placeless, offer_id), 409, "not-charging")
    assert_problem(claim(nobody, shop.offer()), 409, "offer-not-available")
    assert_problem(show(nobody, offer_id), 409, "offer-not-available")
    assert_problem(claim(nobody, shop.draft()), 404, "unknown-offer")
    assert house.books.posted(PLATFORM_FEES) == [0]
    assert house.findings() == []


def test_sixty_four_claims_at_once_are_one(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    charging_at(house, driver, *LOOP)
    offer_id = shop.perk(daily_stock=5)

    answers = in_parallel(64, lambda _: claim(driver, offer_id), width=16)

    assert [one.status_code for one in answers].count(201) == 1
    assert {one.json()["code"] for one in answers if one.status_code != 201} == {"already-claimed"}
    assert house.books.posted(merchant_receivable(shop.merchant_id)) == [-100]
    assert house.installation.database.read(lambda session: session.scalar(select(OfferDay.taken))) == 1
    assert house.findings() == []


def test_a_perk_of_a_merchant_whose_claims_cost_nothing_moves_nothing(house: House) -> None:
    shop, driver = open_shop(house, claim_fee_minor=0), rich_driver(house)
    charging_at(house, driver, *LOOP)

    assert claim(driver, shop.perk()).status_code == 201
    assert house.books.posted(PLATFORM_FEES) == [0]
    assert house.findings() == []


# Codes by the hundred.


def made(shop: Shop, offer_id: str, count: int = 3, key: str | None = None, **more: object) -> Any:
    """Have codes made."""
    body = {"count": count, "expires_at": "2099-01-01T00:00:00Z"} | more
    return shop.manager.post(f"/v1/merchant/offers/{offer_id}/code-batches", body, key=key or str(new_id()))


def lines(answer: Any) -> list[str]:
    """Return the codes of an answer."""
    assert answer.status_code == 201, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    head, *codes = answer.text.split()
    assert head == "code"
    return codes


def use(driver: Caller, code: str, key: str | None = None) -> Any:
    """Claim a code that a merchant gave out."""
    return driver.post("/v1/offer-codes/claim", {"code": code}, key=key)


def test_codes_are_made_once_and_the_same_key_gets_the_same_ones(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()
    first = made(shop, offer_id, 500, "k")
    codes = lines(first)

    assert len(set(codes)) == 500
    assert made(shop, offer_id, 500, "k").text == first.text
    assert_problem(made(shop, offer_id, 501, "k"), 409, "key-reused-with-other-body")
    assert use(driver, codes[7].lower()).json()["offer_id"] == offer_id
    (batch,) = shop.manager.get(f"/v1/merchant/offers/{offer_id}/code-batches").json()["items"]
    assert (batch["size"], batch["claimed"], batch["state"]) == (500, 1, "open")
    for wrong in (0, -1, 5_001, "3", 1.5):
        assert_problem(made(shop, offer_id, wrong), 422, "invalid-input")  # type: ignore[arg-type]
    past = made(shop, offer_id, expires_at="2020-01-01T00:00:00Z")
    assert_problem(past, 422, "invalid-input")
    assert_problem(made(shop, str(new_id())), 404, "unknown-offer")


def test_of_sixty_four_who_claim_one_code_exactly_one_has_it(house: House) -> None:
    shop = open_shop(house)
    (code,) = lines(made(shop, shop.offer(), 1))
    drivers = [house.driver() for _ in range(64)]

    answers = in_parallel(64, lambda index: use(drivers[index], code))

    assert [one.status_code for one in answers].count(200) == 1
    assert {one.json()["code"] for one in answers if one.status_code != 200} == {"offer-code-claimed"}
    assert house.findings() == []


def test_codes_can_be_paused_resumed_and_ended(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()
    codes = lines(made(shop, offer_id))
    batch_id = shop.manager.get(f"/v1/merchant/offers/{offer_id}/code-batches").json()["items"][0]["id"]
    step = lambda name: shop.manager.post(f"/v1/merchant/code-batches/{batch_id}/{name}")  # noqa: E731

    assert step("pause").json()["state"] == "paused"
    assert_problem(use(driver, codes[0]), 410, "offer-code-over")
    assert step("resume").json()["state"] == "open"
    assert use(driver, codes[0], "k").status_code == 200
    assert use(driver, codes[0], "k").headers["idempotency-replayed"] == "true"
    assert move(shop, offer_id, "pause").status_code == 200
    assert_problem(use(driver, codes[1]), 410, "offer-code-over")
    assert move(shop, offer_id, "publish").status_code == 200
    assert step("end").json()["state"] == "ended"
    assert_problem(use(driver, codes[1]), 410, "offer-code-over")
    assert_problem(use(driver, codes[0]), 409, "offer-code-claimed")
    assert_problem(step("resume"), 409, "wrong-code-batch-state")


def test_guessing_codes_of_offers_ends_after_twenty_a_minute(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    (code,) = lines(made(shop, shop.offer(), 1))
    redemption = code_of(driver, shop.offer())
    for _ in range(20):
        assert_problem(use(driver, redemption), 404, "unknown-code")
    assert_problem(use(driver, redemption), 429, "rate-limited")
    assert_problem(use(driver, code), 429, "rate-limited")
    assert_problem(use(driver, "0000000000A"), 422, "code-mistyped")
    assert_problem(shop.capture(code), 404, "unknown-code")
