"""Payouts on pages: proposed by one, let go by another, looked at, rejected; cases and comparisons."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from nerava.payouts.model import Payout, PayoutCase, ReconciliationRun
from nerava.payouts.reconciling import COLUMNS
from tests.http.flows import cash_out, payee, work_off
from tests.web.browser import browser_of, forms_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House
    from tests.web.browser import Browser

NOISE = '<script>alert("x")</script> \u202eabc'


def asked_for(house: House) -> str:
    """Return a payout that waits."""
    found: str = cash_out(*payee(house)).json()["id"]
    return found


def state(house: House, payout_id: str) -> str:
    answer = house.caller(Role.OPS_SUPPORT).get(f"/v1/ops/payouts/{payout_id}")
    found: str = answer.json()["payout"]["state"]
    return found


def finance(house: House) -> Browser:
    return browser_of(house, Role.OPS_FINANCE)


def test_one_proposes_somebody_else_lets_go_and_it_is_paid(house: House) -> None:
    payout_id = asked_for(house)
    first, second = finance(house), finance(house)
    seen = text_of(first.get("/ops").text)
    assert "Payouts for a batch 1 , since" in seen
    proposed = first.submit("/ops/payouts", "/ops/payouts")
    path = proposed.headers["location"].partition("?")[0]
    assert "Somebody else of finance lets it go" in text_of(first.get(path).text)
    assert [one.action for one in first.forms(path)] == ["/sign-out"]
    assert "by somebody else" in text_of(second.get("/ops/batches").text)
    form = next(one for one in second.forms(path) if one.action == f"{path}/approve")
    for _ in range(2):
        let_go = second.post(form.action, form.fields)
        assert let_go.headers["location"] == f"{path}?said=let-go"
    work_off(house)
    page = text_of(second.get(f"/ops/payouts/{payout_id}").text)
    assert "Paid" in page
    assert "There is nothing to decide" in page or "Ask the provider now" in page
    assert state(house, payout_id) == "paid"
    assert house.findings() == []


def test_what_one_proposed_one_cannot_let_go_even_by_hand(sqlite_house: House) -> None:
    payout_id = asked_for(sqlite_house)
    first = finance(sqlite_house)
    path = first.submit("/ops/payouts", "/ops/payouts").headers["location"].partition("?")[0]
    [leave] = first.forms(path)
    fields = {"csrf_token": leave.fields["csrf_token"], "idempotency_key": str(new_id())}
    refused = first.post(f"{path}/approve", fields)
    assert refused.status_code == 403
    assert "A second person must approve this" in text_of(refused.text)
    assert state(sqlite_house, payout_id) == "requested"
    assert sqlite_house.findings() == []


def test_a_batch_of_nothing_and_of_what_is_no_payout_is_refused(sqlite_house: House) -> None:
    payout_id = asked_for(sqlite_house)
    browser = finance(sqlite_house)
    nothing = browser.submit("/ops/payouts", "/ops/payouts", **{f"pay-{payout_id}": ""})
    form = next(one for one in browser.forms("/ops/payouts") if one.action == "/ops/payouts")
    form.fields.pop(f"pay-{payout_id}")
    assert nothing.status_code == 422
    assert "tick at least one payout" in text_of(nothing.text)
    for nonsense in ("pay-x", f"pay-{new_id()}"):
        answer = browser.post(form.action, {**form.fields, nonsense: "on"})
        assert answer.status_code in {404, 422}, nonsense


def test_what_is_unusual_passes_with_a_reason_or_is_rejected(house: House) -> None:
    passed, rejected = asked_for(house), asked_for(house)
    odd = update(Payout).values(is_flagged=True, flags=["method-changed"])
    house.installation.database.run(lambda session: session.execute(odd))
    browser = finance(house)
    assert "Method changed" in text_of(browser.get("/ops/payouts?show=flagged").text)
    for payout_id, word, said in ((passed, "review", "reviewed"), (rejected, "reject", "payout-rejected")):
        path = f"/ops/payouts/{payout_id}"
        for nonsense in ("", "  ", "a\x00b", "x" * 200, NOISE):
            refused = browser.submit(path, f"{path}/{word}", reason=nonsense)
            assert refused.status_code == 422, nonsense
        again = browser.submit(path, f"{path}/{word}", reason="called <b>back")
        assert again.headers.get("location") == f"{path}?said={said}", text_of(again.text)
    assert (state(house, passed), state(house, rejected)) == ("requested", "canceled")
    assert passed in browser.get("/ops/payouts").text
    assert house.findings() == []


def test_support_sees_and_decides_nothing_and_an_administrator_sees_no_payouts(sqlite_house: House) -> None:
    payout_id = asked_for(sqlite_house)
    support, admin = browser_of(sqlite_house, Role.OPS_SUPPORT), browser_of(sqlite_house, Role.OPS_ADMIN)
    for path in ("/ops/payouts", f"/ops/payouts/{payout_id}"):
        assert [one.action for one in support.forms(path)] == ["/sign-out"]
        assert admin.get(path).status_code == 403
    assert "/ops/payouts" not in admin.get("/ops").text


@pytest.mark.parametrize(
    "path",
    [
        "/ops/batches", "/ops/batches?state=refused", "/ops/cases", "/ops/cases?open=false",
        "/ops/reconciliations", "/ops/payouts?show=over", "/ops/approvals",
    ],
)  # fmt: skip
def test_an_empty_list_says_so(sqlite_house: House, path: str) -> None:
    answer = finance(sqlite_house).get(path)
    assert answer.status_code == 200
    assert "No" in text_of(answer.text)


def test_what_is_not_there_is_a_page_that_says_so(sqlite_house: House) -> None:
    browser = finance(sqlite_house)
    for kind in ("payouts", "batches", "reconciliations"):
        assert browser.get(f"/ops/{kind}/{new_id()}").status_code == 404
        assert browser.get(f"/ops/{kind}/nonsense").status_code == 422
    assert browser.get(f"/ops/reconciliations/{new_id()}/csv").status_code == 404
    assert browser.get("/ops/payouts?show=nonsense").status_code == 422
    assert browser.get("/ops/payouts?after=nonsense").status_code == 422


def test_a_case_is_closed_with_a_reason_once(sqlite_house: House) -> None:
    now = sqlite_house.installation.clock.now()
    case = PayoutCase(
        id=new_id(),
        kind="extra",
        subject="tr_<b>1</b>",
        told={"amount_minor": 5, "who": NOISE},
        opened_at=now,
    )
    sqlite_house.installation.database.run(lambda session: session.add(case), repeatable=False)
    browser = finance(sqlite_house)
    page = browser.get("/ops/cases").text
    assert "Missing in our book" in text_of(page)
    assert "<script>alert(" not in page
    [form] = [one for one in forms_of(page) if one.action.endswith("/close")]
    assert browser.post(form.action, {**form.fields, "reason": ""}).status_code == 422
    for _ in range(2):
        done = browser.post(form.action, {**form.fields, "reason": "known to the bank"})
        assert done.headers["location"] == "/ops/cases?said=closed"
    assert "known to the bank" in text_of(browser.get("/ops/cases?open=false").text)


def test_a_comparison_shows_its_lines_by_result_and_as_a_table(sqlite_house: House) -> None:
    now = sqlite_house.installation.clock.now()
    line = dict.fromkeys(COLUMNS) | {"verdict": "missing", "at": now.isoformat(), "source": "tr_1"}
    line |= {"amount_minor": None, "expected_minor": 1_975, "currency": "USD", "kind": "transfer"}
    matched = {**line, "verdict": "matched", "source": "tr_2", "amount_minor": 1_975}
    run = ReconciliationRun(
        id=new_id(), provider="stripe", period="night:2026-11-20", since_at=now - timedelta(days=1), until_at=now, finished_at=now,
        counts={"matched": 1, "missing": 1}, lines=[line, matched],
    )  # fmt: skip
    sqlite_house.installation.database.run(lambda session: session.add(run))
    browser = finance(sqlite_house)
    [found] = [
        one for one in browser.get("/ops/reconciliations").text.split('"') if "/ops/reconciliations/" in one
    ]
    assert "tr_1" in browser.get(found).text
    only = browser.get(f"{found}?verdict=matched").text
    assert "tr_2" in only
    assert "tr_1" not in only
    table = browser.get(f"{found}/csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text.splitlines()[0] == ",".join(COLUMNS)
    assert len(table.text.splitlines()) == 3
