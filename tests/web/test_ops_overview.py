"""The first page of operations, and the books."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.ledger.alarm_store import alarm
from tests.web.browser import browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House

OPS = [Role.OPS_SUPPORT, Role.OPS_FINANCE, Role.OPS_ADMIN]


@pytest.mark.parametrize("role", OPS)
def test_everybody_of_operations_sees_the_books_and_no_call_that_is_closed_to_them_fails_the_page(
    sqlite_house: House, role: Role
) -> None:
    browser = browser_of(sqlite_house, role)
    seen = text_of(browser.get("/ops").text)
    assert "In balance" in seen
    assert "Everything runs" in seen
    assert ("Work in the background" in seen) is (role is not Role.OPS_ADMIN)
    assert "every sum is right" in text_of(browser.get("/ops/books").text)


def test_an_alarm_is_a_red_bar_over_every_page_of_operations(sqlite_house: House) -> None:
    now = sqlite_house.installation.clock.now()
    ringing = insert(alarm).values(
        id=new_id(),
        name="points-are-backed",
        about="nova:reserve",
        detail="<script>alert(1)</script> short",
        first_seen_at=now,
        last_seen_at=now,
    )
    sqlite_house.installation.database.run(lambda session: session.execute(ringing))
    browser = browser_of(sqlite_house, Role.OPS_FINANCE)
    for path in ("/ops", "/ops/books"):
        page = browser.get(path).text
        assert "The books are not right: 1 alarm rings." in text_of(page)
        assert "<script>alert" not in page
    assert "Points are backed" in text_of(browser.get("/ops").text)


def test_what_is_stopped_is_on_the_first_page(sqlite_house: House) -> None:
    sqlite_house.caller(Role.OPS_SUPPORT).post("/v1/ops/switches/earn/on", {"reason": "rewards doubled"})
    seen = text_of(browser_of(sqlite_house, Role.OPS_SUPPORT).get("/ops").text)
    assert "earn rewards doubled Stopped since" in seen
    assert "Everything runs" not in seen


def test_a_proof_is_asked_for_and_waits_once(sqlite_house: House) -> None:
    browser = browser_of(sqlite_house, Role.OPS_SUPPORT)
    for _ in range(2):
        answer = browser.submit("/ops/books", "/ops/books/proofs")
        assert answer.headers["location"] == "/ops/books?said=proof-asked"
    seen = text_of(browser.get("/ops/books?said=proof-asked").text)
    assert "Asked. All of the books are read soon" in seen
    assert seen.count("Waits") == 2, "the proof in the list, and what comes next"
