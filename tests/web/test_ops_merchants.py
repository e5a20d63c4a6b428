"""Merchants, what they are owed and owe, cars in review and drivers, on the pages of operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.vehicles.states import LinkState
from tests.http.correction_examples import granted
from tests.http.flows import fill_promo
from tests.http.settlement_examples import become_overdue, invoice_id, settled_shop, settlement_id
from tests.http.vehicle_examples import link_of
from tests.web.browser import browser_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House

NAME = '<script>alert("x")</script> & Söhne'


def test_a_merchant_is_made_known_once_suspended_and_reopened(sqlite_house: House) -> None:
    browser = browser_of(sqlite_house, Role.OPS_ADMIN)
    assert "No merchants yet." in text_of(browser.get("/ops/merchants").text)
    form = next(one for one in browser.forms("/ops/new-merchant") if one.action == "/ops/new-merchant")
    good = {
        **form.fields,
        "name": NAME,
        "timezone": "America/Chicago",
        "fee_percent": "12,5",
        "claim_fee": "1.50",
    }
    for name, nonsense in (
        ("name", ""), ("timezone", "Mars/Olympus"), ("fee_percent", "-1"), ("fee_percent", "99"),
        ("fee_percent", "1.234"), ("claim_fee", "1.005"), ("claim_fee", "free"),
    ):  # fmt: skip
        assert browser.post(form.action, {**good, name: nonsense}).status_code in {404, 422}, (name, nonsense)
    made = [browser.post(form.action, good) for _ in range(2)]
    assert len({one.headers["location"] for one in made}) == 1
    path = made[0].headers["location"].partition("?")[0]
    page = browser.get(path).text
    assert "<script>alert(" not in page
    assert "12.50 %" in text_of(page)
    assert "1.50 USD" in text_of(page)
    assert text_of(browser.get("/ops/merchants").text).count("& S") == 0
    assert browser.submit(path, f"{path}/suspend", reason="").status_code == 422
    assert (
        browser.submit(path, f"{path}/suspend", reason="unpaid").headers["location"]
        == f"{path}?said=suspended"
    )
    assert "Suspended" in text_of(browser.get(path).text)
    assert browser.submit(path, f"{path}/periods", timezone="Nowhere").status_code in {404, 422}
    assert browser.submit(path, f"{path}/periods", cadence="week").headers["location"] == f"{path}?said=saved"
    assert (
        browser.submit(path, f"{path}/reopen", reason="paid").headers["location"] == f"{path}?said=reopened"
    )
    other = browser_of(sqlite_house, Role.OPS_FINANCE)
    assert [one.action for one in other.forms(path)] == ["/sign-out"]
    assert sqlite_house.findings() == []


def test_an_invoice_is_paid_in_part_once_and_its_rest_given_up_by_two(house: House) -> None:
    shop = settled_shop(house)
    first, second = browser_of(house, Role.OPS_FINANCE), browser_of(house, Role.OPS_FINANCE)
    settlement, path = f"/ops/settlements/{settlement_id(shop)}", f"/ops/invoices/{invoice_id(shop)}"
    assert settlement in first.get("/ops/settlements").text
    assert path in first.get(settlement).text
    become_overdue(house)
    assert path in first.get("/ops/invoices").text
    form = next(one for one in first.forms(path) if one.action == f"{path}/payments")
    good = {**form.fields, "reference": "wire-7", "amount": "0.40"}
    for name, nonsense in (
        ("amount", "-1"), ("amount", "0"), ("amount", "0.405"), ("amount", "9999"), ("reference", ""),
        ("reference", "<b>"),
    ):  # fmt: skip
        assert 400 <= first.post(form.action, {**good, name: nonsense}).status_code < 500, (name, nonsense)
    fresh = next(one for one in first.forms(path) if one.action == f"{path}/payments")
    good = {**good, "idempotency_key": fresh.fields["idempotency_key"]}
    for _ in range(2):
        assert first.post(form.action, good).headers["location"] == f"{path}?said=payment-booked"
    assert "Open 0.60 USD Of 1.00 USD" in text_of(first.get(path).text)
    assert first.submit(path, f"{path}/write-off").headers["location"] == f"{path}?said=asked"
    [agree] = [one for one in second.forms("/ops/approvals") if one.action.endswith("/approve")]
    assert second.post(agree.action, agree.fields).headers["location"] == "/ops/approvals?said=agreed"
    assert "Open 0.00 USD" in text_of(first.get(path).text)
    assert first.submit("/ops/settlements", "/ops/settlements").headers["location"].endswith("periods-closed")
    assert house.findings() == []


def test_a_driver_gets_a_present_once_and_what_was_not_earned_is_taken_back_once(house: House) -> None:
    grant_id, driver_id = granted(house, 40)
    fill_promo(house, 60_000)
    browser = browser_of(house, Role.OPS_FINANCE)
    path = f"/ops/drivers/{driver_id}"
    assert browser.get("/ops/reviews", params={"driver": str(driver_id)}).headers["location"] == path
    assert browser.get("/ops/reviews?session=nonsense").status_code == 422
    present = next(one for one in browser.forms(path) if one.action == f"{path}/present")
    taking = next(one for one in browser.forms(path) if one.action == f"{path}/grants/{grant_id}")
    for nonsense in ("-1", "0", "1.5", "9" * 15, "", "many"):
        assert 400 <= browser.post(present.action, {**present.fields, "points": nonsense}).status_code < 500
        assert 400 <= browser.post(taking.action, {**taking.fields, "points": nonsense}).status_code < 500
    for _ in range(2):
        given = browser.post(present.action, {**present.fields, "points": "100"})
        assert given.headers["location"] == f"{path}?said=given"
        taken = browser.post(taking.action, {**taking.fields, "points": "15"})
        assert taken.headers["location"] == f"{path}?said=taken-back"
    asked = browser.submit(path, f"{path}/present", points="20000")
    assert asked.headers["location"] == f"{path}?said=asked"
    seen = text_of(browser.get(path).text)
    assert "Nova 125 Nova" in seen
    assert "25 Nova of 40" in seen
    why = next(one for one in browser.get(path).text.split('"') if one.startswith("/ops/sessions/"))
    assert "Autumn" in text_of(browser.get(why).text)
    assert browser.get(f"/ops/sessions/{new_id()}").status_code == 404
    assert browser.get(f"/ops/drivers/{new_id()}").status_code == 404
    assert house.findings() == []


def test_a_car_in_review_is_decided_with_a_reason_by_those_who_may(sqlite_house: House) -> None:
    link_id = link_of(sqlite_house, sqlite_house.driver(), LinkState.REVIEW)
    finance, support = browser_of(sqlite_house, Role.OPS_FINANCE), browser_of(sqlite_house, Role.OPS_SUPPORT)
    assert "Cars that wait" not in text_of(finance.get("/ops/reviews").text)
    path = f"/ops/reviews/{link_id}"
    assert support.submit("/ops/reviews", path, reason="").status_code == 422
    done = support.submit("/ops/reviews", path, accepted="no", reason="case 7")
    assert done.headers["location"] == "/ops/reviews?said=decided"
    assert "No car waits" in text_of(support.get("/ops/reviews").text)
    assert "No refund waits" in text_of(support.get("/ops/till-refunds").text)
