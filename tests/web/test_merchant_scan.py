"""Taking codes on a page: what is typed, the verdict in words, undoing, and what a till sees of its day."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.kernel.clock import FixedClock
from nerava.web.merchant.scanning import TILL_COOKIE
from tests.http.conftest import opened_house
from tests.http.shop import code_of, nova_of, open_shop, rich_driver, show
from tests.web.browser import Browser, browser_of, forms_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.http.conftest import House
    from tests.http.shop import Shop

NOON = datetime(2026, 3, 2, 18, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that is moved by hand."""
    return FixedClock(NOON)


@pytest.fixture
def noon_house(url: str, tmp_path: Path, clock: FixedClock) -> Iterator[House]:
    """A fresh house at noon, on both databases."""
    with opened_house(url, tmp_path, clock) as opened:
        yield opened


def at_till(shop: Shop) -> Browser:
    """Return the browser of somebody at a till."""
    return browser_of(shop.house, Role.MERCHANT_REGISTER, shop.merchant_id)


def test_a_code_is_typed_as_people_type_and_the_verdict_says_what_comes_off(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    till, offer_id = at_till(shop), shop.offer()
    spellings = (
        str.lower,
        lambda code: code.replace("-", " "),
        lambda code: f"  {code.replace('-', '').replace('0', 'o').replace('1', 'l')} ",
    )
    for spelled in spellings:
        sent = till.submit("/till", "/till", code=spelled(code_of(driver, offer_id)), bill_minor="1,20")
        assert sent.status_code == 303, text_of(sent.text)
        said = text_of(till.get(sent.headers["location"]).text)
        assert "Valid 1.20 USD off" in said
        assert "still to pay 0.00 USD" in said
    assert shop.points == 360
    assert nova_of(house, driver) == (640, 640)
    assert house.findings() == []


def test_a_double_click_takes_a_code_once_and_both_see_the_same(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    till = at_till(shop)
    [form] = [one for one in till.forms("/till") if one.action == "/till"]
    fields = {**form.fields, "code": code_of(driver, shop.offer())}
    first, second = till.post("/till", fields), till.post("/till", fields)
    assert first.headers["location"] == second.headers["location"]
    assert shop.points == 300
    assert house.findings() == []


def test_a_used_code_says_at_which_till_and_when_and_takes_nothing(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    code = code_of(driver, shop.offer())
    shop.capture(code)
    shop.register()
    owner = browser_of(house, Role.MERCHANT_OWNER, shop.merchant_id)
    for register_id, where in ((shop.register(), ""), (shop.register_id, "(this one)")):
        answer = owner.submit("/merchant/scan", "/merchant/scan", code=code, register_id=register_id)
        said = text_of(answer.text)
        assert answer.status_code == 409
        assert "Used already Taken at Till" in said
        assert ("(this one)" in said) == bool(where)
        assert "Nothing was taken again" in said
    assert shop.points == 300
    assert house.findings() == []


def test_a_code_of_this_till_can_be_undone_after_it_was_typed_again(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    code, till = code_of(driver, shop.offer()), at_till(shop)
    till.submit("/till", "/till", code=code)
    again = till.submit("/till", "/till", code=code)
    [undo] = [one for one in forms_of(again.text) if one.action == "/till/undo"]
    assert till.post(undo.action, undo.fields).status_code == 303
    assert nova_of(sqlite_house, driver) == (1_000, 1_000)
    assert sqlite_house.findings() == []


def test_what_is_wrong_with_a_code_is_said_in_words(noon_house: House, clock: FixedClock) -> None:
    shop, other, driver = open_shop(noon_house), open_shop(noon_house), rich_driver(noon_house)
    till, offer_id = at_till(shop), shop.offer()

    def said(code: str, status: int) -> str:
        answer = till.submit("/till", "/till", code=code)
        assert answer.status_code == status, text_of(answer.text)
        return text_of(answer.text)

    code = code_of(driver, offer_id)
    wrong = code[:-1] + ("2" if code[-1] != "2" else "3")
    assert "Check the code" in said(wrong, 422)
    assert "Check the code" in said("U" * 200, 422)
    assert "Check the code" in said("\u0661\u0662\u0663", 422)
    assert "Check the code" in said("https://example.org/r#", 422)
    assert "Not a code of this shop" in said(code_of(driver, other.offer()), 404)
    clock.move_to(NOON + timedelta(hours=2))
    till = at_till(shop)
    assert "Expired" in said(code, 410)
    assert shop.points == other.points == 0
    assert noon_house.findings() == []


def test_a_withdrawn_code_is_told_from_an_expired_one(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    shown = show(driver, shop.offer()).json()
    driver.client.delete(f"/v1/redemptions/{shown['id']}", headers=driver.headers())
    answer = at_till(shop).submit("/till", "/till", code=shown["code"])
    assert (answer.status_code, "Withdrawn" in text_of(answer.text)) == (410, True)


@pytest.mark.parametrize("bill", ["-1", "0", "1.234", "12x", "9" * 40, "1e3", "NaN", "\u0661"])
def test_a_bill_that_is_no_amount_takes_nothing_and_stays_to_be_corrected(
    sqlite_house: House, bill: str
) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    code = code_of(driver, shop.offer())
    answer = at_till(shop).submit("/till", "/till", code=code, bill_minor=bill)
    assert answer.status_code == 422, text_of(answer.text)
    assert f'value="{code}"' in answer.text
    assert f'value="{bill}"' in answer.text
    assert shop.points == 0
    assert nova_of(sqlite_house, driver) == (1_000, 700)


def test_a_scanned_address_holds_its_code_after_the_hash(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    address = f"https://example.org/r#{code_of(driver, shop.offer())}"
    assert at_till(shop).submit("/till", "/till", code=address).status_code == 303
    assert shop.points == 300


def test_an_order_takes_one_code(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    till, offer_id = at_till(shop), shop.offer()
    assert (
        till.submit("/till", "/till", code=code_of(driver, offer_id), pos_order_id="A-17").status_code == 303
    )
    again = till.submit("/till", "/till", code=code_of(driver, offer_id), pos_order_id="A-17")
    assert "This order has a code already" in text_of(again.text)
    assert shop.points == 300


def test_undo_works_for_a_minute_and_says_when_it_is_too_late(noon_house: House, clock: FixedClock) -> None:
    shop, driver = open_shop(noon_house), rich_driver(noon_house)
    till, offer_id = at_till(shop), shop.offer()
    page = till.submit("/till", "/till", code=code_of(driver, offer_id)).headers["location"]
    undone = till.submit(page, "/till/undo")
    assert (undone.status_code, shop.points) == (303, 0)
    assert "Undone." in text_of(till.get(undone.headers["location"]).text)
    assert "Voided" in text_of(till.get(page).text)

    page = till.submit("/till", "/till", code=code_of(driver, offer_id)).headers["location"]
    [form] = [one for one in till.forms(page) if one.action == "/till/undo"]
    clock.move_to(NOON + timedelta(seconds=61))
    late = till.post("/till/undo", form.fields)
    assert (late.status_code, "Too late to void" in text_of(late.text)) == (409, True)
    assert not [one for one in till.forms(page) if one.action == "/till/undo"]
    assert shop.points == 300
    assert noon_house.findings() == []


def test_a_browser_remembers_its_till(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    second, till = shop.register(), at_till(shop)
    till.submit("/till", "/till", code=code_of(driver, shop.offer()), register_id=second)
    assert till.cookies[TILL_COOKIE] == second
    [form] = [one for one in till.forms("/till") if one.action == "/till"]
    assert form.fields["register_id"] == second
    assert "3.00 USD" in text_of(till.get("/till/today").text)
    assert "Nothing was taken at this till" in text_of(
        till.get(f"/till/today?register={shop.register_id}").text
    )


def test_a_shop_without_a_till_says_where_to_add_one(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    shop.owner.post(f"/v1/merchant/registers/{shop.register_id}/close")
    owner = browser_of(sqlite_house, Role.MERCHANT_OWNER, shop.merchant_id)
    assert 'href="/merchant/places"' in owner.get("/merchant/scan").text
    assert "Ask your manager" in text_of(at_till(shop).get("/till").text)
    closed = owner.post(
        "/merchant/scan", {"csrf_token": _token(owner), "register_id": "nonsense", "code": "x"}
    )
    assert closed.status_code == 422


def test_titles_are_text(sqlite_house: House) -> None:
    shop, driver = open_shop(sqlite_house), rich_driver(sqlite_house)
    nasty = "<script>alert(1)</script>\"'"
    sent = at_till(shop).submit("/till", "/till", code=code_of(driver, shop.offer(title=nasty)))
    html = at_till(shop).get(sent.headers["location"]).text
    assert "<script>alert" not in html
    assert re.search(r"&lt;script&gt;alert\(1\)", html)


def _token(browser: Browser) -> str:
    [form, *_] = browser.forms("/choose")
    return form.fields["csrf_token"]
