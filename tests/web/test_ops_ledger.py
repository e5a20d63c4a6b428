"""The ledger on pages: accounts, transactions, corrections and reversals, alone and by two people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.correction_examples import granted, present
from tests.http.flows import fill_promo
from tests.web.browser import browser_of, forms_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House


def promo(house: House) -> int:
    """Return what the house's budget for presents holds."""
    posted: int = house.caller(Role.OPS_SUPPORT).get("/v1/ops/accounts/platform:promo").json()["posted"]
    return posted


def test_an_account_is_looked_up_with_its_lines_and_what_it_held(sqlite_house: House) -> None:
    transaction_id, driver_id = present(sqlite_house, 100)
    browser = browser_of(sqlite_house, Role.OPS_SUPPORT)
    assert "Cash behind every Nova" in text_of(browser.get("/ops/ledger").text)
    page = browser.get(f"/ops/ledger?account=driver:{driver_id}:nova&at=2020-01-01T00:00").text
    assert "A present from the house" in text_of(page)
    assert "Held 1 Jan 2020, 00:00 UTC 0 Nova" in text_of(page)
    assert f"/ops/transactions/{transaction_id}" in page
    gone = browser.get(f"/ops/ledger?account={transaction_id}")
    assert gone.headers["location"] == f"/ops/transactions/{transaction_id}"
    shown = text_of(browser.get(gone.headers["location"]).text)
    assert "platform:promo nova:reserve" in shown
    assert "Take it back" not in shown, "support corrects nothing"


@pytest.mark.parametrize(
    ("account", "status"),
    [
        ("nobody:here", 404), ("<script>alert(1)</script>", 422), ("h\u00e9llo", 422), ("a b", 422),
        ("'; drop table", 422), ("driver:x:nova", 404), ("x" * 201, 422), ("..", 422),
    ],
)  # fmt: skip
def test_what_is_no_account_is_said_and_kept_in_the_box(
    sqlite_house: House, account: str, status: int
) -> None:
    answer = browser_of(sqlite_house, Role.OPS_FINANCE).get("/ops/ledger", params={"account": account})
    assert answer.status_code == status
    assert "<script>alert" not in answer.text


def test_a_nonsensical_instant_is_said(sqlite_house: House) -> None:
    browser = browser_of(sqlite_house, Role.OPS_FINANCE)
    for nonsense in ("yesterday", "2026-13-45T99:99", "2026-02-30T10:00"):
        answer = browser.get("/ops/ledger", params={"account": "nova:reserve", "at": nonsense})
        assert answer.status_code == 422, nonsense


def test_a_correction_happens_once_and_nonsense_changes_nothing(house: House) -> None:
    fill_promo(house, 1_000)
    browser = browser_of(house, Role.OPS_FINANCE)
    form = next(one for one in browser.forms("/ops/corrections") if one.action == "/ops/corrections")
    good = {**form.fields, "debit": "platform:promo", "credit": "platform:adjustments", "amount": "1.50"}
    for name, nonsense in (
        ("amount", "-1"), ("amount", "0"), ("amount", "1.005"), ("amount", "9" * 30), ("amount", "all"),
        ("amount", ""), ("debit", "nowhere"), ("debit", "<b>"), ("reason", "because"), ("credit", "nova:reserve"),
    ):  # fmt: skip
        answer = browser.post(form.action, {**good, name: nonsense})
        assert 400 <= answer.status_code < 500, (name, nonsense)
        assert "platform:adjustments" in answer.text or name == "credit"
    assert promo(house) == 1_000
    done = [browser.post(form.action, good) for _ in range(2)]
    assert {one.status_code for one in done} == {303}
    assert len({one.headers["location"] for one in done}) == 1
    assert promo(house) == 850
    assert "Corrected." in text_of(browser.get(done[0].headers["location"]).text)
    assert house.findings() == []


def test_a_large_correction_waits_and_another_person_agrees_or_refuses(house: House) -> None:
    fill_promo(house, 50_000)
    first, second = browser_of(house, Role.OPS_FINANCE), browser_of(house, Role.OPS_FINANCE)
    large = {"debit": "platform:promo", "credit": "platform:adjustments", "amount": "200"}
    for _ in range(2):
        asked = first.submit("/ops/corrections", "/ops/corrections", **large)
        assert asked.headers["location"] == "/ops/approvals?said=asked"
    assert [one.action for one in first.forms("/ops/approvals")] == ["/sign-out"]
    agree, refuse = (
        [one for one in second.forms("/ops/approvals") if one.action.endswith(word)]
        for word in ("/approve", "/refuse")
    )
    assert second.post(refuse[1].action, {**refuse[1].fields, "reason": ""}).status_code == 422
    refused = second.post(refuse[1].action, {**refuse[1].fields, "reason": "not this one"})
    assert refused.headers["location"] == "/ops/approvals?said=refused"
    for _ in range(2):
        agreed = second.post(agree[0].action, agree[0].fields)
        assert agreed.headers["location"] == "/ops/approvals?said=agreed"
    assert promo(house) == 30_000
    assert house.findings() == []


def test_a_present_is_reversed_once_and_a_reward_is_not_reversed_here(house: House) -> None:
    transaction_id, driver_id = present(house, 100)
    grant_id, rewarded = granted(house)
    browser = browser_of(house, Role.OPS_FINANCE)
    path = f"/ops/transactions/{transaction_id}"
    form = next(one for one in browser.forms(path) if one.action == f"{path}/reversal")
    assert browser.post(form.action, {**form.fields, "reason": "whim"}).status_code == 422
    done = [browser.post(form.action, form.fields) for _ in range(2)]
    assert len({one.headers["location"] for one in done}) == 1
    again = browser.submit(path, f"{path}/reversal")
    assert again.status_code == 409
    assert "This transaction has been reversed" in text_of(again.text)
    held = house.caller(Role.OPS_SUPPORT).get(f"/v1/ops/accounts/driver:{driver_id}:nova").json()
    assert held["posted"] == 0
    page = browser.get(f"/ops/ledger?account=driver:{rewarded}:nova").text
    [reward] = {one for one in page.split('"') if one.startswith("/ops/transactions/")}
    assert "rewards by a clawback" in text_of(browser.get(reward).text)
    assert browser.get(f"/ops/transactions/{grant_id}").status_code == 404
    assert house.findings() == []
    assert forms_of(browser.get(reward).text)
    assert browser.get(f"/ops/transactions/{new_id()}").status_code == 404
