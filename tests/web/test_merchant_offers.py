"""Offers on pages: drafted, published, paused, ended, and codes that are shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from tests.http.shop import code_of, open_shop, rich_driver
from tests.web.browser import Browser, browser_of, forms_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House
    from tests.http.shop import Shop

OFFERS = "/merchant/offers"
NEW = f"{OFFERS}/new?kind=discount"
LATER = "2099-01-01T09:00"


def owner_of(shop: Shop) -> Browser:
    """Return the browser of a shop's owner."""
    return browser_of(shop.house, Role.MERCHANT_OWNER, shop.merchant_id)


def known(shop: Shop) -> list[dict[str, object]]:
    """Return the shop's offers as the API has them."""
    return list(shop.owner.get(f"/v1{OFFERS}").json()["items"])


def test_an_offer_goes_from_a_template_to_its_end(house: House) -> None:
    shop = open_shop(house)
    owner = owner_of(shop)
    assert "Begin with one of two templates" in text_of(owner.get(OFFERS).text)
    assert "kind=perk" in owner.get(f"{OFFERS}/new").text
    typed = {"title": "2.00 off", "price_nova": "200", "daily_stock": "5", "starts_at": "2026-03-02T09:00"}
    made = owner.submit(NEW, OFFERS, **typed, site_id=shop.site_id)
    path = made.headers["location"].partition("?")[0]
    [one] = known(shop)
    assert (one["state"], one["price_nova"], one["daily_stock"]) == ("draft", 200, 5)
    assert one["starts_at"] == "2026-03-02T15:00:00Z"
    assert "As drivers will see it" in text_of(owner.get(path).text)

    [edit] = [form for form in owner.forms(f"{path}/edit") if form.action == f"{path}/edit"]
    assert (edit.fields["starts_at"], edit.fields["title"]) == ("2026-03-02T09:00", "2.00 off")
    assert owner.post(edit.action, {**edit.fields, "title": "Two off"}).status_code == 303

    for move, state in (("publish", "live"), ("pause", "paused"), ("publish", "live"), ("end", "ended")):
        assert owner.submit(path, f"{path}/{move}").status_code == 303
        assert [known(shop)[0][name] for name in ("state", "title")] == [state, "Two off"]
    assert f'action="{path}/publish"' not in owner.get(path).text
    again = owner.post(f"{path}/publish", {"csrf_token": _token(owner), "idempotency_key": "again"})
    assert (again.status_code, "in another state" in text_of(again.text)) == (409, True)
    copied = owner.submit(f"{OFFERS}/new?like={one['id']}", OFFERS)
    assert copied.status_code == 303
    assert {each["state"] for each in known(shop)} == {"ended", "draft"}


def test_a_pause_says_what_happens_to_open_codes_and_the_till_still_takes_them(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    offer_id = shop.offer()
    code, owner = code_of(driver, offer_id), owner_of(shop)
    page = f"{OFFERS}/{offer_id}"
    assert "Codes that are open stay good until they expire" in text_of(owner.get(page).text)
    owner.submit(page, f"{page}/pause")
    assert owner.submit("/merchant/scan", "/merchant/scan", code=code).status_code == 303
    assert shop.points == 300
    assert house.findings() == []


def test_pressed_twice_is_one_draft(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    owner = owner_of(shop)
    [form] = [one for one in owner.forms(NEW) if one.action == OFFERS]
    fields = {**form.fields, "title": "1.00 off", "price_nova": "100", "starts_at": LATER}
    first, second = owner.post(OFFERS, fields), owner.post(OFFERS, fields)
    assert first.headers["location"] == second.headers["location"]
    assert len(known(shop)) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"price_nova": "-1"},
        {"price_nova": "0"},
        {"price_nova": "1.5"},
        {"price_nova": "9" * 30},
        {"price_nova": "abc"},
        {"price_nova": ""},
        {"title": ""},
        {"title": "\u202e"},
        {"title": "x" * 500},
        {"daily_stock": "-3"},
        {"daily_stock": "0"},
        {"starts_at": "tomorrow"},
        {"starts_at": "9999-12-31T23:59"},
        {"ends_at": "2020-01-01T00:00"},
        {"ends_at": "2026-02-30T00:00"},
        {"site_id": "0190f3a4-0000-7000-8000-000000000000"},
        {"kind": "gift"},
    ],
)
def test_an_offer_that_makes_no_sense_is_not_drafted_and_stays_to_be_corrected(
    sqlite_house: House, wrong: dict[str, str]
) -> None:
    shop = open_shop(sqlite_house)
    typed = {"title": "Kept & typed", "price_nova": "100", "starts_at": "2026-03-02T09:00"} | wrong
    answer = owner_of(shop).submit(NEW, OFFERS, **typed)
    assert answer.status_code in {404, 422}, text_of(answer.text)
    assert 'role="alert"' in answer.text
    assert "title" in wrong or 'value="Kept &amp; typed"' in answer.text
    assert known(shop) == []


