"""Every field that the product reads is there, and of the type that the providers document.

The examples are written by hand from the providers' documentation; the values are of no meaning.
"""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from tests.simulators.conftest import Caller

ID, TEXT, WHOLE, TRUTH = "x_1", "text", 1, True
LINES = {"object": "list", "data": [], "has_more": False, "url": "/v1/x"}

EXAMPLES: dict[str, Any] = {
    "balance": {
        "object": "balance",
        "available": [{"amount": WHOLE, "currency": TEXT, "source_types": {"card": WHOLE}}],
        "pending": [{"amount": WHOLE, "currency": TEXT}],
        "livemode": TRUTH,
    },
    "balance_transaction": {
        "id": ID,
        "object": "balance_transaction",
        "amount": WHOLE,
        "available_on": WHOLE,
        "created": WHOLE,
        "currency": TEXT,
        "fee": WHOLE,
        "fee_details": [],
        "net": WHOLE,
        "reporting_category": TEXT,
        "source": ID,
        "status": TEXT,
        "type": TEXT,
    },
    "checkout.session": {
        "id": ID,
        "object": "checkout.session",
        "amount_total": WHOLE,
        "client_reference_id": TEXT,
        "currency": TEXT,
        "expires_at": WHOLE,
        "livemode": TRUTH,
        "metadata": {},
        "mode": "payment",
        "payment_intent": ID,
        "payment_status": "paid",
        "status": "complete",
        "url": None,
    },
    "payment_intent": {
        "id": ID,
        "object": "payment_intent",
        "amount": WHOLE,
        "amount_received": WHOLE,
        "currency": TEXT,
        "last_payment_error": None,
        "latest_charge": ID,
        "livemode": TRUTH,
        "metadata": {"funding": TEXT},
        "status": "succeeded",
    },
    "charge": {
        "id": ID,
        "object": "charge",
        "amount": WHOLE,
        "amount_refunded": WHOLE,
        "balance_transaction": ID,
        "disputed": TRUTH,
        "failure_code": None,
        "paid": TRUTH,
        "payment_intent": ID,
        "payment_method_details": {"type": "card", "card": {"last4": "4242"}},
        "refunded": TRUTH,
        "status": "succeeded",
    },
    "refund": {
        "id": ID,
        "object": "refund",
        "amount": WHOLE,
        "balance_transaction": ID,
        "charge": ID,
        "created": WHOLE,
        "currency": TEXT,
        "metadata": {},
        "payment_intent": ID,
        "status": "succeeded",
    },
    "dispute": {
        "id": ID,
        "object": "dispute",
        "amount": WHOLE,
        "balance_transactions": [{"amount": WHOLE, "fee": WHOLE}],
        "charge": ID,
        "currency": TEXT,
        "payment_intent": ID,
        "reason": TEXT,
        "status": TEXT,
    },
    "account": {
        "id": ID,
        "object": "account",
        "capabilities": {"transfers": "active"},
        "charges_enabled": TRUTH,
        "details_submitted": TRUTH,
        "external_accounts": {**LINES, "data": [{"last4": TEXT, "object": "bank_account", "status": TEXT}]},
        "metadata": {},
        "payouts_enabled": TRUTH,
        "requirements": {
            "currently_due": [],
            "disabled_reason": None,
            "errors": [],
            "eventually_due": [],
            "past_due": [],
            "pending_verification": [],
        },
        "settings": {"payouts": {"schedule": {"interval": TEXT}}},
    },
    "transfer": {
        "id": ID,
        "object": "transfer",
        "amount": WHOLE,
        "amount_reversed": WHOLE,
        "balance_transaction": ID,
        "created": WHOLE,
        "currency": TEXT,
        "destination": ID,
        "destination_payment": ID,
        "livemode": TRUTH,
        "metadata": {},
        "reversals": {**LINES, "data": [{"id": ID, "amount": WHOLE, "object": "transfer_reversal"}]},
        "reversed": TRUTH,
        "transfer_group": TEXT,
    },
    "payout": {
        "id": ID,
        "object": "payout",
        "amount": WHOLE,
        "arrival_date": WHOLE,
        "automatic": TRUTH,
        "balance_transaction": ID,
        "currency": TEXT,
        "destination": ID,
        "failure_balance_transaction": ID,
        "failure_code": TEXT,
        "failure_message": TEXT,
        "metadata": {"payout": TEXT},
        "status": "failed",
    },
    "event": {
        "id": ID,
        "object": "event",
        "api_version": TEXT,
        "created": WHOLE,
        "data": {"object": {"id": ID}},
        "livemode": TRUTH,
        "pending_webhooks": WHOLE,
        "request": {"id": None, "idempotency_key": None},
        "type": TEXT,
    },
}

