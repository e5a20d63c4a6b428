"""The simulated Square: what a till sells, how it is read, and the order in which it is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from nerava.simulators.handle import Simulators
from nerava.simulators.square.happening import SquareByHand


@dataclass
class Seller:
    """A seller, and somebody who calls Square for him."""

    simulators: Simulators
    http: httpx2.Client
    merchant: str
    location: str

    @property
    def square(self) -> SquareByHand:
        return self.simulators.square

    def order(self, wanted: str) -> Any:
        answer = self.http.get(f"/v2/orders/{wanted}")
        return answer.json()["order"] if answer.status_code == 200 else answer.status_code

    def told(self, kind: str) -> list[Any]:
        return [json.loads(one.body) for one in self.simulators.webhooks.read("square", kind)]


@pytest.fixture
def seller(simulators: Simulators) -> Iterator[Seller]:
    made = simulators.square.add_seller()
    headers = {"authorization": f"Bearer {made['access_token']}"}
    with httpx2.Client(base_url=simulators.url_of("square"), headers=headers) as http:
        yield Seller(simulators, http, made["merchant_id"], made["location_id"])


def test_a_sale_is_read_as_order_and_payment(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant, [("Coffee", 450, "1"), ("Cake", 300, "2")], tax=84)
    payment = seller.square.pay(order["id"])
    shown = seller.order(order["id"])
    assert (shown["state"], shown["total_money"]) == ("COMPLETED", {"amount": 1_134, "currency": "USD"})
    assert shown["tenders"][0]["payment_id"] == payment["id"]
    paid = seller.http.get(f"/v2/payments/{payment['id']}").json()["payment"]
    assert (paid["status"], paid["order_id"]) == ("COMPLETED", order["id"])
    assert [one["id"] for one in seller.http.get("/v2/locations").json()["locations"]] == [seller.location]
    assert [one["type"] for one in seller.told("order.updated")] == ["order.updated"]


@pytest.mark.trap("Q1")
def test_an_order_is_not_there_right_after_its_event(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant, visible_after_s=5)["id"]
    assert [one["data"]["id"] for one in seller.told("order.created")] == [order]
    assert seller.order(order) == 404
    batch = {"order_ids": [order, "unknown"]}
    assert seller.http.post("/v2/orders/batch-retrieve", json=batch).json() == {"orders": []}
    seller.simulators.advance(timedelta(seconds=5))
    assert seller.order(order)["id"] == order
    assert len(seller.http.post("/v2/orders/batch-retrieve", json=batch).json()["orders"]) == 1


@pytest.mark.trap("Q2")
def test_lines_come_a_second_later_with_a_higher_version(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant, lines_after_s=1, by_api=True)["id"]
    first = seller.order(order)
    assert (first["line_items"], first["version"], first["total_money"]["amount"]) == ([], 1, 0)
    seller.simulators.advance(timedelta(seconds=1))
    second = seller.order(order)
    assert (len(second["line_items"]), second["version"], second["total_money"]["amount"]) == (1, 2, 450)
    versions = [one["data"]["object"]["order_updated"]["version"] for one in seller.told("order.updated")]
    assert versions == [2]


@pytest.mark.trap("Q3")
def test_what_no_call_made_has_no_version_and_is_told_several_times(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant)["id"]
    assert "version" not in seller.order(order)
    seller.square.tell_again(order, times=3)
    events = seller.told("order.updated")
    assert len({one["event_id"] for one in events}) == 3
    assert {one["data"]["object"]["order_updated"]["version"] for one in events} == {1}
    assert seller.order(order)["updated_at"] == "2026-11-02T12:00:00.000Z"


@pytest.mark.trap("Q5")
def test_a_tip_is_in_the_total_and_not_in_the_amount(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant, [("Coffee", 1_000, "1")])["id"]
    payment = seller.square.pay(order, tip=200)
    assert payment["amount_money"]["amount"] == 1_000
    assert payment["total_money"]["amount"] == 1_200
    shown = seller.order(order)
    assert (shown["total_money"]["amount"], shown["total_tip_money"]["amount"]) == (1_200, 200)


@pytest.mark.trap("Q6")
def test_a_part_is_given_back_and_never_more_than_was_paid(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant, [("Coffee", 1_000, "1")])["id"]
    payment = seller.square.pay(order)["id"]
    body = {"payment_id": payment, "amount_money": {"amount": 400, "currency": "USD"}, "idempotency_key": "a"}
    made = seller.http.post("/v2/refunds", json=body).json()["refund"]
    assert made["status"] == "PENDING"
    seller.simulators.advance(timedelta(seconds=1))
    assert seller.http.get(f"/v2/refunds/{made['id']}").json()["refund"]["status"] == "COMPLETED"
    assert seller.http.get(f"/v2/payments/{payment}").json()["payment"]["refunded_money"]["amount"] == 400
    assert seller.order(order)["refunds"][0]["amount_money"]["amount"] == 400
    body |= {"amount_money": {"amount": 601, "currency": "USD"}, "idempotency_key": "b"}
    refused = seller.http.post("/v2/refunds", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["category"]) == (400, "REFUND_ERROR")
    assert len(seller.told("refund.created")) == len(seller.told("refund.updated")) == 1


@pytest.mark.trap("Q7")
def test_access_ends_at_once_when_a_seller_takes_it_back(seller: Seller) -> None:
    seller.square.revoke(seller.merchant)
    answer = seller.http.get("/v2/locations")
    assert (answer.status_code, answer.json()["errors"][0]["category"]) == (401, "AUTHENTICATION_ERROR")
    (event,) = seller.told("oauth.authorization.revoked")
    assert event["merchant_id"] == seller.merchant


@pytest.mark.trap("Q9")
def test_a_quantity_is_text_and_may_be_a_fraction(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant, [("Cheese by weight", 999, "0.255")])["id"]
    (line,) = seller.order(order)["line_items"]
    assert (line["quantity"], line["total_money"]["amount"]) == ("0.255", 255)


@pytest.mark.trap("Q10")
def test_an_approved_payment_is_completed_or_lapses(seller: Seller) -> None:
    first, second = (seller.square.ring_up(seller.merchant)["id"] for _ in range(2))
    taken = seller.square.pay(first, captured=False)
    lapsed = seller.square.pay(second, captured=False)
    assert (taken["status"], seller.order(first)["state"]) == ("APPROVED", "OPEN")
    seller.square.capture(taken["id"])
    seller.simulators.advance(timedelta(hours=36))
    assert seller.order(first)["state"] == "COMPLETED"
    assert seller.http.get(f"/v2/payments/{lapsed['id']}").json()["payment"]["status"] == "CANCELED"
    assert seller.order(second)["state"] == "OPEN"


def test_a_declined_payment_leaves_the_order_open(seller: Seller) -> None:
    order = seller.square.ring_up(seller.merchant)["id"]
    assert seller.square.pay(order, declined=True)["status"] == "FAILED"
    assert seller.order(order)["state"] == "OPEN"


def test_orders_are_searched_page_by_page_with_one_query(seller: Seller) -> None:
    made = []
    for number in range(7):
        made.append(seller.square.ring_up(seller.merchant)["id"])
        if number % 2:
            seller.square.pay(made[-1])
        seller.simulators.advance(timedelta(minutes=1))
    query = {"location_ids": [seller.location], "limit": 3, "query": {"sort": {"sort_order": "ASC"}}}
    seen, cursor = [], {}
    for _ in range(3):
        page = seller.http.post("/v2/orders/search", json={**query, **cursor}).json()
        seen += [one["id"] for one in page["orders"]]
        cursor = {"cursor": page.get("cursor")}
    assert seen == made
    assert cursor == {"cursor": None}
    first = seller.http.post("/v2/orders/search", json=query).json()["cursor"]
    other = {**query, "limit": 2, "cursor": first}
    assert seller.http.post("/v2/orders/search", json=other).status_code == 400
    completed = {"state_filter": {"states": ["COMPLETED"]}}
    interval = {"date_time_filter": {"created_at": {"start_at": "2026-11-02T12:02:00Z"}}}
    query = {"location_ids": [seller.location], "query": {"filter": {**completed, **interval}}}
    found = seller.http.post("/v2/orders/search", json=query).json()["orders"]
    assert sorted(one["id"] for one in found) == sorted([made[3], made[5]])
    listed = seller.http.get("/v2/payments", params={"location_id": seller.location, "limit": 2}).json()
    assert (len(listed["payments"]), "cursor" in listed) == (2, True)


def test_a_write_is_carried_out_once_for_its_key(seller: Seller) -> None:
    line = {"name": "Tea", "quantity": "1", "base_price_money": {"amount": 300, "currency": "USD"}}
    body = {"idempotency_key": "k", "order": {"location_id": seller.location, "line_items": [line]}}
    first = seller.http.post("/v2/orders", json=body).json()
    assert seller.http.post("/v2/orders", json=body).json() == first
    assert len(seller.square.orders()) == 1
    body["order"] = {"location_id": seller.location, "line_items": []}
    refused = seller.http.post("/v2/orders", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "IDEMPOTENCY_KEY_REUSED")
    order = first["order"]
    discount = {"name": "Nova", "amount_money": {"amount": 100, "currency": "USD"}}
    change = {"order": {"version": order["version"], "discounts": [discount]}, "idempotency_key": "d"}
    changed = seller.http.put(f"/v2/orders/{order['id']}", json=change).json()["order"]
    assert (changed["version"], changed["total_money"]["amount"]) == (2, 200)
    change["idempotency_key"] = "e"
    stale = seller.http.put(f"/v2/orders/{order['id']}", json=change)
    assert stale.json()["errors"][0]["code"] == "VERSION_MISMATCH"
    paying = {"source_id": "cnon:card-nonce-ok", "order_id": order["id"], "amount_money": {"amount": 200}}
    assert seller.http.post("/v2/payments", json=paying).json()["errors"][0]["field"] == "idempotency_key"
    paid = seller.http.post("/v2/payments", json={**paying, "idempotency_key": "p"}).json()["payment"]
    assert (paid["status"], seller.order(order["id"])["state"]) == ("COMPLETED", "COMPLETED")


def test_a_seller_sees_nothing_of_another_one(seller: Seller) -> None:
    other = seller.square.add_seller("Other")
    order = seller.square.ring_up(other["merchant_id"])
    payment = seller.square.pay(order["id"])
    assert seller.order(order["id"]) == 404
    assert seller.http.get(f"/v2/payments/{payment['id']}").status_code == 404
    found = seller.http.post("/v2/orders/search", json={"location_ids": [other["location_id"]]}).json()
    assert found == {"orders": []}


def test_a_seller_connects_and_the_token_is_renewed_and_taken_back(seller: Seller) -> None:
    square, url = seller.square, seller.simulators.url_of("square")
    asked = {"client_id": square.application, "redirect_uri": "http://127.0.0.1/cb?a=b", "state": "s1"}
    page = httpx2.get(f"{url}/oauth2/authorize", params={**asked, "scope": "ORDERS_READ"})
    assert "Corner Café" in page.text
    assert "ORDERS_READ" in page.text
    denied = httpx2.post(f"{url}/oauth2/authorize", params=asked, data={"merchant": ""})
    assert parse_qs(urlsplit(denied.headers["location"]).query)["error"] == ["access_denied"]
    allowed = httpx2.post(f"{url}/oauth2/authorize", params=asked, data={"merchant": seller.merchant})
    said = parse_qs(urlsplit(allowed.headers["location"]).query)
    assert (said["state"], said["a"]) == (["s1"], ["b"])
    ours = {"client_id": square.application, "client_secret": square.application_secret}
    trade = {**ours, "grant_type": "authorization_code", "code": said["code"][0]}
    token = httpx2.post(f"{url}/oauth2/token", json=trade).json()
    assert (token["merchant_id"], token["expires_at"]) == (seller.merchant, "2026-12-02T12:00:00.000Z")
    assert httpx2.post(f"{url}/oauth2/token", json=trade).status_code == 400
    seller.simulators.advance(timedelta(days=30))
    headers = {"authorization": f"Bearer {token['access_token']}"}
    late = httpx2.get(f"{url}/v2/locations", headers=headers).json()["errors"][0]
    assert late["code"] == "ACCESS_TOKEN_EXPIRED"
    renew = {**ours, "grant_type": "refresh_token", "refresh_token": token["refresh_token"]}
    token = httpx2.post(f"{url}/oauth2/token", json={**renew, "short_lived": True}).json()
    assert token["expires_at"] == "2026-12-03T12:00:00.000Z"
    headers = {"authorization": f"Client {square.application_secret}"}
    gone = httpx2.post(f"{url}/oauth2/revoke", json={"access_token": token["access_token"]}, headers=headers)
    assert gone.json() == {"success": True}
    assert httpx2.post(f"{url}/oauth2/token", json=renew).status_code == 401
    wrong = {**renew, "client_secret": "wrong"}
    assert httpx2.post(f"{url}/oauth2/token", json=wrong).status_code == 401


def test_a_person_rings_up_an_order_with_a_code_at_the_till(seller: Seller) -> None:
    till = f"{seller.simulators.url_of('square')}/till/{seller.location}"
    assert "Code that the customer shows" in httpx2.get(till).text
    form = {"name": "<b>Coffee</b>", "quantity": "2", "price": "450", "tip": "50", "code": "K7Q2"}
    assert "950 minor units of USD with tip" in httpx2.post(till, data=form).text
    (order,) = seller.http.post("/v2/orders/search", json={"location_ids": [seller.location]}).json()[
        "orders"
    ]
    assert (order["reference_id"], order["state"]) == ("K7Q2", "COMPLETED")
    for wrong in ({"quantity": "many"}, {"price": "4.50"}):
        refused = httpx2.post(till, data=form | wrong)
        assert (refused.status_code, "Not sold" in refused.text) == (422, True)
    assert httpx2.get(f"{till}x").status_code == 404


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/v2/orders/search", {}, "EXPECTED_JSON_BODY"),
        ("/v2/orders/search", {"limit": 3}, "MISSING_REQUIRED_PARAMETER"),
        ("/v2/orders/search", {"location_ids": ["x"], "limit": 0}, "VALUE_TOO_HIGH"),
        ("/v2/orders/search", {"location_ids": ["x"], "limit": "x"}, "BAD_REQUEST"),
        ("/v2/orders/batch-retrieve", {"order_ids": ["x"] * 101}, "ARRAY_LENGTH_TOO_LONG"),
        ("/v2/nothing", {"a": 1}, "NOT_FOUND"),
    ],
)
def test_what_is_not_valid_is_refused_in_squares_words(
    seller: Seller, path: str, body: dict[str, Any], code: str
) -> None:
    assert seller.http.post(path, json=body).json()["errors"][0]["code"] == code
