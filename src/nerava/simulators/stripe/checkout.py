"""Checkout sessions: a page at Stripe on which somebody pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.payments import Means, new_intent, pay
from nerava.simulators.stripe.problems import StripeProblem, invalid, missing, not_now
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

AMOUNT_MIN: Final = 50
LIFE_S: Final = 86_400
LIFE_MIN_S: Final = 1_800


def _create(stripe: StripeCore, asked: Asked) -> Json:
    if asked.one_of("mode", ("payment", "setup", "subscription")) != "payment":
        raise (
            missing("mode") if asked.get("mode") is None else invalid("mode", "Only payments are simulated.")
        )
    amount, currency, lines = _lines(stripe, asked)
    if amount < AMOUNT_MIN:
        message = f"The Checkout Session's total amount must be at least {AMOUNT_MIN} {currency}."
        raise invalid("line_items", message, "amount_too_small")
    now_s = stripe.now_s()
    expires_at = asked.whole("expires_at") or now_s + LIFE_S
    if not now_s + LIFE_MIN_S <= expires_at <= now_s + LIFE_S:
        raise invalid(
            "expires_at", "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        )
    session_id = f"cs_{'live' if stripe.state.habits.is_live else 'test'}_a1{stripe.chance.text(56)}"
    session = stripe.state.put(
        "checkout.session",
        {
            **_blank(session_id, amount, currency),
            "cancel_url": asked.text("cancel_url"),
            "client_reference_id": asked.text("client_reference_id"),
            "created": now_s,
            "customer": asked.text("customer"),
            "customer_email": asked.text("customer_email"),
            "expires_at": expires_at,
            "metadata": asked.metadata(),
            "payment_method_types": asked.texts("payment_method_types") or ["card", "us_bank_account"],
            "success_url": asked.need("success_url"),
            "url": f"{asked.origin}/pay/{session_id}",
        },
        asked.account,
    )
    stripe.state.links[session_id] = {
        "lines": lines,
        "intent": {
            "metadata": asked.metadata("payment_intent_data.metadata"),
            "description": asked.text("payment_intent_data.description"),
            "transfer_group": asked.text("payment_intent_data.transfer_group"),
        },
    }
    stripe.later(expires_at - now_s, "expire_checkout", session_id)
    return session


def _blank(session_id: str, amount: int, currency: str) -> Json:
    return {
        "id": session_id,
        "object": "checkout.session",
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": amount,
        "amount_total": amount,
        "automatic_tax": {"enabled": False, "liability": None, "status": None},
        "billing_address_collection": None,
        "client_secret": None,
        "consent": None,
        "currency": currency,
        "custom_fields": [],
        "customer_creation": "if_required",
        "customer_details": None,
        "invoice": None,
        "livemode": False,
        "locale": None,
        "mode": "payment",
        "payment_intent": None,
        "payment_link": None,
        "payment_method_options": {},
        "payment_status": "unpaid",
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "setup_intent": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted",
    }


def _lines(stripe: StripeCore, asked: Asked) -> tuple[int, str, list[Json]]:
    """Return the total, its currency and the lines that make it."""
    given = asked.get("line_items")
    if not isinstance(given, list) or not given:
        raise missing("line_items")
    total, currencies, lines = 0, set(), []
    for number in range(len(given)):
        asked.params[f"line {number}"] = given[number]
        at = f"line {number}"
        quantity = asked.amount(f"{at}.quantity")
        if quantity is None:
            raise missing(f"line_items[{number}][quantity]")
        price = asked.need_amount(f"{at}.price_data.unit_amount")
        name = asked.need(f"{at}.price_data.product_data.name")
        currency = asked.currency(f"{at}.price_data.currency")
        currencies.add(currency)
        total += price * quantity
        lines.append(
            {
                "id": stripe.new_id("li"),
                "object": "item",
                "amount_discount": 0,
                "amount_subtotal": price * quantity,
                "amount_tax": 0,
                "amount_total": price * quantity,
                "currency": currency,
                "description": name,
                "quantity": quantity,
            }
        )
    if len(currencies) != 1:
        raise invalid("line_items", "All line items must have the same currency.")
    return total, currencies.pop(), lines


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("checkout.session", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("checkout.session", asked.account))
    return page(asked, equal(asked, rows, "payment_intent", "status"), "/v1/checkout/sessions")


def _line_items(stripe: StripeCore, asked: Asked) -> Json:
    session = _find(stripe, asked)
    lines = stripe.state.links[session["id"]]["lines"]
    return page(asked, lines, f"/v1/checkout/sessions/{session['id']}/line_items")


def _update(stripe: StripeCore, asked: Asked) -> Json:
    session = _find(stripe, asked)
    session["metadata"] = asked.changed_metadata(session["metadata"])
    return session


def _expire_by_call(stripe: StripeCore, asked: Asked) -> Json:
    session = _find(stripe, asked)
    if session["status"] != "open":
        message = f"Only open Checkout Sessions can be expired. This one is {session['status']}."
        raise not_now(message)
    expire(stripe, session, asked)
    return session


def expire(stripe: StripeCore, session: Json, asked: Asked | None = None) -> None:
    """Close a session that nobody completed; nothing happens to one that somebody did."""
    if session["status"] != "open":
        return
    session.update(status="expired", url=None)
    stripe.tell("checkout.session.expired", session, stripe.state.owners[session["id"]], asked)


def complete(stripe: StripeCore, session: Json, means: Means) -> bool:
    """Pay on the page; False means that the card was declined and the page stays open."""
    account = stripe.state.owners[session["id"]]
    intent = stripe.state.find("payment_intent", session["payment_intent"] or "")
    if intent is None:
        given = stripe.state.links[session["id"]]["intent"]
        intent = new_intent(stripe, account, session["amount_total"], session["currency"], dict(given))
        intent["payment_method_types"] = list(session["payment_method_types"])
        session["payment_intent"] = intent["id"]
        stripe.tell("payment_intent.created", intent, account)
    intent["payment_method"] = stripe.new_id("pm")
    try:
        pay(stripe, intent, means)
    except StripeProblem:
        return False
    paid = intent["status"] == "succeeded"
    email = session["customer_email"] or "payer@example.com"
    session.update(status="complete", url=None, payment_status="paid" if paid else "unpaid")
    session["customer_details"] = {"email": email, "name": None, "phone": None, "address": None}
    stripe.tell("checkout.session.completed", session, account)
    return True


def bank_has_spoken(stripe: StripeCore, intent: Json, *, paid: bool) -> None:
    """Bring the result of a payment by bank to the session that it belongs to, if there is one."""
    account = stripe.state.owners[intent["id"]]
    for session in stripe.state.newest("checkout.session", account):
        if session["payment_intent"] == intent["id"]:
            session["payment_status"] = "paid" if paid else "unpaid"
            word = "succeeded" if paid else "failed"
            stripe.tell(f"checkout.session.async_payment_{word}", session, account)


_PAGING: Final = "limit starting_after ending_before"
ROUTES: Final = (
    route(
        "POST",
        "/v1/checkout/sessions",
        _create,
        "mode line_items client_reference_id payment_intent_data metadata success_url cancel_url expires_at "
        "customer customer_email payment_method_types locale submit_type",
    ),
    route("GET", "/v1/checkout/sessions", _list, f"{_PAGING} created payment_intent status"),
    route("GET", "/v1/checkout/sessions/{id}", _find),
    route("POST", "/v1/checkout/sessions/{id}", _update, "metadata"),
    route("POST", "/v1/checkout/sessions/{id}/expire", _expire_by_call),
    route("GET", "/v1/checkout/sessions/{id}/line_items", _line_items, _PAGING),
)
