"""Places, tills and settlements on a merchant's pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from tests.http.settlement_examples import invoice_id, settled_shop, settlement_id
from tests.http.shop import open_shop
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House

PLACES = "/merchant/places"
HERE = {
    "name": "Kahvila <b>Lumo</b>",
    "address": "Mikonkatu 1",
    "latitude": "60.1690",
    "longitude": "24,9475",
}


def test_somebody_new_adds_a_place_and_a_till_and_closes_it(house: House) -> None:
    shop = open_shop(house)
    owner = browser_of(house, Role.MERCHANT_OWNER, shop.merchant_id)
    assert owner.submit(PLACES, PLACES, **HERE).status_code == 303
    page = owner.get(PLACES).text
    assert "Kahvila &lt;b&gt;Lumo&lt;/b&gt;" in page
    assert "60.16900, 24.94750" in text_of(page)
    assert owner.submit(PLACES, f"{PLACES}/tills", till="Till by the door").status_code == 303
    [till] = [
        one for one in shop.owner.get("/v1/merchant/registers").json()["items"] if "door" in one["name"]
    ]
    close = f"{PLACES}/tills/{till['id']}/close"
    assert owner.submit(PLACES, close).status_code == 303
    assert close not in owner.get(PLACES).text
    assert house.findings() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [("latitude", "91"), ("latitude", "north"), ("longitude", "1e3"), ("longitude", "nan"), ("name", " ")],
)
def test_a_place_that_cannot_be_is_refused_where_it_is_wrong_and_nothing_is_added(
    sqlite_house: House, name: str, value: str
) -> None:
    shop = open_shop(sqlite_house)
    owner = browser_of(sqlite_house, Role.MERCHANT_OWNER, shop.merchant_id)
    before = len(shop.owner.get("/v1/merchant/sites").json()["items"])
    refused = owner.submit(PLACES, PLACES, **{**HERE, name: value})
    assert refused.status_code == 422
    assert 'value="Mikonkatu 1"' in refused.text
    assert len(shop.owner.get("/v1/merchant/sites").json()["items"]) == before


def test_a_place_that_is_sent_twice_is_one(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    owner = browser_of(sqlite_house, Role.MERCHANT_OWNER, shop.merchant_id)
    form = next(one for one in owner.forms(PLACES) if one.action == PLACES)
    answers = [owner.post(PLACES, {**form.fields, **HERE}) for _ in range(2)]
    assert [one.status_code for one in answers] == [303, 303]
    named = [one["name"] for one in shop.owner.get("/v1/merchant/sites").json()["items"]]
    assert named.count(HERE["name"]) == 1


def test_a_till_of_another_merchant_is_not_closed(sqlite_house: House) -> None:
    mine, other = open_shop(sqlite_house), open_shop(sqlite_house)
    owner = browser_of(sqlite_house, Role.MERCHANT_OWNER, mine.merchant_id)
    [till, *_] = other.owner.get("/v1/merchant/registers").json()["items"]
    form = next(one for one in owner.forms(PLACES) if one.action == PLACES)
    answer = owner.post(f"{PLACES}/tills/{till['id']}/close", form.fields)
    assert answer.status_code == 404
    assert other.owner.get("/v1/merchant/registers").json()["items"][0]["state"] == "active"


def test_a_merchant_reads_what_was_settled_and_fetches_the_statement(house: House) -> None:
    shop = settled_shop(house)
    owner = browser_of(house, Role.MERCHANT_OWNER, shop.merchant_id)
    path = f"/merchant/settlements/{settlement_id(shop)}"
    assert f'href="{path}"' in owner.get("/merchant/settlements").text
    assert "Line by line" in text_of(owner.get(path).text)
    for kind, begins in (("csv", b""), ("pdf", b"%PDF")):
        kept = owner.get(f"{path}.{kind}")
        assert (kept.status_code, kept.content[: len(begins)]) == (200, begins)
        assert kept.content == shop.owner.get(f"/v1{path}.{kind}").content
    invoice = owner.get(f"/merchant/invoices/{invoice_id(shop)}")
    assert "What is open" in text_of(invoice.text)
    stranger: Browser = browser_of(house, Role.MERCHANT_OWNER)
    assert stranger.get(path).status_code == 404
    assert house.findings() == []