def test_a_perk_has_no_price_and_says_what_a_claim_costs(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    owner = owner_of(shop)
    made = owner.submit(f"{OFFERS}/new?kind=perk", OFFERS, title="A coffee")
    assert made.status_code == 303
    assert "A claim costs you 1.00 USD" in text_of(owner.get(made.headers["location"]).text)


def test_codes_are_shown_once_kept_as_a_file_and_ended(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    page, owner = f"{OFFERS}/{shop.offer()}", owner_of(shop)
    shown = owner.submit(page, f"{page}/codes", count="3", expires_at=LATER)
    [keep] = [one for one in forms_of(shown.text) if one.action == f"{page}/codes/csv"]
    file = owner.post(keep.action, keep.fields)
    codes = file.text.split()
    assert (codes[0], len(codes)) == ("code", 4)
    assert all(code in shown.text for code in codes[1:])
    assert file.headers["content-type"].startswith("text/csv")
    assert not any(code in owner.get(page).text for code in codes[1:])
    assert "0 of 3 claimed" in text_of(owner.get(page).text)
    for move in ("pause", "resume", "end"):
        [form] = [
            one for one in owner.forms(page) if one.action.endswith(f"/{move}") and "/codes/" in one.action
        ]
        assert owner.post(form.action, form.fields).status_code == 303
    assert "Make codes" in owner.get(page).text
    batches = shop.owner.get(f"/v1{page}/code-batches").json()["items"]
    assert [one["state"] for one in batches] == ["ended"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"count": "0"},
        {"count": "-1"},
        {"count": "5001"},
        {"count": "x"},
        {"expires_at": "2020-01-01T00:00"},
        {"expires_at": ""},
    ],
)
def test_codes_that_make_no_sense_are_not_made(sqlite_house: House, wrong: dict[str, str]) -> None:
    shop = open_shop(sqlite_house)
    page = f"{OFFERS}/{shop.offer()}"
    answer = owner_of(shop).submit(page, f"{page}/codes", **({"count": "3", "expires_at": LATER} | wrong))
    assert answer.status_code == 422, text_of(answer.text)
    assert shop.owner.get(f"/v1{page}/code-batches").json()["items"] == []


def test_offers_of_others_and_moves_that_are_none_are_not_there(sqlite_house: House) -> None:
    shop, other = open_shop(sqlite_house), open_shop(sqlite_house)
    owner = owner_of(shop)
    theirs = other.offer()
    assert owner.get(f"{OFFERS}/{theirs}").status_code == 404
    for move in ("pause", "end", "erase"):
        answer = owner.post(
            f"{OFFERS}/{theirs}/{move}", {"csrf_token": _token(owner), "idempotency_key": "k"}
        )
        assert answer.status_code == 404
    [one] = other.owner.get(f"/v1{OFFERS}").json()["items"]
    assert one["state"] == "live"


def test_what_people_wrote_is_text(sqlite_house: House) -> None:
    shop = open_shop(sqlite_house)
    offer_id = shop.draft(title="<script>x</script>\"'", terms="\u05d0 <b>")
    for path in (OFFERS, f"{OFFERS}/{offer_id}", f"{OFFERS}/{offer_id}/edit"):
        html = owner_of(shop).get(path).text
        assert "<script>x" not in html
        assert "&lt;script&gt;x" in html


def _token(browser: Browser) -> str:
    [form, *_] = browser.forms("/choose")
    return form.fields["csrf_token"]
