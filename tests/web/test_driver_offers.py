"""Offers and codes on pages: redeeming, showing the code, and what becomes of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.web.site.qr import QUIET, qr_svg
from tests.http.flows import work_off
from tests.http.shop import charging_at, code_of, nova_of, open_shop, rich_driver
from tests.http.test_redeeming import Clocked, clocked
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

__all__ = ["clocked"]


def as_page(house: House, driver: Caller) -> Browser:
    """Return the browser of somebody who has a token already."""
    return browser_of(house, Role.DRIVER, driver.tenant_id, driver.subject)


def test_an_offer_is_redeemed_shown_and_taken(house: House) -> None:
    shop = open_shop(house, name='"Bean" & <i>Sons</i>')
    offer_id = shop.offer(title="3.00 off <script>alert(1)</script>")
    driver = rich_driver(house)
    browser = as_page(house, driver)
    assert f'href="/o/{offer_id}"' in browser.get("/offers").text
    assert "1 State St" in text_of(browser.get(f"/o/{offer_id}").text)
    made = browser.submit(f"/o/{offer_id}", f"/o/{offer_id}/redeem")
    assert made.status_code == 303, made.text
    path = made.headers["location"]
    page = browser.get(path).text
    assert "<script>alert" not in page
    assert "<i>Sons" not in page
    code = re.search(r"[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{3}", text_of(page))
    assert code is not None
    assert '<svg class="qr"' in page
    assert "style=" not in page
    assert nova_of(house, driver) == (1_000, 700)
    assert shop.capture(code[0]).status_code == 200
    assert "for 300 Nova" in text_of(browser.get(path).text)
    assert f'href="{path}"' in browser.get("/redemptions").text
    assert house.books.findings() == []


def test_redeeming_pressed_twice_is_one_code(house: House) -> None:
    offer_id = open_shop(house).offer()
    driver = rich_driver(house)
    browser = as_page(house, driver)
    form = next(one for one in browser.forms(f"/o/{offer_id}") if one.action.endswith("/redeem"))
    first, second = (browser.post(form.action, form.fields) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    assert nova_of(house, driver) == (1_000, 700)
    assert house.books.findings() == []


def test_a_second_code_leads_to_the_open_one(sqlite_house: House) -> None:
    offer_id = open_shop(sqlite_house).offer()
    driver = rich_driver(sqlite_house)
    code_of(driver, offer_id)
    browser = as_page(sqlite_house, driver)
    refused = browser.submit(f"/o/{offer_id}", f"/o/{offer_id}/redeem")
    assert refused.status_code == 409
    held = driver.get("/v1/redemptions").json()["items"][0]["id"]
    assert f'href="/redeem/{held}"' in refused.text
    assert sqlite_house.books.findings() == []


def test_who_has_too_few_nova_is_told_how_many_are_missing(sqlite_house: House) -> None:
    offer_id = open_shop(sqlite_house).offer()
    browser = as_page(sqlite_house, rich_driver(sqlite_house, points=100))
    page = browser.get(f"/o/{offer_id}")
    assert "You have 100 Nova; 200 are missing." in text_of(page.text)
    assert "/redeem" not in page.text
    csrf = browser.forms("/offers")[0].fields["csrf_token"]
    sent = browser.post(f"/o/{offer_id}/redeem", {"csrf_token": csrf, "idempotency_key": str(new_id())})
    assert sent.status_code == 409
    assert "Not enough Nova" in text_of(sent.text)
    for key in ("", "a b", "x" * 300):
        assert (
            browser.post(f"/o/{offer_id}/redeem", {"csrf_token": csrf, "idempotency_key": key}).status_code
            == 400
        )
    assert sqlite_house.books.findings() == []


def test_a_code_is_withdrawn_and_its_nova_are_back(house: House) -> None:
    offer_id = open_shop(house).offer()
    driver = rich_driver(house)
    code_of(driver, offer_id)
    path = f"/redeem/{driver.get('/v1/redemptions').json()['items'][0]['id']}"
    browser = as_page(house, driver)
    for _ in range(2):
        form = browser.forms("/offers")[0]
        gone = browser.post(f"{path}/withdraw", {"csrf_token": form.fields["csrf_token"]})
        assert gone.headers["location"] == f"{path}?said=code-withdrawn"
    assert "You withdrew it." in text_of(browser.get(path).text)
    assert nova_of(house, driver) == (1_000, 1_000)
    assert house.books.findings() == []


def test_a_code_that_ran_out_says_that_the_nova_are_back(clocked: Clocked) -> None:
    house = clocked.house
    offer_id = open_shop(house).offer()
    driver = rich_driver(house)
    code_of(driver, offer_id)
    path = f"/redeem/{driver.get('/v1/redemptions').json()['items'][0]['id']}"
    browser = as_page(house, driver)
    clocked.wait(61)
    assert "your Nova come back in a moment" in text_of(browser.get(path).text)
    work_off(house)
    page = browser.get(path).text
    assert "Your Nova are back" in text_of(page)
    assert '<svg class="qr"' not in page
    assert house.books.findings() == []


def test_a_perk_is_for_people_who_charge_nearby(sqlite_house: House) -> None:
    offer_id = open_shop(sqlite_house).perk()
    driver = rich_driver(sqlite_house)
    browser = as_page(sqlite_house, driver)
    refused = browser.submit(f"/o/{offer_id}", f"/o/{offer_id}/claim")
    assert refused.status_code == 409
    assert "free for people whose car charges within a walk" in text_of(refused.text)
    charging_at(sqlite_house, driver, 41.88, -87.63)
    claimed = browser.submit(f"/o/{offer_id}", f"/o/{offer_id}/claim")
    assert claimed.headers["location"] == f"/o/{offer_id}?said=perk-claimed"
    assert sqlite_house.books.findings() == []


def test_a_code_of_somebody_else_is_not_there(sqlite_house: House) -> None:
    offer_id = open_shop(sqlite_house).offer()
    driver = rich_driver(sqlite_house)
    code_of(driver, offer_id)
    path = f"/redeem/{driver.get('/v1/redemptions').json()['items'][0]['id']}"
    other = as_page(sqlite_house, sqlite_house.driver())
    assert other.get(path).status_code == 404
    csrf = other.forms("/offers")[0].fields["csrf_token"]
    assert other.post(f"{path}/withdraw", {"csrf_token": csrf}).status_code == 404


def test_a_qr_code_keeps_its_quiet_zone_and_escapes_its_label() -> None:
    drawn = qr_svg("7QK4-M2PX-T9T", '"<b>')
    side = int(drawn.partition('viewBox="0 0 ')[2].split()[0])
    assert (side - 2 * QUIET) % 4 == 1
    columns = [int(x) for x in re.findall(r"M(\d+) ", drawn)]
    rows = [int(y) for y in re.findall(r"M\d+ (\d+)h", drawn)]
    assert min(columns) == min(rows) == QUIET
    assert max(rows) == side - QUIET - 1
    assert "<b>" not in drawn
