"""Oneself on a page: sign-ins end, consents change, a copy is made, and being forgotten can be undone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.flows import work_off
from tests.web.browser import Browser, browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House


def driver_in(house: House) -> Browser:
    """Return the browser of a driver who signed up."""
    driver = house.user()
    return browser_of(house, Role.DRIVER, driver.tenant_id, driver.subject)


def test_the_page_says_what_is_known(house: House) -> None:
    said = text_of(driver_in(house).get("/you").text)
    assert "No car is connected." in said
    assert "A browser This one" in said
    assert "The privacy notice Not agreed to" in said


def test_another_sign_in_is_ended(sqlite_house: House) -> None:
    driver = sqlite_house.user()
    mine, other = (browser_of(sqlite_house, Role.DRIVER, driver.tenant_id, driver.subject) for _ in range(2))
    actions = [one for one in mine.forms("/you") if one.action.startswith("/you/sign-ins/")]
    for form in actions:
        assert mine.post(form.action, form.fields).status_code == 303
    assert other.get("/you").status_code == 303
    assert mine.get("/you").status_code == 200
    csrf = mine.forms("/you")[0].fields["csrf_token"]
    assert mine.post(f"/you/sign-ins/{new_id()}/end", {"csrf_token": csrf}).status_code == 404


def test_signing_out_everywhere_ends_this_sign_in_too(sqlite_house: House) -> None:
    mine = driver_in(sqlite_house)
    assert mine.submit("/you", "/you/sign-out-everywhere").headers["location"].startswith("/sign-in")
    assert mine.get("/you").status_code == 303


def test_a_consent_is_given_and_taken_back_and_nonsense_is_refused(sqlite_house: House) -> None:
    mine = driver_in(sqlite_house)
    assert mine.submit("/you", "/you/consents").headers["location"] == "/you?said=saved"
    assert "The terms of use Agreed to terms-2026-11" in text_of(mine.get("/you").text)
    mine.submit("/you", "/you/consents")
    assert "The terms of use Taken back" in text_of(mine.get("/you").text)
    for purpose, text in (("", ""), ("everything", "x"), ("terms", "privacy-2026-11"), ("terms", "<b>")):
        wrong = mine.submit("/you", "/you/consents", purpose=purpose, text_id=text)
        assert wrong.status_code == 422


def test_a_copy_of_ones_data_is_made_and_fetched(sqlite_house: House) -> None:
    mine = driver_in(sqlite_house)
    path = mine.submit("/you", "/you/exports").headers["location"]
    assert "It is being made." in text_of(mine.get(path).text)
    assert mine.get(f"{path}/archive").status_code == 409
    work_off(sqlite_house)
    assert "It is ready" in text_of(mine.get(path).text)
    copy = mine.get(f"{path}/archive")
    assert copy.headers["content-type"] == "application/zip"
    assert copy.content.startswith(b"PK")
    assert driver_in(sqlite_house).get(path).status_code == 404


def test_who_asks_to_be_forgotten_can_go_back_on_it(sqlite_house: House) -> None:
    mine = driver_in(sqlite_house)
    assert mine.submit("/you", "/you/erasure").headers["location"] == "/you?said=erasure-asked"
    assert "Nothing happens before" in text_of(mine.get("/you").text)
    assert mine.submit("/you", "/you/erasure/undo").headers["location"] == "/you?said=erasure-undone"
    assert "You asked to be forgotten" not in text_of(mine.get("/you").text)
