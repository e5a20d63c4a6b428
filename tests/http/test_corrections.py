"""Ops correct with a reason, by two people above a limit, never for themselves and never below a floor."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from nerava.identity.roles import Membership, Role
from nerava.identity.service import grant_role
from nerava.kernel.ids import new_id
from nerava.ledger.chart import (
    NOVA_ISSUANCE,
    NOVA_RESERVE,
    PAYOUT_CLEARING,
    PLATFORM_ADJUSTMENTS,
    PLATFORM_PROMO,
    campaign_budget,
    driver_nova,
    sponsor_prepaid,
)
from nerava.ledger.templates.promo_grant import PromoKind, promo_grant
from tests.http.correction_examples import granted, present
from tests.http.flows import as_driver, campaign, fill_promo, partner_session, sponsor, work_off
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import Caller, House


def adjust(by: Caller, debit: str, credit: str, amount: object, *, key: str = "") -> Any:
    """Ask for an adjustment."""
    body = {"debit": debit, "credit": credit, "amount_minor": amount, "reason": "correction"}
    return by.post("/v1/ops/adjustments", body, key=key or str(new_id()))


def take(by: Caller, grant_id: UUID, points: int, *, key: str = "") -> Any:
    """Take points of a grant back."""
    body = {"points": points, "reason": "fraud"}
    return by.post(f"/v1/ops/grants/{grant_id}/clawbacks", body, key=key or str(new_id()))


def reverse(by: Caller, transaction_id: str, *, key: str = "") -> Any:
    """Reverse a transaction."""
    path = f"/v1/ops/transactions/{transaction_id}/reversal"
    return by.post(path, {"reason": "dispute"}, key=key or str(new_id()))


def approve(by: Caller, asked: Any) -> Any:
    """Agree to what somebody else asked for."""
    return by.post(f"/v1/ops/approvals/{asked.json()['approval_id']}/approve", key=str(new_id()))


def test_points_are_taken_back_once_and_the_driver_reads_why(house: House) -> None:
    grant_id, driver_id = granted(house)
    finance, driver = house.caller(Role.OPS_FINANCE), as_driver(house, driver_id)

    first = take(finance, grant_id, 15, key="once")
    again = take(finance, grant_id, 15, key="once")

    assert first.status_code == 201, first.text
    assert (first.json()["taken"], first.json()["owed"]) == (15, 0)
    assert (again.content, again.headers["idempotency-replayed"]) == (first.content, "true")
    assert driver.get("/v1/wallet").json()["posted"] == 25
    line = driver.get("/v1/wallet/statement").json()["items"][0]
    assert line["text"] == "Taken back: the session was not a genuine charge."
    session_id = driver.get("/v1/sessions").json()["items"][0]["id"]
    assert line["about"]["id"] == session_id
    (back,) = driver.get(f"/v1/sessions/{session_id}/decision").json()["taken_back"]
    assert (back["points"], back["code"]) == (15, "clawback.fraud")
    assert_problem(take(finance, grant_id, 26), 409, "more-than-stands")
    assert_problem(take(finance, new_id(), 1), 404, "unknown-grant")
    assert house.findings() == []


def test_above_the_limit_a_second_person_decides_and_nobody_for_themselves(house: House) -> None:
    grant_id, driver_id = granted(house, 20_000)
    maker, checker = house.caller(Role.OPS_FINANCE), house.caller(Role.OPS_FINANCE)

    asked = take(maker, grant_id, 10_001)

    assert (asked.status_code, asked.json()["kind"]) == (202, "clawback")
    assert house.books.posted(driver_nova(driver_id)) == [20_000]
    assert_problem(approve(maker, asked), 403, "self-approval")
    agreed = approve(checker, asked)
    assert agreed.status_code == 200, agreed.text
    assert house.books.posted(driver_nova(driver_id)) == [9_999]

    now = house.installation.clock.now()
    mine = Membership(Role.DRIVER, driver_id)
    house.installation.database.run(
        lambda session: grant_role(session, maker.subject, mine, granted_by="test", now=now)
    )
    own = adjust(maker, NOVA_ISSUANCE, driver_nova(driver_id), 5)
    assert_problem(own, 403, "own-account")
    assert_problem(take(maker, grant_id, 1), 403, "own-account")
    assert house.findings() == []


def test_an_adjustment_creates_backed_points_and_a_large_one_waits(house: House) -> None:
    driver_id, by = house.driver().tenant_id, house.caller(Role.OPS_FINANCE)

    assert adjust(by, NOVA_ISSUANCE, driver_nova(driver_id), 40).status_code == 201

    assert house.books.posted(driver_nova(driver_id), NOVA_RESERVE, PLATFORM_ADJUSTMENTS) == [40, 40, -40]
    asked = adjust(by, NOVA_ISSUANCE, driver_nova(driver_id), 10_001)
    assert asked.status_code == 202
    assert approve(house.caller(Role.OPS_FINANCE), asked).status_code == 200
    assert house.books.posted(driver_nova(driver_id)) == [10_041]
    assert house.findings() == []


def test_what_cannot_be_adjusted_is_refused_by_name_and_moves_nothing(house: House) -> None:
    driver, by = driver_nova(house.driver().tenant_id), house.caller(Role.OPS_FINANCE)
    prepaid = sponsor_prepaid(sponsor(house, 50).tenant_id)

    assert_problem(adjust(by, driver, NOVA_ISSUANCE, 1), 409, "floor-reached")
    assert_problem(adjust(by, prepaid, PLATFORM_PROMO, 51), 409, "floor-reached")
    assert_problem(adjust(by, PLATFORM_PROMO, NOVA_RESERVE, 1), 422, "account-not-adjustable")
    assert_problem(adjust(by, PAYOUT_CLEARING, PLATFORM_PROMO, 1), 422, "account-not-adjustable")
    assert_problem(adjust(by, prepaid, campaign_budget(new_id()), 1), 422, "account-not-adjustable")
    assert_problem(adjust(by, "no:such:account", PLATFORM_PROMO, 1), 422, "unknown-account-code")
    assert_problem(adjust(by, prepaid, driver, 1), 409, "posting-refused")
    assert_problem(adjust(by, prepaid, driver_nova(new_id()), 1), 404, "unknown-account")
    assert house.books.posted(driver, prepaid, PLATFORM_PROMO) == [0, 50, 0]
    assert house.findings() == []


@pytest.mark.parametrize("amount", [0, -1, 1.5, "1", 10**30])
def test_an_impossible_amount_is_refused(house: House, amount: object) -> None:
    by = house.caller(Role.OPS_FINANCE)

    assert adjust(by, PLATFORM_ADJUSTMENTS, PLATFORM_PROMO, amount).status_code == 422


def test_a_present_is_reversed_once(house: House) -> None:
    transaction_id, driver_id = present(house)
    by = house.caller(Role.OPS_FINANCE)

    first = reverse(by, transaction_id, key="once")

    assert first.status_code == 201, first.text
    assert house.books.posted(driver_nova(driver_id), PLATFORM_PROMO) == [0, 100]
    assert reverse(by, transaction_id, key="once").content == first.content
    assert_problem(reverse(by, transaction_id), 409, "already-reversed")
    assert_problem(reverse(by, str(new_id())), 404, "unknown-transaction")
    back = reverse(by, first.json()["transaction_id"])
    assert back.status_code == 201
    assert house.books.posted(driver_nova(driver_id), PLATFORM_PROMO) == [100, 0]
    assert house.findings() == []


def test_what_was_spent_cannot_be_reversed_and_what_rows_count_is_undone_otherwise(house: House) -> None:
    transaction_id, driver_id = present(house)
    by = house.caller(Role.OPS_FINANCE)
    assert adjust(by, driver_nova(driver_id), NOVA_ISSUANCE, 30).status_code == 201
    assert_problem(reverse(by, transaction_id), 409, "floor-reached")

    _, earner = granted(house)
    line = as_driver(house, earner).get("/v1/wallet/statement").json()["items"][0]
    assert_problem(reverse(by, line["transaction_id"]), 409, "reversed-otherwise")
    assert house.findings() == []


def test_a_credit_that_a_partner_sends_takes_back_what_was_not_charged(house: House) -> None:
    grant_rules = {"rules": [{"kind": "per_kwh", "points_per_kwh": 4}]}
    campaign(sponsor(house, 1_000), 1_000, **grant_rules)
    partner, record = house.caller(Role.PARTNER), partner_session()
    sent = partner.post("/v1/partner/cdrs", record)
    work_off(house)
    driver = as_driver(house, UUID(sent.json()["driver_id"]))
    assert driver.get("/v1/wallet").json()["posted"] == 40

    less = record | {"energy_wh": 6_000}
    assert_problem(partner.post("/v1/partner/cdrs", less), 409, "session-differs")
    credited = partner.post("/v1/partner/cdrs", less | {"credit_reference": "c-1"})
    assert credited.status_code == 201, credited.text
    assert partner.post("/v1/partner/cdrs", less | {"credit_reference": "c-1"}).status_code == 201
    work_off(house)

    assert driver.get("/v1/wallet").json()["posted"] == 24
    assert driver.get("/v1/wallet/statement").json()["items"][0]["text"] == (
        "Taken back: better evidence proved 24 of 40 points."
    )
    assert house.findings() == []


def test_a_record_that_says_more_comes_after_a_credit_and_under_a_name_of_its_own(house: House) -> None:
    campaign(sponsor(house, 1_000), 1_000, rules=[{"kind": "per_kwh", "points_per_kwh": 4}])
    partner, record = house.caller(Role.PARTNER), partner_session()
    sent = partner.post("/v1/partner/cdrs", record)
    work_off(house)
    more = record | {"energy_wh": 12_000}
    assert_problem(
        partner.post("/v1/partner/cdrs", more | {"credit_reference": "c-1"}), 409, "session-differs"
    )

    nothing = record | {"energy_wh": 0, "credit_reference": "c-2"}
    assert partner.post("/v1/partner/cdrs", nothing).status_code == 201
    work_off(house)
    again = partner.post("/v1/partner/cdrs", more | {"reference": "corrected"})
    assert again.status_code == 201, again.text
    work_off(house)
    driver = as_driver(house, UUID(sent.json()["driver_id"]))
    assert driver.get("/v1/wallet").json()["posted"] == 48
    assert house.findings() == []


def test_the_wallet_warns_thirty_and_seven_days_before_points_expire(house: House) -> None:
    driver, now = house.driver(), house.installation.clock.now()
    fill_promo(house, 3)
    for days in (6, 29, 40):
        house.books.must(
            promo_grant(
                kind=PromoKind.GOODWILL,
                reference_id=new_id(),
                driver_id=driver.tenant_id,
                points=1,
                points_expire_at=now + timedelta(days=days, hours=1),
            )
        )

    shown = driver.get("/v1/wallet").json()["expiring"]

    assert [(one["days_left"], one["notice"]) for one in shown] == [(6, "last"), (29, "soon"), (40, "none")]


def test_a_transaction_is_shown_with_all_its_entries_and_whether_it_may_be_reversed(house: House) -> None:
    transaction_id, driver_id = present(house, 100)
    shown = house.caller(Role.OPS_SUPPORT).get(f"/v1/ops/transactions/{transaction_id}").json()
    assert (shown["template"], shown["is_reversible"]) == ("promo_grant", True)
    assert [one["number"] for one in shown["entries"]] == list(range(1, len(shown["entries"]) + 1))
    [given] = [one for one in shown["entries"] if one["credit"] == f"driver:{driver_id}:nova"]
    assert (given["amount"], given["asset"], given["credit_posted"]) == (100, "NOVA", 100)
    [cash] = [one for one in shown["entries"] if one["credit"] == "nova:reserve"]
    assert (cash["debit"], cash["amount"]) == ("platform:promo", 100)
    assert house.findings() == []
