"""What becomes of a payment: by card at once, by bank after days, or not at all."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.balance import DAY_S, Entry, book, settles_on
from nerava.simulators.stripe.problems import StripeProblem

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json


class Means(StrEnum):
    """How somebody pays."""

    CARD = "card"
    CARD_AT_ONCE = "card_at_once"
    """Its money is available at once."""
    CARD_DISPUTED = "card_disputed"
    """The payer disputes it right afterwards."""
    DECLINED = "declined"
    STRONG = "strong"
    """The bank wants to see the payer first."""
    BANK = "bank"
    """Succeeds or fails days later."""


TEST_METHODS: Final = {
    "pm_card_visa": Means.CARD,
    "pm_card_mastercard": Means.CARD,
    "pm_card_bypassPending": Means.CARD_AT_ONCE,
    "pm_card_createDispute": Means.CARD_DISPUTED,
    "pm_card_chargeDeclined": Means.DECLINED,
    "pm_card_visa_chargeDeclined": Means.DECLINED,
    "pm_card_authenticationRequired": Means.STRONG,
    "pm_usBankAccount": Means.BANK,
    "pm_usBankAccount_success": Means.BANK,
}
"""The payment methods that Stripe has for tests, by what they do."""


def new_intent(stripe: StripeCore, account: str, amount: int, currency: str, given: Json) -> Json:
    """Add a payment intent that nobody has paid yet; `given` are fields that the caller set."""
    intent_id = stripe.new_id("pi")
    return stripe.state.put(
        "payment_intent",
        {
            "id": intent_id,
            "object": "payment_intent",
            "amount": amount,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic",
            "client_secret": f"{intent_id}_secret_{stripe.chance.text(25)}",
            "confirmation_method": "automatic",
            "created": stripe.now_s(),
            "currency": currency,
            "customer": None,
            "description": None,
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_options": {},
            "payment_method_types": ["card"],
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
            **given,
        },
        account,
    )


def pay(stripe: StripeCore, intent: Json, means: Means, asked: Asked | None = None) -> None:
    """Try to pay an intent.

    Raises:
        StripeProblem: The card was declined (402); the intent waits for another one.
    """
    intent["last_payment_error"] = intent["next_action"] = None
    account = stripe.state.owners[intent["id"]]
    match means:
        case Means.DECLINED:
            _decline(stripe, intent, asked)
        case Means.STRONG:
            intent["status"] = "requires_action"
            intent["next_action"] = {"type": "use_stripe_sdk", "use_stripe_sdk": {}}
            stripe.tell("payment_intent.requires_action", intent, account, asked)
        case Means.BANK:
            charge = _charge(stripe, intent, "us_bank_account", status="pending")
            intent["status"] = "processing"
            stripe.tell("charge.pending", charge, account, asked)
            stripe.tell("payment_intent.processing", intent, account, asked)
            stripe.later(stripe.state.habits.bank_debit_days * DAY_S, "bank_debit", intent["id"])
        case _ if intent["capture_method"] == "manual":
            _charge(stripe, intent, "card", status="succeeded")
            intent["status"], intent["amount_capturable"] = "requires_capture", intent["amount"]
            stripe.tell("payment_intent.amount_capturable_updated", intent, account, asked)
        case _:
            _charge(stripe, intent, "card", status="succeeded")
            days = 0 if means is Means.CARD_AT_ONCE else stripe.state.habits.settle_days
            receive(stripe, intent, intent["amount"], settles_on(stripe, days), asked)
            if means is Means.CARD_DISPUTED:
                stripe.later(0, "dispute", intent["latest_charge"])


def receive(stripe: StripeCore, intent: Json, amount: int, available_on: int, asked: Asked | None) -> None:
    """Take the money of an intent that has its charge."""
    account = stripe.state.owners[intent["id"]]
    charge = stripe.state.tables["charge"][intent["latest_charge"]]
    by_bank = charge["payment_method_details"]["type"] == "us_bank_account"
    fee = _fee(stripe, amount, by_bank=by_bank)
    kind = "payment" if by_bank else "charge"
    entry = Entry(kind, amount, intent["currency"], charge["id"], fee, available_on, charge["description"])
    booked = book(stripe, account, entry)
    charge.update(
        amount_captured=amount, balance_transaction=booked["id"], captured=True, paid=True, status="succeeded"
    )
    intent.update(
        amount_capturable=0, amount_received=amount, next_action=None, processing=None, status="succeeded"
    )
    stripe.tell("charge.succeeded", charge, account, asked)
    stripe.tell("payment_intent.succeeded", intent, account, asked)


def _fee(stripe: StripeCore, amount: int, *, by_bank: bool) -> int:
    """Return what a payment costs, rounded half up."""
    habits = stripe.state.habits
    if by_bank:
        return min((amount * habits.bank_fee_bps + 5_000) // 10_000, habits.bank_fee_max)
    return (amount * habits.fee_bps + 5_000) // 10_000 + habits.fee_fixed


def finish_bank_debit(stripe: StripeCore, intent: Json) -> bool:
    """Let the bank say whether it pays; return whether it does."""
    account = stripe.state.owners[intent["id"]]
    if stripe.state.fate(f"bank_debit:{intent['id']}", "bank_debit") != "fail":
        receive(stripe, intent, intent["amount"], settles_on(stripe, stripe.state.habits.settle_days), None)
        return True
    charge = stripe.state.tables["charge"][intent["latest_charge"]]
    charge.update(status="failed", paid=False, failure_code="insufficient_funds")
    charge["failure_message"] = "The customer's account has insufficient funds to cover this payment."
    intent["status"] = "requires_payment_method"
    intent["last_payment_error"] = {
        "type": "invalid_request_error",
        "code": "payment_intent_payment_attempt_failed",
        "message": charge["failure_message"],
    }
    stripe.tell("charge.failed", charge, account)
    stripe.tell("payment_intent.payment_failed", intent, account)
    return False


def _decline(stripe: StripeCore, intent: Json, asked: Asked | None) -> None:
    account = stripe.state.owners[intent["id"]]
    charge = _charge(stripe, intent, "card", status="failed")
    charge.update(failure_code="card_declined", failure_message="Your card was declined.", paid=False)
    charge["captured"] = False
    intent["status"] = "requires_payment_method"
    intent["last_payment_error"] = {
        "type": "card_error",
        "code": "card_declined",
        "decline_code": "generic_decline",
        "message": "Your card was declined.",
        "charge": charge["id"],
    }
    stripe.tell("charge.failed", charge, account, asked)
    stripe.tell("payment_intent.payment_failed", intent, account, asked)
    problem = StripeProblem(402, "card_error", "Your card was declined.", "card_declined", began=True)
    problem.decline_code = "generic_decline"
    problem.more = {"charge": charge["id"], "payment_intent": intent}
    raise problem


def _charge(stripe: StripeCore, intent: Json, kind: str, *, status: str) -> Json:
    charge_id = stripe.new_id("py" if kind == "us_bank_account" else "ch")
    details: Json = {"card": {"brand": "visa", "country": "US", "funding": "credit", "last4": "4242"}}
    if kind == "us_bank_account":
        details = {"us_bank_account": {"bank_name": "STRIPE TEST BANK", "last4": "6789"}}
    intent["latest_charge"] = charge_id
    return stripe.state.put(
        "charge",
        {
            "id": charge_id,
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": 0,
            "amount_refunded": 0,
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": {"address": {}, "email": None, "name": None, "phone": None},
            "captured": False,
            "created": stripe.now_s(),
            "currency": intent["currency"],
            "customer": intent["customer"],
            "description": intent["description"],
            "dispute": None,
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "fraud_details": {},
            "livemode": False,
            "metadata": dict(intent["metadata"]),
            "on_behalf_of": None,
            "outcome": {
                "network_status": "approved_by_network",
                "risk_level": "normal",
                "type": "authorized",
            },
            "paid": status == "succeeded",
            "payment_intent": intent["id"],
            "payment_method": intent["payment_method"],
            "payment_method_details": {**details, "type": kind},
            "receipt_email": None,
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": status,
            "transfer_data": None,
            "transfer_group": intent["transfer_group"],
        },
        stripe.state.owners[intent["id"]],
    )
