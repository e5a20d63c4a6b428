"""Payment intents: payments by a form of our own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.balance import settles_on
from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.payments import TEST_METHODS, new_intent, pay, receive
from nerava.simulators.stripe.problems import StripeProblem, invalid, missing, not_now
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

_OPEN: Final = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})
_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")


def _create(stripe: StripeCore, asked: Asked) -> Json:
    amount, currency = asked.need_amount(), asked.currency()
    method = _method(asked)
    automatic = asked.truth("automatic_payment_methods.enabled")
    intent = new_intent(
        stripe,
        asked.account,
        amount,
        currency,
        {
            "automatic_payment_methods": None if automatic is None else {"enabled": automatic},
            "capture_method": asked.one_of("capture_method", ("automatic", "automatic_async", "manual"))
            or "automatic",
            "customer": asked.text("customer"),
            "description": asked.text("description"),
            "metadata": asked.metadata(),
            "payment_method": method,
            "payment_method_types": asked.texts("payment_method_types") or ["card", "us_bank_account"],
            "receipt_email": asked.text("receipt_email"),
            "status": "requires_confirmation" if method else "requires_payment_method",
            "transfer_group": asked.text("transfer_group"),
        },
    )
    stripe.tell("payment_intent.created", intent, asked.account, asked)
    if asked.truth("confirm"):
        _pay(stripe, asked, intent)
    return intent


def _method(asked: Asked) -> str | None:
    method = asked.text("payment_method")
    if method is not None and method not in TEST_METHODS:
        raise StripeProblem(
            400,
            "invalid_request_error",
            f"No such PaymentMethod: '{method}'",
            "resource_missing",
            "payment_method",
        )
    return method


def _pay(stripe: StripeCore, asked: Asked, intent: Json) -> None:
    if intent["payment_method"] is None:
        raise missing("payment_method")
    pay(stripe, intent, TEST_METHODS[intent["payment_method"]], asked)


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("payment_intent", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("payment_intent", asked.account))
    return page(asked, equal(asked, rows, "customer"), "/v1/payment_intents")


def _update(stripe: StripeCore, asked: Asked) -> Json:
    intent = _find(stripe, asked)
    amount = asked.amount()
    if amount is not None:
        _expect(intent, _OPEN, "updated")
        intent["amount"] = amount
    intent["metadata"] = asked.changed_metadata(intent["metadata"])
    intent["description"] = asked.text("description") or intent["description"]
    return intent


def _confirm(stripe: StripeCore, asked: Asked) -> Json:
    intent = _find(stripe, asked)
    _expect(intent, _OPEN, "confirmed")
    intent["payment_method"] = _method(asked) or intent["payment_method"]
    _pay(stripe, asked, intent)
    return intent


def _capture(stripe: StripeCore, asked: Asked) -> Json:
    intent = _find(stripe, asked)
    _expect(intent, frozenset({"requires_capture"}), "captured")
    amount = asked.amount("amount_to_capture") or intent["amount"]
    if amount > intent["amount"]:
        raise invalid(
            "amount_to_capture", "The amount is greater than what can be captured.", "amount_too_large"
        )
    receive(stripe, intent, amount, settles_on(stripe, stripe.state.habits.settle_days), asked)
    return intent


def _cancel(stripe: StripeCore, asked: Asked) -> Json:
    intent = _find(stripe, asked)
    _expect(intent, _OPEN | {"requires_capture"}, "canceled")
    intent["cancellation_reason"] = asked.one_of("cancellation_reason", _REASONS)
    intent.update(status="canceled", canceled_at=stripe.now_s(), amount_capturable=0)
    stripe.tell("payment_intent.canceled", intent, asked.account, asked)
    return intent


def _expect(intent: Json, states: frozenset[str], done: str) -> None:
    if intent["status"] not in states:
        message = f"This PaymentIntent could not be {done} because it has a status of {intent['status']}."
        raise not_now(message, "payment_intent_unexpected_state")


ROUTES: Final = (
    route(
        "POST",
        "/v1/payment_intents",
        _create,
        "amount currency automatic_payment_methods confirm capture_method customer description metadata "
        "payment_method payment_method_types receipt_email return_url transfer_group",
    ),
    route("GET", "/v1/payment_intents", _list, "limit starting_after ending_before created customer"),
    route("GET", "/v1/payment_intents/{id}", _find, "client_secret"),
    route("POST", "/v1/payment_intents/{id}", _update, "amount metadata description"),
    route("POST", "/v1/payment_intents/{id}/confirm", _confirm, "payment_method return_url"),
    route("POST", "/v1/payment_intents/{id}/capture", _capture, "amount_to_capture"),
    route("POST", "/v1/payment_intents/{id}/cancel", _cancel, "cancellation_reason"),
)
