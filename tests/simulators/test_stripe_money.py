"""Money at the simulated Stripe: it comes by checkout, waits, goes by transfer and payout, and may come back."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx2
import pytest

from nerava.simulators.errors import NoSuchThing, NotPossible
from tests.simulators.conftest import MONDAY, Caller

DAY = timedelta(days=1)


def test_a_card_payment_is_pending_for_two_days_and_its_fee_is_kept(stripe: Caller) -> None:
    paid = stripe.paid(100_000)
    line = stripe.get("/v1/balance_transactions").json()["data"][0]
    assert (line["amount"], line["fee"], line["net"], line["status"]) == (100_000, 2_930, 97_070, "pending")
    balance = stripe.get("/v1/balance").json()
    assert [one["amount"] for one in balance["available"]] == [0]
    assert [one["amount"] for one in balance["pending"]] == [97_070]
    stripe.simulators.advance(2 * DAY)
    balance = stripe.get("/v1/balance").json()
    assert [one["amount"] for one in balance["available"]] == [97_070]
    intent = stripe.get(
        f"/v1/payment_intents/{paid}", query={"expand[]": "latest_charge.balance_transaction"}
    ).json()
    assert intent["latest_charge"]["balance_transaction"]["status"] == "available"


def test_a_person_can_pay_decline_and_leave_on_the_page(stripe: Caller) -> None:
    session = stripe.checkout(25_000)
    page = httpx2.get(session["url"])
    assert "250.00 USD" in page.text
    left = httpx2.post(session["url"], data={"action": "abandon"})
    assert (left.status_code, left.headers["location"]) == (303, "http://127.0.0.1/back")
    declined = httpx2.post(session["url"], data={"action": "decline"})
    assert "declined" in declined.text
    now = stripe.get(f"/v1/checkout/sessions/{session['id']}").json()
    assert (now["status"], now["payment_status"]) == ("open", "unpaid")
    paid = httpx2.post(session["url"], data={"action": "pay"})
    assert paid.headers["location"] == f"http://127.0.0.1/thanks?session={session['id']}"
    now = stripe.get(f"/v1/checkout/sessions/{session['id']}").json()
    assert (now["status"], now["payment_status"], now["url"]) == ("complete", "paid", None)
    intent = stripe.get(f"/v1/payment_intents/{now['payment_intent']}").json()
    assert (intent["status"], intent["metadata"]) == ("succeeded", {"funding": "funding-1"})


@pytest.mark.trap("T6")
@pytest.mark.trap("T7")
@pytest.mark.parametrize(("fate", "event"), [("pay", "succeeded"), ("fail", "failed")])
def test_a_payment_by_bank_completes_the_checkout_and_decides_days_later(
    stripe: Caller, fate: str, event: str
) -> None:
    stripe.simulators.stripe.behave(bank_debit_days=7)
    stripe.simulators.stripe.decide("bank_debit", fate)
    session = stripe.checkout()
    httpx2.post(session["url"], data={"action": "bank"})
    now = stripe.get(f"/v1/checkout/sessions/{session['id']}").json()
    assert (now["status"], now["payment_status"]) == ("complete", "unpaid")
    stripe.simulators.advance(6 * DAY)
    assert not stripe.simulators.webhooks.read(kind=f"checkout.session.async_payment_{event}")
    stripe.simulators.advance(DAY)
    assert len(stripe.simulators.webhooks.read(kind=f"checkout.session.async_payment_{event}")) == 1
    now = stripe.get(f"/v1/checkout/sessions/{session['id']}").json()
    assert now["payment_status"] == ("paid" if fate == "pay" else "unpaid")
    held = stripe.simulators.stripe.balances()
    assert bool(held.get("usd", {}).get("pending")) is (fate == "pay")


def test_a_checkout_that_nobody_pays_expires(stripe: Caller) -> None:
    session = stripe.checkout()
    stripe.simulators.advance(DAY)
    assert stripe.get(f"/v1/checkout/sessions/{session['id']}").json()["status"] == "expired"
    assert httpx2.get(f"{stripe.simulators.url_of('stripe')}/pay/{session['id']}").status_code == 410
    assert stripe.simulators.webhooks.read(kind="checkout.session.expired")


@pytest.mark.trap("T1")
def test_a_transfer_happens_at_once_and_no_event_says_that_it_was_paid(funded: Caller) -> None:
    account = funded.recipient()
    sent = funded.transfer(account).json()
    assert (sent["amount"], sent["amount_reversed"], sent["transfer_group"]) == (5_000, 0, "payout-1")
    assert sent["destination_payment"].startswith("py_")
    assert "status" not in sent
    assert funded.simulators.stripe.balances()["usd"]["available"] == 95_000
    assert funded.simulators.stripe.balances(account)["usd"]["available"] == 5_000
    funded.simulators.advance(30 * DAY)
    kinds = {one.kind for one in funded.simulators.webhooks.read() if one.kind.startswith("transfer.")}
    assert kinds == {"transfer.created"}


@pytest.mark.trap("T8")
def test_a_transfer_of_pending_money_is_refused_and_moves_nothing(stripe: Caller) -> None:
    account = stripe.recipient()
    stripe.paid()
    refused = stripe.transfer(account)
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "balance_insufficient"
    assert stripe.get("/v1/transfers").json()["data"] == []
    stripe.simulators.advance(2 * DAY)
    assert stripe.transfer(account).status_code == 200


@pytest.mark.trap("T20")
def test_a_transfer_to_somebody_who_left_or_may_not_be_paid_is_refused(funded: Caller) -> None:
    account = funded.recipient()
    funded.simulators.stripe.want(account)
    refused = funded.transfer(account).json()["error"]
    assert refused["code"] == "insufficient_capabilities_for_transfer"
    funded.simulators.stripe.verify(account)
    funded.simulators.stripe.deauthorise(account)
    refused = funded.transfer(account).json()["error"]
    assert (refused["code"], refused["param"]) == ("resource_missing", "destination")
    assert funded.get("/v1/balance", account=account).status_code == 403
    assert funded.simulators.webhooks.read(kind="account.application.deauthorized")


def test_a_payout_takes_the_calendars_way_to_the_bank(funded: Caller) -> None:
    account = funded.recipient()
    funded.transfer(account)
    form = {"amount": "5000", "currency": "usd", "metadata[payout]": "payout-1"}
    payout = funded.post("/v1/payouts", account=account, form=form).json()
    assert payout["arrival_date"] == int((MONDAY + 1.5 * DAY).timestamp())
    seen = [payout["status"]]
    for _ in range(4):
        funded.simulators.advance(DAY / 2)
        seen.append(funded.get(f"/v1/payouts/{payout['id']}", account=account).json()["status"])
    assert seen == ["pending", "in_transit", "in_transit", "paid", "paid"]
    listed = funded.get("/v1/payouts", account=account, status="paid").json()["data"]
    assert [one["metadata"] for one in listed] == [{"payout": "payout-1"}]
    assert funded.get("/v1/payouts").json()["data"] == []


@pytest.mark.trap("T2")
def test_a_payout_fails_after_it_was_paid_and_its_amount_is_back_on_the_account(funded: Caller) -> None:
    account = funded.recipient()
    funded.transfer(account)
    funded.simulators.stripe.decide("payout", "fail_after_paid:no_account", account)
    payout = funded.post("/v1/payouts", account=account, amount="5000", currency="usd").json()["id"]
    funded.simulators.advance(2 * DAY)
    assert funded.get(f"/v1/payouts/{payout}", account=account).json()["status"] == "paid"
    assert funded.simulators.stripe.balances(account)["usd"]["available"] == 0
    funded.simulators.advance(3 * DAY)
    now = funded.get(f"/v1/payouts/{payout}", account=account).json()
    assert (now["status"], now["failure_code"]) == ("failed", "no_account")
    assert funded.simulators.stripe.balances(account)["usd"]["available"] == 5_000
    told = [one.kind for one in funded.simulators.webhooks.read() if one.kind.startswith("payout.")]
    assert told == ["payout.created", "payout.updated", "payout.paid", "payout.failed"]
    # The bank account is out of use until somebody names another one.
    refused = funded.post("/v1/payouts", account=account, amount="5000", currency="usd")
    assert refused.json()["error"]["code"] == "payouts_not_allowed"
    funded.simulators.stripe.change_bank(account)
    assert funded.post("/v1/payouts", account=account, amount="5000", currency="usd").status_code == 200


def test_an_account_that_is_paid_daily_is_swept_after_midnight(funded: Caller) -> None:
    account = funded.recipient()
    funded.post(f"/v1/accounts/{account}", form={"settings[payouts][schedule][interval]": "daily"})
    funded.transfer(account, 700)
    funded.transfer(account, 800)
    funded.simulators.advance(DAY)
    (payout,) = funded.get("/v1/payouts", account=account).json()["data"]
    assert (payout["amount"], payout["automatic"]) == (1_500, True)
    funded.simulators.advance(5 * DAY)
    assert funded.simulators.webhooks.read(kind="payout.reconciliation_completed")


def test_what_was_sent_is_taken_back_in_parts_and_never_more_than_it_was(funded: Caller) -> None:
    account = funded.recipient()
    sent = funded.transfer(account).json()["id"]
    path = f"/v1/transfers/{sent}/reversals"
    assert funded.post(path, amount="2000").json()["amount"] == 2_000
    assert funded.post(path, amount="3001").status_code == 400
    assert funded.post(path).json()["amount"] == 3_000
    now = funded.get(f"/v1/transfers/{sent}").json()
    assert (now["amount_reversed"], now["reversed"]) == (5_000, True)
    assert funded.simulators.stripe.balances()["usd"]["available"] == 100_000
    assert len(funded.get(path).json()["data"]) == 2


@pytest.mark.trap("T16")
def test_what_has_left_the_account_cannot_be_taken_back(funded: Caller) -> None:
    account = funded.recipient()
    sent = funded.transfer(account).json()["id"]
    funded.post("/v1/payouts", account=account, amount="4000", currency="usd")
    refused = funded.post(f"/v1/transfers/{sent}/reversals", amount="1001")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "balance_insufficient")
    assert funded.get(f"/v1/transfers/{sent}").json()["amount_reversed"] == 0


@pytest.mark.trap("T14")
def test_no_more_is_refunded_than_was_paid(stripe: Caller) -> None:
    paid = stripe.paid(10_000)
    assert stripe.post("/v1/refunds", payment_intent=paid, amount="6000").json()["status"] == "succeeded"
    refused = stripe.post("/v1/refunds", payment_intent=paid, amount="4001")
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "amount")
    assert stripe.post("/v1/refunds", payment_intent=paid).json()["amount"] == 4_000
    again = stripe.post("/v1/refunds", payment_intent=paid).json()["error"]
    assert again["code"] == "charge_already_refunded"


@pytest.mark.trap("T13")
def test_a_refund_succeeds_and_then_fails(stripe: Caller) -> None:
    paid = stripe.paid(10_000)
    before = stripe.simulators.stripe.balances()
    stripe.simulators.stripe.decide("refund", "fail_after_succeeded")
    refund = stripe.post("/v1/refunds", payment_intent=paid, amount="6000").json()
    assert refund["status"] == "succeeded"
    stripe.simulators.advance(timedelta(days=1))
    stripe.simulators.stripe.fail_refund(refund["id"])
    now = stripe.get(f"/v1/refunds/{refund['id']}").json()
    assert (now["status"], now["failure_reason"]) == ("failed", "lost_or_stolen_card")
    held = stripe.simulators.stripe.balances()["usd"]
    assert held["available"] + held["pending"] == sum(before["usd"].values())
    assert stripe.simulators.webhooks.read(kind="refund.failed")
    assert stripe.post("/v1/refunds", payment_intent=paid, amount="10000").status_code == 200


@pytest.mark.trap("T15")
def test_a_dispute_takes_the_money_and_a_fee_and_gives_back_the_money_when_it_is_won(stripe: Caller) -> None:
    paid = stripe.paid(10_000)
    dispute = stripe.simulators.stripe.open_dispute(paid)
    held = stripe.simulators.stripe.balances()["usd"]
    assert held["available"] == -11_500
    assert stripe.post("/v1/refunds", payment_intent=paid).json()["error"]["code"] == "charge_disputed"
    stripe.simulators.stripe.close_dispute(dispute["id"], won=True)
    assert stripe.simulators.stripe.balances()["usd"]["available"] == -1_500
    told = [one.kind for one in stripe.simulators.webhooks.read() if "dispute" in one.kind]
    assert told == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]


@pytest.mark.trap("T19")
def test_yen_have_no_minor_units(stripe: Caller) -> None:
    session = stripe.checkout(5_000, "jpy")
    assert (session["amount_total"], session["currency"]) == (5_000, "jpy")
    assert "5000 JPY" in httpx2.get(session["url"]).text
    stripe.simulators.stripe.pay_checkout(session["id"])
    assert set(stripe.simulators.stripe.balances()) == {"jpy"}


@pytest.mark.trap("T18")
def test_objects_can_say_that_they_are_about_real_money(stripe: Caller) -> None:
    paid = stripe.paid()
    assert stripe.get(f"/v1/payment_intents/{paid}").json()["livemode"] is False
    stripe.simulators.stripe.behave(is_live=True)
    assert stripe.get(f"/v1/payment_intents/{paid}").json()["livemode"] is True
    assert stripe.checkout()["livemode"] is True


def _link(stripe: Caller, account: str) -> Any:
    form = {
        "account": account,
        "type": "account_onboarding",
        "refresh_url": "http://127.0.0.1/again",
        "return_url": "http://127.0.0.1/back",
    }
    return stripe.post("/v1/account_links", form=form).json()


@pytest.mark.trap("T9")
def test_who_may_be_paid_is_said_by_the_account_and_can_be_unsaid(stripe: Caller) -> None:
    account = stripe.post(
        "/v1/accounts", form={"type": "express", "capabilities[transfers][requested]": "true"}
    ).json()
    assert (account["capabilities"], account["payouts_enabled"]) == ({"transfers": "inactive"}, False)
    assert "external_account" in account["requirements"]["currently_due"]
    link = _link(stripe, account["id"])
    assert "documents" in httpx2.get(link["url"]).text
    back = httpx2.post(link["url"], data={"action": "verified"})
    assert back.headers["location"] == "http://127.0.0.1/back"
    # The event is there before the browser is back.
    assert stripe.simulators.webhooks.read(kind="account.updated")
    now = stripe.get(f"/v1/accounts/{account['id']}").json()
    assert (now["capabilities"]["transfers"], now["payouts_enabled"]) == ("active", True)
    assert now["requirements"]["currently_due"] == []
    assert now["external_accounts"]["data"][0]["last4"] == "6789"
    # A link is good once.
    assert httpx2.get(link["url"]).headers["location"] == "http://127.0.0.1/again"
    stripe.simulators.stripe.want(account["id"])
    now = stripe.get(f"/v1/accounts/{account['id']}").json()
    assert now["capabilities"]["transfers"] == "inactive"
    assert now["requirements"]["currently_due"] == ["individual.verification.document"]
    stripe.simulators.stripe.reject(account["id"])
    now = stripe.get(f"/v1/accounts/{account['id']}").json()
    assert now["requirements"]["disabled_reason"] == "rejected.fraud"


def test_a_link_is_good_for_five_minutes(stripe: Caller) -> None:
    link = _link(stripe, stripe.recipient())
    stripe.simulators.advance(timedelta(minutes=6))
    assert httpx2.get(link["url"]).headers["location"] == "http://127.0.0.1/again"


@pytest.mark.parametrize(
    ("method", "status"),
    [
        ("pm_card_visa", "succeeded"),
        ("pm_card_authenticationRequired", "requires_action"),
        ("pm_usBankAccount", "processing"),
    ],
)
def test_a_form_of_our_own_pays_with_the_known_test_methods(stripe: Caller, method: str, status: str) -> None:
    form = {"amount": "1099", "currency": "usd", "payment_method": method, "confirm": "true"}
    assert stripe.post("/v1/payment_intents", form=form).json()["status"] == status


def test_a_declined_card_is_a_402_and_the_intent_waits_for_another_one(stripe: Caller) -> None:
    made = stripe.post("/v1/payment_intents", amount="1099", currency="usd").json()["id"]
    declined = stripe.post(
        f"/v1/payment_intents/{made}/confirm", payment_method="pm_card_visa_chargeDeclined"
    )
    error = declined.json()["error"]
    assert (declined.status_code, error["type"], error["code"]) == (402, "card_error", "card_declined")
    assert error["decline_code"] == "generic_decline"
    assert stripe.get(f"/v1/payment_intents/{made}").json()["status"] == "requires_payment_method"
    paid = stripe.post(f"/v1/payment_intents/{made}/confirm", payment_method="pm_card_visa")
    assert paid.json()["status"] == "succeeded"
    over = stripe.post(f"/v1/payment_intents/{made}/cancel")
    assert over.json()["error"]["code"] == "payment_intent_unexpected_state"


def test_all_balances_are_sums_of_balance_transactions(funded: Caller) -> None:
    account = funded.recipient()
    funded.paid()
    funded.transfer(account)
    believes = funded.simulators.state("stripe")
    for name, held in believes["balances"].items():
        rows = [
            one for one in believes["objects"]["balance_transaction"] if believes["owners"][one["id"]] == name
        ]
        total = sum(sum(amounts.values()) for amounts in held.values())
        assert total == sum(one["net"] for one in rows)


def test_what_was_done_at_the_dashboard_or_went_wrong_at_stripe_is_seen_by_reading(funded: Caller) -> None:
    account = funded.recipient()
    form = {"amount": "70", "currency": "usd", "destination": account}
    by_hand = funded.simulators.stripe.at_the_dashboard("/v1/transfers", form)
    assert funded.get(f"/v1/transfers/{by_hand['id']}").json()["amount"] == 70
    sent = funded.transfer(account).json()["id"]
    funded.simulators.stripe.alter(sent, {"amount": 5_001})
    assert funded.get(f"/v1/transfers/{sent}").json()["amount"] == 5_001
    funded.simulators.stripe.lose(sent)
    assert funded.get(f"/v1/transfers/{sent}").status_code == 404
    assert funded.simulators.stripe.balances()["usd"]["available"] == 100_000 - 70
    assert funded.simulators.stripe.balances(account)["usd"]["available"] == 70
    with pytest.raises(NotPossible):
        funded.simulators.stripe.at_the_dashboard("/v1/transfers", {**form, "amount": "0"})
    with pytest.raises(NoSuchThing):
        funded.simulators.stripe.lose(sent)


@pytest.mark.trap("T15")
def test_a_question_takes_no_money_and_may_become_a_dispute_that_is_lost_and_paid_back(
    stripe: Caller,
) -> None:
    paid, by_hand = stripe.paid(10_000), stripe.simulators.stripe
    before = by_hand.balances()["usd"]
    asked = by_hand.open_dispute(paid, inquiry=True)
    assert (asked["status"], asked["is_charge_refundable"]) == ("warning_needs_response", True)
    assert by_hand.balances()["usd"] == before
    with pytest.raises(NotPossible):
        by_hand.reinstate_dispute(asked["id"])
    by_hand.escalate_dispute(asked["id"])
    by_hand.close_dispute(asked["id"], won=False)
    by_hand.reinstate_dispute(asked["id"])
    seen = stripe.get(f"/v1/disputes/{asked['id']}").json()
    assert (seen["status"], [one["amount"] for one in seen["balance_transactions"]]) == (
        "lost",
        [-10_000, 10_000],
    )
    told = [one.kind.rpartition(".")[2] for one in stripe.simulators.webhooks.read() if "dispute" in one.kind]
    assert told == ["created", "updated", "funds_withdrawn", "closed", "funds_reinstated"]


@pytest.mark.trap("T15")
def test_a_question_that_comes_to_nothing_is_closed(stripe: Caller) -> None:
    paid, by_hand = stripe.paid(10_000), stripe.simulators.stripe
    asked = by_hand.open_dispute(paid, inquiry=True)
    assert by_hand.close_dispute(asked["id"], won=True)["status"] == "warning_closed"
    assert asked["balance_transactions"] == []
    assert stripe.post("/v1/refunds", payment_intent=paid).status_code == 200