SQUARE_MONEY = {"amount": WHOLE, "currency": TEXT}
SQUARE: dict[str, Any] = {
    "order": {
        "id": ID,
        "location_id": ID,
        "reference_id": TEXT,
        "source": {"name": TEXT},
        "line_items": [
            {
                "uid": ID,
                "name": TEXT,
                "quantity": "1.5",
                "gross_sales_money": SQUARE_MONEY,
                "total_money": SQUARE_MONEY,
            }
        ],
        "discounts": [],
        "tenders": [{"id": ID, "amount_money": SQUARE_MONEY}],
        "refunds": [{"id": ID, "amount_money": SQUARE_MONEY}],
        "total_money": SQUARE_MONEY,
        "state": "COMPLETED",
        "version": WHOLE,
        "created_at": TEXT,
        "updated_at": TEXT,
        "closed_at": TEXT,
    },
    "payment": {
        "id": ID,
        "status": "COMPLETED",
        "amount_money": SQUARE_MONEY,
        "tip_money": SQUARE_MONEY,
        "total_money": SQUARE_MONEY,
        "refunded_money": SQUARE_MONEY,
        "order_id": ID,
        "location_id": ID,
        "source_type": "CARD",
        "created_at": TEXT,
        "updated_at": TEXT,
    },
}


def differences(example: Any, found: Any, at: str = "") -> list[str]:
    """Return where an answer lacks what an example has, or has it in another type."""
    if isinstance(example, dict):
        if not isinstance(found, dict):
            return [f"{at} is {found!r}"]
        missing = [f"{at}.{name} is missing" for name in example if name not in found]
        return missing + [
            one
            for name in example
            if name in found
            for one in differences(example[name], found[name], f"{at}.{name}")
        ]
    if isinstance(example, list):
        if not isinstance(found, list) or (example and not found):
            return [f"{at} is {found!r}"]
        return [one for row in found for one in (differences(example[0], row, f"{at}[]") if example else [])]
    if type(example) is not type(found):
        return [f"{at} is {found!r}"]
    return []


@pytest.fixture
def lived(stripe: Caller) -> Caller:
    """A Stripe at which everything has happened once."""
    by_hand = stripe.simulators.stripe
    paid = by_hand.pay_checkout(stripe.checkout()["id"], "card_at_once")["payment_intent"]
    stripe.post("/v1/refunds", payment_intent=paid, amount="5")
    by_hand.open_dispute(paid, amount=10)
    account = stripe.recipient()
    sent = stripe.transfer(account).json()["id"]
    stripe.post(f"/v1/transfers/{sent}/reversals", amount="10")
    form = {"amount": "50", "currency": "usd", "metadata[payout]": "payout-1"}
    payout = stripe.post("/v1/payouts", account=account, form=form).json()["id"]
    by_hand.fail_payout(payout, "could_not_process")
    return stripe


def test_every_object_has_what_is_read_of_it(lived: Caller) -> None:
    account = lived.simulators.stripe.objects("account")[-1]["id"]
    for kind, example in EXAMPLES.items():
        if kind == "balance":
            found = lived.get("/v1/balance").json()
        else:
            found = lived.simulators.stripe.objects(kind)[-1]
            area = "checkout/sessions" if kind == "checkout.session" else f"{kind}s"
            owner = account if kind in {"payout", "balance_transaction"} else None
            if kind == "event":
                owner = found.get("account")
            read = lived.get(f"/v1/{area}/{found['id']}", account=owner)
            assert read.status_code == 200, read.text
            found = read.json()
        assert differences(example, found, kind) == []


def test_every_line_of_a_balance_can_be_read_with_what_it_is_about(lived: Caller) -> None:
    lived.simulators.stripe.deposit(5)
    account = lived.simulators.stripe.objects("account")[-1]["id"]
    for owner in (None, account):
        read = lived.get("/v1/balance_transactions", account=owner, query={"expand[]": "data.source"})
        rows = read.json()["data"]
        assert rows
        assert all(row["source"]["id"] for row in rows)


def test_every_event_that_the_product_uses_is_told(lived: Caller) -> None:
    told = {json.loads(one.body)["type"] for one in lived.simulators.webhooks.read("stripe")}
    assert told >= {
        "account.external_account.created",
        "account.updated",
        "capability.updated",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "checkout.session.completed",
        "payment_intent.succeeded",
        "payout.created",
        "payout.failed",
        "refund.created",
        "transfer.created",
        "transfer.reversed",
    }


def test_square_has_what_is_read_of_it(lived: Caller) -> None:
    square = lived.simulators.square
    seller = square.add_seller()
    order = square.ring_up(seller["merchant_id"], [("Cheese", 900, "1.5")], reference_id="K7Q2", by_api=True)
    payment = square.pay(order["id"])
    square.refund(payment["id"], 5)
    headers = {"authorization": f"Bearer {seller['access_token']}"}
    for kind, thing in (("order", order), ("payment", payment)):
        url = f"{lived.simulators.url_of('square')}/v2/{kind}s/{thing['id']}"
        assert differences(SQUARE[kind], httpx2.get(url, headers=headers).json()[kind], kind) == []


def test_a_difference_is_seen() -> None:
    example = {"a": [{"b": 1}], "c": None}
    assert differences(example, {"a": [{"b": 2}], "c": None, "d": 1}) == []
    for wrong in ({"a": [], "c": None}, {"a": [{"b": "2"}], "c": None}, {"a": [{"b": 1}]}, []):
        assert len(differences(example, wrong)) == 1
