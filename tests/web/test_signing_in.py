"""Signing in on pages: a code that comes by e-mail, where it leads, and how one leaves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from nerava.identity.contacts import Channel, read_contact
from nerava.identity.messages import contact_index
from nerava.identity.page_guard import ACTING_COOKIE
from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.identity.web_sessions import COOKIE
from nerava.kernel.ids import new_id
from tests.http.test_signing_in import inbox_of
from tests.web.browser import Browser, browser_of, forms_of, text_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from tests.http.conftest import House
MAIL = "ann@example.org"


def came_in(browser: Browser, to: str = MAIL, onward: str = "/wallet") -> Browser:
    """Let somebody sign in with a code, and check where they are sent."""
    asked = browser.submit(f"/sign-in?next={onward}", "/sign-in/code", to=to)
    [form, *_] = forms_of(asked.text)
    code = inbox_of(browser.house, to)[-1][:6]
    answer = browser.post(form.action, {**form.fields, "code": f"{code[:3]} {code[3:]}"})
    assert (answer.status_code, answer.headers["location"]) == (303, onward)
    return browser


def test_somebody_new_signs_in_with_a_code_sees_the_wallet_and_leaves(house: House) -> None:
    browser = came_in(Browser(house))
    assert "Wallet" in text_of(browser.get("/wallet").text)
    left = browser.submit("/wallet", "/sign-out")
    assert left.headers["location"] == "/sign-in?said=signed-out"
    assert left.headers["clear-site-data"] == '"cache", "storage"'
    assert COOKIE not in browser.cookies
    assert "You are signed out." in text_of(browser.get("/sign-in?said=signed-out").text)


def test_a_cookie_that_was_left_is_worth_nothing(sqlite_house: House) -> None:
    browser = came_in(Browser(sqlite_house))
    kept = browser.cookies[COOKIE]
    browser.submit("/wallet", "/sign-out")
    assert Browser(sqlite_house, {COOKIE: kept}).get("/wallet").status_code == 303


def test_a_wrong_code_is_said_on_the_page_and_the_right_one_still_works(sqlite_house: House) -> None:
    browser = Browser(sqlite_house)
    asked = browser.submit("/sign-in?next=/wallet", "/sign-in/code", to=MAIL)
    [form, *_] = forms_of(asked.text)
    code = inbox_of(sqlite_house, MAIL)[-1][:6]
    wrong = browser.post(form.action, {**form.fields, "code": f"{(int(code) + 1) % 1_000_000:06d}"})
    assert wrong.status_code == 401
    assert "The code is wrong" in text_of(wrong.text)
    [again, *_] = forms_of(wrong.text)
    for nonsense in ("", "12345", "12a456", "١٢٣٤٥٦"):
        assert browser.post(again.action, {**again.fields, "code": nonsense}).status_code == 422
    assert browser.post(again.action, {**again.fields, "code": code}).status_code == 303


def test_what_is_no_address_is_said_beside_what_was_typed(sqlite_house: House) -> None:
    answer = Browser(sqlite_house).submit("/sign-in", "/sign-in/code", to="nobody at all")
    assert answer.status_code == 422
    assert 'value="nobody at all"' in answer.text


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "wallet"],
)
def test_nobody_is_sent_to_another_host(sqlite_house: House, elsewhere: str) -> None:
    [form, *_] = Browser(sqlite_house).forms(f"/sign-in?{urlencode({'next': elsewhere})}")
    assert form.fields["next"] == "/"


def test_people_of_ops_are_not_let_in_by_a_code(sqlite_house: House) -> None:
    mine = sqlite_house.installation
    contact, now = read_contact(Channel.EMAIL, MAIL), mine.clock.now()
    index = contact_index(mine.desk.vault, contact)

    def unit(session: Session) -> None:
        subject = mine.desk.admission.enrol(session, contact, index, now)
        grant_role(session, subject, Membership(Role.OPS_ADMIN), granted_by="test", now=now)

    mine.database.run(unit)
    browser = Browser(sqlite_house)
    asked = browser.submit("/sign-in?next=/wallet", "/sign-in/code", to=MAIL)
    assert asked.status_code == 200, "the page does not tell who is of ops"
    assert inbox_of(sqlite_house, MAIL) == []
    assert COOKIE not in browser.cookies


def test_who_has_two_merchants_is_asked_for_which_and_keeps_the_choice(sqlite_house: House) -> None:
    subject, first, second = new_id(), new_id(), new_id()
    browser_of(sqlite_house, Role.MERCHANT_OWNER, first, subject)
    browser = browser_of(sqlite_house, Role.MERCHANT_OWNER, second, subject)
    names = {one.fields.get("as") for one in browser.forms("/choose")} - {None}
    assert names == {f"merchant:owner:{first}", f"merchant:owner:{second}"}
    form = next(one for one in browser.forms("/choose") if one.fields.get("as", "").endswith(str(second)))
    browser.post(form.action, form.fields)
    assert browser.cookies[ACTING_COOKIE] == f"merchant:owner:{second}"
    forged = {**form.fields, "as": f"merchant:owner:{new_id()}"}
    browser.post(form.action, forged)
    assert browser.cookies[ACTING_COOKIE] == f"merchant:owner:{second}"


def test_a_link_lets_the_browser_in_that_asked_and_no_other_without_its_code(house: House) -> None:
    asking, other = Browser(house), Browser(house)
    [form, *_] = asking.forms("/sign-in")
    sent = asking.post("/sign-in/link/ask", {**form.fields, "to": MAIL})
    assert sent.status_code == 200
    pair_code = re.search(r'<p class="hero mono">(\d{6})</p>', sent.text)
    token = inbox_of(house, MAIL)[-1].partition("#")[2].strip()
    refused = other.submit("/sign-in/link", "/sign-in/link", token=token)
    assert refused.status_code == 403
    assert "Type the code that the other browser shows" in text_of(refused.text)
    [again, *_] = forms_of(refused.text)
    assert pair_code is not None
    came = other.post(again.action, {**again.fields, "token": token, "pair_code": pair_code[1]})
    assert (came.status_code, came.headers["location"]) == (303, "/wallet")
    assert other.get("/wallet").status_code == 200
    used = asking.submit("/sign-in/link", "/sign-in/link", token=token)
    assert used.status_code == 401
    assert COOKIE not in asking.cookies


def test_a_link_opens_at_once_where_it_was_asked_for(sqlite_house: House) -> None:
    browser = Browser(sqlite_house)
    [form, *_] = browser.forms("/sign-in")
    browser.post("/sign-in/link/ask", {**form.fields, "to": MAIL})
    token = inbox_of(sqlite_house, MAIL)[-1].partition("#")[2].strip()
    assert browser.submit("/sign-in/link", "/sign-in/link", token=token).status_code == 303
    assert browser.get("/wallet").status_code == 200
