"""Finding a charger on pages: open to everybody, with filters in the address and offers first."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.discovery.feed import HELSINKI
from tests.http.flows import campaign, sponsor
from tests.http.shop import open_shop
from tests.http.test_chargers import with_a_street
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House

HERE = f"lat={HELSINKI.latitude}&lng={HELSINKI.longitude}"


def charger_of(browser: Browser) -> str:
    """Return the page of the first charger of the list."""
    found = re.search(r'href="(/c/[0-9a-f-]+)"', browser.get(f"/?{HERE}").text)
    assert found is not None
    return found[1]


def test_a_stranger_finds_chargers_and_filters_them_by_the_address(sqlite_house: House) -> None:
    browser = Browser(with_a_street(sqlite_house))
    said = text_of(browser.get(f"/?{HERE}").text)
    assert "3 chargers near you" in said
    assert "Valo, 150 kW, 4 stalls" in said
    assert "3.0 km" in said
    fast = browser.get(f"/?{HERE}&fast=1").text
    assert "2 chargers" in text_of(fast)
    assert 'aria-current="true">50 kW or more' in fast
    coffee = browser.get(f"/?{HERE}&near=cafe").text
    assert "in 2 min" in text_of(coffee)
    none = browser.get(f"/?{HERE}&near=cinema").text
    assert "No charger within 5 km is like that." in text_of(none)
    assert "Clear the filters" in none


def test_where_nothing_is_known_the_page_says_so_and_what_to_do(sqlite_house: House) -> None:
    said = text_of(Browser(sqlite_house).get("/").text)
    has_map = sqlite_house.client.get("/v1/map").status_code == 200
    without = "Use your place, and chargers around it are shown."
    assert ("No charger is known here yet." if has_map else without) in said
    assert "No charger is known within 5 km." in text_of(Browser(sqlite_house).get("/?lat=0&lng=0").text)


@pytest.mark.parametrize(
    "query", ["lat=91&lng=0", "lat=x&lng=0", "near=everything", "fast=maybe", "lat=nan&lng=1"]
)
def test_nonsense_in_the_address_is_said(sqlite_house: House, query: str) -> None:
    assert Browser(sqlite_house).get(f"/?{query}").status_code == 422


def test_a_charger_says_what_is_around_it_offers_first(sqlite_house: House) -> None:
    house = with_a_street(sqlite_house)
    open_shop(house, latitude=HELSINKI.latitude, longitude=HELSINKI.longitude, name="<b>Lumo</b>").offer(
        title="A bun"
    )
    browser = Browser(house)
    page = browser.get(charger_of(browser)).text
    said = text_of(page)
    assert "up to 150 kW" in said
    assert "CCS 2, 150 kW" in said
    assert said.index("A bun") < said.index("While you charge")
    assert "<b>Lumo" not in page
    assert "Café 1 Coffee" in said
    assert Browser(house).get(f"/c/{new_id()}").status_code == 404


def test_what_one_earns_at_a_charger_is_told_to_who_is_signed_in(sqlite_house: House) -> None:
    house = with_a_street(sqlite_house)
    campaign(sponsor(house, 10_000), 10_000, name="Everybody <i>")
    path = charger_of(Browser(house)) + "/earn"
    assert Browser(house).get(path).headers["location"] == f"/sign-in?next={path}"
    driver = house.driver()
    page = browser_of(house, Role.DRIVER, driver.tenant_id, driver.subject).get(path).text
    assert "Everybody &lt;i&gt;" in page
    assert "10 Nova" in text_of(page)
