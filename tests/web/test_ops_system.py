"""The audit log, switches, events of providers, holds, networks and roles, on the pages of operations."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from nerava.identity.roles import Role
from nerava.inbound.model import InboundEvent
from nerava.kernel.ids import new_id
from tests.web.browser import browser_of, forms_of, text_of

if TYPE_CHECKING:
    from tests.http.conftest import House

OPS = [Role.OPS_SUPPORT, Role.OPS_FINANCE, Role.OPS_ADMIN]


@pytest.mark.parametrize("role", OPS)
def test_everybody_of_operations_opens_every_page_that_their_tabs_lead_to(
    sqlite_house: House, role: Role
) -> None:
    browser, seen, left = browser_of(sqlite_house, role), set(), {"/ops"}
    while left:
        path = left.pop()
        seen.add(path)
        answer = browser.get(path)
        assert answer.status_code == 200, path
        left |= {one for one in answer.text.split('"') if one.startswith("/ops") and "?" not in one} - seen
        left -= {one.action for one in forms_of(answer.text)} - {"/ops/reviews", "/ops/audit", "/ops/ledger"}
    assert {"/ops/ledger", "/ops/audit", "/ops/system", "/ops/books", "/ops/settlements"} <= seen
    assert ("/ops/payouts" in seen) is (role is not Role.OPS_ADMIN)
    assert ("/ops/new-merchant" in seen) is (role is Role.OPS_ADMIN)


def test_the_audit_log_is_filtered_by_its_address_and_filters_are_removed_one_by_one(
    sqlite_house: House,
) -> None:
    finance = sqlite_house.caller(Role.OPS_FINANCE)
    for name in ("earn", "redeem"):
        finance.post(f"/v1/ops/switches/{name}/on", {"reason": '<script>alert("x")</script>'})
    browser = browser_of(sqlite_house, Role.OPS_SUPPORT)
    page = browser.get("/ops/audit").text
    assert "<script>alert(" not in page
    one = browser.get(f"/ops/audit?object_id=earn&actor_id={finance.subject}").text
    assert "Which thing: earn" in text_of(one)
    assert f'href="/ops/audit?actor_id={finance.subject}"' in one
    assert "redeem" not in text_of(one)
    assert "No entry fits" in text_of(browser.get("/ops/audit?action=nothing.like.it").text)
    assert browser.get("/ops/audit", params={"action": "<script>"}).status_code == 422
    assert browser.get("/ops/audit?after=nonsense").status_code == 422


def test_one_stops_and_two_let_it_work_again(house: House) -> None:
    first, second = browser_of(house, Role.OPS_SUPPORT), browser_of(house, Role.OPS_ADMIN)
    for nonsense in ({"reason": ""}, {"party": "no such", "reason": "x"}, {"party": "nothing", "reason": "x"},
                     {"party": "driver:\u00e9", "reason": "x"}, {"party": "../x", "reason": "x"}):  # fmt: skip
        assert first.submit("/ops/system", "/ops/system", **nonsense).status_code in {404, 422}, nonsense
    stopped = first.submit("/ops/system", "/ops/system", name="earn", reason="rewards doubled")
    assert stopped.headers["location"] == "/ops/system?said=stopped"
    assert "rewards doubled" in text_of(second.get("/ops").text)
    asked = first.submit("/ops/system", "/ops/system/earn/release", reason="fixed")
    assert asked.headers["location"] == "/ops/system?said=release-asked"
    assert not [one for one in first.forms("/ops/system") if "/ops/releases/" in one.action]
    [agree] = [one for one in second.forms("/ops/system") if "/ops/releases/" in one.action]
    own = {"csrf_token": first.forms("/ops/system")[0].fields["csrf_token"]}
    assert first.post(agree.action, own).status_code == 403
    assert second.post(agree.action, agree.fields).headers["location"] == "/ops/system?said=released"
    assert "Everything runs" in text_of(first.get("/ops").text)
    assert house.findings() == []


def test_an_event_that_was_given_up_is_tried_once_more_by_finance(sqlite_house: House) -> None:
    now = sqlite_house.installation.clock.now()
    event = InboundEvent(
        id=new_id(), provider="stripe", account="", event_id="evt_1", kind="<b>payout.paid</b>", object_id="po_1",
        state="dead", attempts=9, trouble="500", received_at=now - timedelta(days=2), body=b"{}", body_sha256=b"x" * 32, created_s=0,
    )  # fmt: skip
    sqlite_house.installation.database.run(lambda session: session.add(event))
    support, finance = browser_of(sqlite_house, Role.OPS_SUPPORT), browser_of(sqlite_house, Role.OPS_FINANCE)
    page = support.get("/ops/events").text
    assert "&lt;b&gt;payout.paid" in page
    assert [one.action for one in forms_of(page)] == ["/sign-out"]
    path = f"/ops/events/{event.id}/retry"
    assert finance.submit("/ops/events", path).headers["location"] == "/ops/events?said=retried"
    assert "No event was given up." in text_of(finance.get("/ops/events").text)


def test_a_hold_is_placed_by_one_and_lifted_by_another(sqlite_house: House) -> None:
    driver = sqlite_house.driver()
    first, second = browser_of(sqlite_house, Role.OPS_SUPPORT), browser_of(sqlite_house, Role.OPS_ADMIN)
    good = {"kind": "driver", "object_id": str(driver.tenant_id), "reason": "case 7"}
    for name, nonsense in (
        ("object_id", "x"),
        ("object_id", str(new_id())),
        ("reason", ""),
        ("kind", "planet"),
    ):
        answer = first.submit("/ops/holds", "/ops/holds", **{**good, name: nonsense})
        assert 400 <= answer.status_code < 500, (name, nonsense)
    for _ in range(2):
        assert first.submit("/ops/holds", "/ops/holds", **good).headers["location"] == "/ops/holds?said=kept"
    assert "You placed it" in text_of(first.get("/ops/holds").text)
    [lift] = [one for one in second.forms("/ops/holds") if one.action.endswith("/lift")]
    assert (
        second.post(lift.action, {**lift.fields, "reason": "over"}).headers["location"]
        == "/ops/holds?said=lifted"
    )
    assert "Nothing is kept by order" in text_of(first.get("/ops/holds").text)


def test_an_administrator_gives_a_role_and_takes_it_away(sqlite_house: House) -> None:
    user, admin = sqlite_house.user(), browser_of(sqlite_house, Role.OPS_ADMIN)
    path = f"/ops/roles?user={user.subject}"
    good = {"user_id": str(user.subject), "give": "ops:support", "reason": "new here"}
    for name, nonsense in (("user_id", "x"), ("give", "king"), ("reason", ""), ("held_for", str(new_id()))):
        answer = admin.submit("/ops/roles", "/ops/roles/give", **{**good, name: nonsense})
        assert answer.status_code == 422, (name, nonsense)
    assert admin.get("/ops/roles?user=nonsense").status_code == 422
    for _ in range(2):
        given = admin.submit("/ops/roles", "/ops/roles/give", **good)
        assert given.headers["location"] == f"{path}&said=role-given"
    support = browser_of(sqlite_house, Role.OPS_SUPPORT)
    assert "Ops, support" in text_of(support.get(path).text)
    assert "Give a role" not in text_of(support.get(path).text)
    [form] = [one for one in admin.forms(path) if one.action.endswith("/take")]
    taken = admin.post(form.action, {**form.fields, "reason": "left"})
    assert taken.headers.get("location") == f"{path}&said=role-taken", text_of(taken.text)
    assert "Ops, support" not in text_of(admin.get(path).text.partition("Give a role")[0])


def test_without_charging_networks_the_page_says_so(sqlite_house: House) -> None:
    assert "No charging network" in text_of(browser_of(sqlite_house, Role.OPS_ADMIN).get("/ops/roaming").text)
