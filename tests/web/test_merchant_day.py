"""A merchant's first page and its redemptions: what is there, how it is found, and giving Nova back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from nerava.identity.roles import Role
from nerava.settlements.model import Settlement
from tests.http.settlement_examples import become_overdue, settled_shop
from tests.http.shop import code_of, nova_of, open_shop, rich_driver
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House
    from tests.http.shop import Shop

NASTY = "<script>alert(1)</script>\"'\u202e"


def owner_of(shop: Shop) -> Browser:
    """Return the browser of a shop's owner."""
    return browser_of(shop.house, Role.MERCHANT_OWNER, shop.merchant_id)


def taken(shop: Shop, **more: object) -> str:
    """Take a code of 300 Nova and return the redemption."""
    code = code_of(rich_driver(shop.house), shop.offer())
    return str(shop.capture(code, **more).json()["redemption_id"])


def test_somebody_new_sees_three_steps_and_what_is_done_of_them(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    said = text_of(owner_of(shop).get("/merchant").text)
    assert "2 of 3 steps to your first code" in said
    assert "Make an offer" in said
    draft = shop.draft()
    assert f'href="/merchant/offers/{draft}"' in owner_of(shop).get("/merchant").text
    shop.owner.post(f"/v1/merchant/offers/{draft}/publish")
    assert "steps to your first code" not in text_of(owner_of(shop).get("/merchant").text)


def test_a_day_shows_what_was_taken_and_what_is_owed(house: House) -> None:
    shop = open_shop(house)
    owner = owner_of(shop)
    taken(shop, bill_minor=1_200)
    said = text_of(owner.get("/merchant").text)
    fee_bps = shop.owner.get("/v1/merchant").json()["fee_bps"]
    owed = 300 - 300 * fee_bps // 10_000
    assert "Redemptions today 1" in said
    assert "Nova taken today 300 worth 3.00 USD" in said
    assert f"You are owed {owed / 100:.2f} USD" in said
    assert "bill 12.00 USD" in said
    assert house.findings() == []


def test_what_wants_to_be_done_is_said_first(house: House) -> None:
    shop = settled_shop(house)
    waits = update(Settlement).values(state="waiting", waits_for="method")
    house.installation.database.run(lambda session: session.execute(waits))
    assert "Say where you are paid" in text_of(owner_of(shop).get("/merchant").text)
    manager = browser_of(house, Role.MERCHANT_MANAGER, shop.merchant_id)
    assert "Ask the owner to say where" in text_of(manager.get("/merchant").text)
    become_overdue(house)
    assert "is overdue" in text_of(owner_of(shop).get("/merchant").text)
    assert house.findings() == []


def test_redemptions_are_filtered_and_the_export_obeys(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    first, second = shop.register_id, shop.register()
    taken(shop)
    taken(shop, register_id=second)
    owner = owner_of(shop)
    assert owner.get("/merchant/redemptions").text.count("<tr>") == 3
    only = owner.get(f"/merchant/redemptions?register_id={second}&day=&offer_id=")
    assert only.text.count("<tr>") == 2
    exported = owner.get(f"/merchant/redemptions.csv?register_id={second}")
    assert exported.headers["content-type"].startswith("text/csv")
    assert "attachment" in exported.headers["content-disposition"]
    assert (second in exported.text, first in exported.text) == (True, False)
    none = owner.get("/merchant/redemptions?day=2020-02-29")
    assert "Nothing was redeemed that fits" in text_of(none.text)
    assert "29 Feb 2020" in text_of(none.text)
    for nonsense in ("day=2020-02-30", "day=0001-01-01", "offer_id=1", "after=zzz"):
        assert owner.get(f"/merchant/redemptions?{nonsense}").status_code == 422
        assert owner.get(f"/merchant/redemptions.csv?{nonsense}").status_code == 422


def test_a_refund_is_given_once_and_never_above_what_is_left(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    code = code_of(driver, shop.offer())
    path = f"/merchant/redemptions/{shop.capture(code).json()['redemption_id']}"
    manager = browser_of(house, Role.MERCHANT_MANAGER, shop.merchant_id)
    [form] = [one for one in manager.forms(path) if one.action == f"{path}/refunds"]
    fields = {**form.fields, "points": "100"}
    assert manager.post(form.action, fields).status_code == 303
    assert manager.post(form.action, fields).status_code == 303
    assert nova_of(house, driver) == (800, 800)
    above = manager.submit(path, f"{path}/refunds", points="201")
    assert (above.status_code, 'value="201"' in above.text) == (409, True)
    rest = manager.submit(path, f"{path}/refunds")
    assert rest.status_code == 303
    assert "Refunded" in text_of(manager.get(path).text)
    assert f'action="{path}/refunds"' not in manager.get(path).text
    assert nova_of(house, driver) == (1_000, 1_000)
    assert house.findings() == []


@pytest.mark.parametrize("points", ["-1", "0", "1.5", "9" * 30, "ten", "1e2", "NaN"])
def test_a_refund_of_no_number_gives_nothing_back(sqlite_house: House, points: str) -> None:
    shop = open_shop(sqlite_house)
    path = f"/merchant/redemptions/{taken(shop)}"
    answer = owner_of(shop).submit(path, f"{path}/refunds", points=points)
    assert answer.status_code == 422
    assert shop.points == 300


def test_a_redemption_of_another_shop_is_not_there(sqlite_house: House) -> None:
    shop, other = open_shop(sqlite_house), open_shop(sqlite_house)
    path = f"/merchant/redemptions/{taken(other)}"
    assert owner_of(shop).get(path).status_code == 404


def test_what_people_wrote_is_text(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    offer_id = shop.offer(title=NASTY.rstrip("\u202e"))
    shop.capture(code_of(rich_driver(sqlite_house), offer_id))
    owner = owner_of(shop)
    for path in ("/merchant", "/merchant/redemptions", f"/merchant/redemptions?offer_id={offer_id}"):
        html = owner.get(path).text
        assert "<script>alert" not in html
        assert "&lt;script&gt;alert" in html
