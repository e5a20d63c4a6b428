"""The wallet on pages: what it says, where its entries lead, and how money leaves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import func, select

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import driver_nova
from nerava.payouts.model import Payout
from tests.http.flows import add_contact, cash_out, let_go, payee, work_off
from tests.http.shop import code_of, open_shop, rich_driver
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House

PAYOUT = "/wallet/payout"


def as_page(house: House, driver: Caller) -> Browser:
    """Return the browser of somebody who has a token already."""
    return browser_of(house, Role.DRIVER, driver.tenant_id, driver.subject)


def paid(house: House, nova: int = 10_000) -> tuple[Caller, Browser]:
    """Return a driver who can be paid, and their browser."""
    driver, _ = payee(house, nova)
    return driver, as_page(house, driver)


def payouts_in(house: House) -> int:
    """Return how many payouts there are."""
    counted = select(func.count()).select_from(Payout)
    return house.installation.database.read(lambda session: session.execute(counted).scalar_one())


def test_a_new_wallet_says_how_to_fill_it(sqlite_house: House) -> None:
    said = text_of(as_page(sqlite_house, sqlite_house.driver()).get("/wallet").text)
    assert "Charge once to earn your first Nova." in said
    assert "Bronze" in said


def test_the_entries_of_a_wallet_lead_to_what_they_were_about(house: House) -> None:
    shop = open_shop(house, name='<script>"Bean" & Sons</script>')
    driver = rich_driver(house)
    code = code_of(driver, shop.offer())
    held = as_page(house, driver).get("/wallet").text
    redemption = driver.get("/v1/redemptions").json()["items"][0]["id"]
    assert f'href="/redeem/{redemption}"' in held
    assert "Set aside for codes and payouts 300" in text_of(held)
    assert "<script>&#34;" not in held
    assert "&lt;script&gt;&#34;Bean&#34; &amp; Sons&lt;/script&gt;" in held
    assert shop.capture(code).status_code == 200
    taken = as_page(house, driver).get("/wallet").text
    assert "\N{MINUS SIGN}300" in text_of(taken)
    assert taken.count(f'href="/redeem/{redemption}"') == 2
    assert house.books.findings() == []


def test_a_payout_is_confirmed_with_its_fee_and_followed(house: House) -> None:
    driver, browser = paid(house)
    quoted = browser.get(f"{PAYOUT}?amount=12.50")
    assert "Fee 0.25 USD" in text_of(quoted.text)
    asked = browser.submit(f"{PAYOUT}?amount=12.50", PAYOUT)
    assert asked.status_code == 303, asked.text
    path = asked.headers["location"].partition("?")[0]
    assert "In review" in text_of(browser.get(path).text)
    let_go(house, path.rpartition("/")[2])
    work_off(house)
    assert "Your bank has it." in text_of(browser.get(path).text)
    assert house.books.balance(driver_nova(driver.tenant_id)).posted == 10_000 - 1_275
    assert f'href="{path}"' in browser.get("/wallet").text
    assert house.books.findings() == []


def test_a_payout_that_is_pressed_twice_is_one(house: House) -> None:
    driver, browser = paid(house)
    form = next(
        one
        for one in browser.forms(f"{PAYOUT}?amount=10")
        if one.action == PAYOUT and one.fields.get("fee_minor")
    )
    first, second = (browser.post(form.action, form.fields) for _ in range(2))
    assert first.headers["location"] == second.headers["location"]
    assert payouts_in(house) == 1
    assert house.books.balance(driver_nova(driver.tenant_id)).available == 10_000 - 1_025
    assert house.books.findings() == []


@pytest.mark.parametrize(
    "amount", ["0", "-5", "0.99", "1000.01", "1.005", "12,345.00", "1e3", "ten", "9" * 40, "١٢", "<b>"]
)
def test_an_amount_that_cannot_be_paid_is_said_and_moves_nothing(sqlite_house: House, amount: str) -> None:
    _, browser = paid(sqlite_house)
    asked = browser.get(PAYOUT, params={"amount": amount})
    assert asked.status_code == 422
    assert 'role="alert"' in asked.text
    form = next(one for one in browser.forms(f"{PAYOUT}?amount=10") if one.fields.get("fee_minor"))
    sent = browser.post(form.action, {**form.fields, "amount": amount})
    assert sent.status_code == 422
    assert payouts_in(sqlite_house) == 0
    assert sqlite_house.books.findings() == []


def test_more_than_there_is_cannot_even_be_confirmed(sqlite_house: House) -> None:
    _, browser = paid(sqlite_house, nova=1_000)
    page = browser.get(f"{PAYOUT}?amount=10")
    assert "With its fee this takes 1,025 Nova, and you have 1,000." in text_of(page.text)
    assert "fee_minor" not in page.text


def test_a_fee_that_was_not_the_one_shown_is_shown_anew(sqlite_house: House) -> None:
    _, browser = paid(sqlite_house)
    refused = browser.submit(f"{PAYOUT}?amount=10", PAYOUT, fee_minor="1")
    assert refused.status_code == 409
    assert "The fee is 0.25 USD now." in text_of(refused.text)
    assert payouts_in(sqlite_house) == 0


def test_who_cannot_be_reached_is_told_so(sqlite_house: House) -> None:
    driver, method = payee(sqlite_house)
    other = sqlite_house.user()
    stranger = as_page(sqlite_house, other)
    form = next(
        one
        for one in as_page(sqlite_house, driver).forms(f"{PAYOUT}?amount=10")
        if one.fields.get("fee_minor")
    )
    csrf = stranger.forms("/wallet")[0].fields["csrf_token"]
    refused = stranger.post(PAYOUT, {**form.fields, "csrf_token": csrf})
    assert refused.status_code == 404, "a method of somebody else is not there"
    assert method in form.fields["method_id"]


def test_a_payout_that_was_not_sent_is_taken_back(house: House) -> None:
    driver, browser = paid(house)
    asked = browser.submit(f"{PAYOUT}?amount=10", PAYOUT)
    path = asked.headers["location"].partition("?")[0]
    form = next(one for one in browser.forms(path) if one.action == f"{path}/cancel")
    for _ in range(2):
        assert browser.post(form.action, form.fields).status_code == 303
    said = text_of(browser.get(f"{path}?said=payout-taken-back").text)
    assert "You took it back. Your Nova are here again." in said
    assert house.books.balance(driver_nova(driver.tenant_id)).available == 10_000
    assert house.books.findings() == []


def test_a_payout_of_somebody_else_is_not_there(sqlite_house: House) -> None:
    driver, method = payee(sqlite_house)
    payout_id = cash_out(driver, method).json()["id"]
    other = as_page(sqlite_house, sqlite_house.driver())
    assert other.get(f"/payouts/{payout_id}").status_code == 404
    csrf = other.forms("/wallet")[0].fields["csrf_token"]
    fields = {"csrf_token": csrf, "idempotency_key": str(new_id())}
    assert other.post(f"/payouts/{payout_id}/cancel", fields).status_code == 404


def test_a_bank_account_is_added_and_removed(sqlite_house: House) -> None:
    driver = sqlite_house.user()
    add_contact(sqlite_house, driver)
    browser = as_page(sqlite_house, driver)
    assert "First say where the money goes." in text_of(browser.get(PAYOUT).text)
    begun = browser.submit(PAYOUT, f"{PAYOUT}/methods")
    assert begun.status_code == 200
    assert "To the provider" in text_of(begun.text)
    assert "Waits for your details" in text_of(browser.get(PAYOUT).text)
    [method] = driver.get("/v1/payout-methods").json()["methods"]
    removed = browser.submit(PAYOUT, f"{PAYOUT}/methods/{method['id']}/remove")
    assert removed.headers["location"] == f"{PAYOUT}?said=method-removed"
    assert driver.get("/v1/payout-methods").json()["methods"] == []


def test_people_who_come_back_from_the_provider_go_on(sqlite_house: House) -> None:
    back = "/payout-methods/return"
    assert browser_of(sqlite_house, Role.DRIVER).get(back).headers["location"] == PAYOUT
    owner = browser_of(sqlite_house, Role.MERCHANT_OWNER)
    assert owner.get(back).headers["location"] == "/merchant/settlements"
