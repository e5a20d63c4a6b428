"""Settlements, statements, invoices and write-offs over HTTP."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import pytest
from pypdf import PdfReader

from nerava.identity.roles import Role
from nerava.kernel.ids import new_id
from tests.http.settlement_examples import (
    asked_to_write_off,
    become_overdue,
    invoice_id,
    settled_shop,
    settlement_id,
)
from tests.http.shop import code_of, open_shop, rich_driver, settle_now
from tests.http.test_problems import assert_problem

if TYPE_CHECKING:
    from tests.http.conftest import House
    from tests.http.shop import Shop


def told(shop: Shop) -> set[str]:
    """Return the kinds of news that the merchant has."""
    return {one["kind"] for one in shop.owner.get("/v1/merchant/notices").json()["items"]}


def test_a_merchant_reads_its_settlement_invoice_and_news(house: House) -> None:
    shop = settled_shop(house)

    file = shop.manager.get(f"/v1/merchant/settlements/{settlement_id(shop)}").json()

    one = file["settlement"]
    assert (one["redeemed"], one["points"], one["net_minor"], one["fee_minor"]) == (300, 300, 255, 45)
    assert [(line["kind"], line["amount"]) for line in file["lines"]] == [("redemption", 300), ("claim", 100)]
    assert (file["invoice"]["amount_minor"], file["invoice"]["state"]) == (100, "open")
    told = shop.owner.get("/v1/merchant/notices").json()["items"]
    assert {one["kind"] for one in told} == {"settlement.closed", "invoice.issued"}
    assert house.findings() == []


def test_the_csv_has_the_same_numbers_and_no_formula(house: House) -> None:
    shop, driver = open_shop(house), rich_driver(house)
    shop.capture(code_of(driver, shop.offer(title="=HYPERLINK(1)")))
    settle_now(house)

    answer = shop.owner.get(f"/v1/merchant/settlements/{settlement_id(shop)}.csv")

    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert rows[0]["offer"] == "'=HYPERLINK(1)"
    totals = {row["what"]: (row["points"], row["minor units"]) for row in rows if not row["line"]}
    assert totals["Settled"] == ("300", "300")
    assert totals["Yours"] == ("", "255")
    assert totals["Fee of the platform"] == ("", "'-45")
    assert house.findings() == []


def test_the_pdf_has_the_same_numbers_and_the_same_bytes(house: House) -> None:
    shop = settled_shop(house)
    path = f"/v1/merchant/settlements/{settlement_id(shop)}.pdf"

    answer, again = shop.owner.get(path), shop.owner.get(path)

    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content == again.content
    text = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(answer.content)).pages)
    assert "Łódź & Søn" in text
    cells = text.splitlines()
    sums = ("Settled", "Fee of the platform", "Yours")
    assert [cells[cells.index(what) + 1] for what in sums] == ["300", "-45", "255"]


def test_closing_again_changes_nothing(house: House) -> None:
    shop, finance = settled_shop(house), house.caller(Role.OPS_FINANCE)
    before = shop.owner.get("/v1/merchant/settlements").text

    answer = finance.post("/v1/ops/settlement-runs")

    assert answer.json() == {"looked_at": 0}
    assert shop.owner.get("/v1/merchant/settlements").text == before
    assert len(finance.get("/v1/ops/settlements").json()["items"]) == 1


def test_a_transfer_pays_an_invoice_once(house: House) -> None:
    shop, finance = settled_shop(house), house.caller(Role.OPS_FINANCE)
    path = f"/v1/ops/invoices/{invoice_id(shop)}/payments"
    body = {"reference": "wire-7", "amount_minor": 60}

    assert finance.post(path, body, key="a").json()["open_minor"] == 40
    assert finance.post(path, body, key="b").json()["open_minor"] == 40
    assert_problem(finance.post(path, body | {"amount_minor": 40}, key="c"), 409, "payment-differs")
    much = {"reference": "wire-8", "amount_minor": 41}
    assert_problem(finance.post(path, much, key="d"), 409, "paid-too-much")
    paid = finance.post(path, much | {"amount_minor": 40}, key="e").json()
    assert (paid["invoice"]["state"], paid["open_minor"]) == ("paid", 0)
    assert "invoice.paid" in told(shop)
    assert house.findings() == []


@pytest.mark.parametrize("amount", [0, -1, 1.5, "10", 10**16, None])
def test_no_impossible_amount_is_booked(sqlite_house: House, amount: object) -> None:
    finance = sqlite_house.caller(Role.OPS_FINANCE)
    body = {"reference": "wire-7", "amount_minor": amount}
    answer = finance.post(f"/v1/ops/invoices/{new_id()}/payments", body, key="a")
    assert answer.status_code == 422


def test_a_write_off_takes_two_people_and_happens_once(house: House) -> None:
    shop = settled_shop(house)
    become_overdue(house)
    maker, overdue = house.caller(Role.OPS_FINANCE), invoice_id(shop)
    assert [one["id"] for one in maker.get("/v1/ops/invoices").json()["items"]] == [overdue]
    asked = maker.post(f"/v1/ops/invoices/{overdue}/write-off", key="a").json()
    path = f"/v1/ops/invoice-write-offs/{asked['approval_id']}/approve"

    assert_problem(maker.post(path, key="b"), 403, "self-approval")
    checker = house.caller(Role.OPS_FINANCE)
    assert checker.post(path, key="c").json()["invoice"]["state"] == "written_off"
    assert_problem(checker.post(path, key="d"), 409, "already-decided")
    assert "invoice.written-off" in told(shop)
    assert house.findings() == []


def test_a_write_off_is_refused_with_a_reason_and_stays_so(sqlite_house: House) -> None:
    checker, approval_id = asked_to_write_off(sqlite_house)
    path = f"/v1/ops/approvals/{approval_id}/refuse"

    refused = checker.post(path, {"reason": "they promised to pay"}, key="a")

    assert (refused.status_code, refused.json()["state"]) == (200, "refused"), refused.text
    approve = f"/v1/ops/invoice-write-offs/{approval_id}/approve"
    assert_problem(checker.post(approve, key="b"), 409, "already-decided")
    assert len(checker.get("/v1/ops/invoices").json()["items"]) == 1
    assert sqlite_house.findings() == []


def test_what_was_paid_meanwhile_is_not_written_off(house: House) -> None:
    checker, approval_id = asked_to_write_off(house)
    asked = checker.get(f"/v1/ops/approvals/{approval_id}").json()["asked"]
    body = {"reference": "wire-9", "amount_minor": asked["open_minor"]}
    assert checker.post(f"/v1/ops/invoices/{asked['invoice_id']}/payments", body, key="a").status_code == 201

    refused = checker.post(f"/v1/ops/invoice-write-offs/{approval_id}/approve", key="b")

    assert_problem(refused, 409, "invoice-over")
    assert house.findings() == []


def test_an_owner_agrees_to_netting_and_ops_cut_the_periods(house: House) -> None:
    shop = open_shop(house)
    assert shop.owner.get("/v1/merchant/settlement-terms").json()["nets_fees"] is False
    headers = shop.owner.headers()
    agreed = house.client.put("/v1/merchant/settlement-terms", json={"nets_fees": True}, headers=headers)
    assert agreed.json()["nets_fees"] is True
    admin = house.caller(Role.OPS_ADMIN)
    path = f"/v1/ops/merchants/{shop.merchant_id}/settlement-terms"
    odd = {"cadence": "week", "timezone": "Mars/Olympus"}
    assert_problem(house.client.put(path, json=odd, headers=admin.headers()), 422, "timezone-unknown")
    weekly = {"cadence": "week", "timezone": "America/Phoenix"}
    assert house.client.put(path, json=weekly, headers=admin.headers()).json()["cadence"] == "week"
    assert shop.owner.get("/v1/merchant/settlement-terms").json()["timezone"] == "America/Phoenix"
