"""Refunds: money on its way back to a payer, which may come back once more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.balance import DAY_S, Entry, book
from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.problems import missing, not_found, not_now
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

FATES: Final = ("succeed", "pend", "fail", "fail_after_succeeded", "require_action")
_REASONS: Final = ("duplicate", "fraudulent", "requested_by_customer")
DAYS: Final = 3
"""Until what is pending is decided, and until a refund that succeeded comes back."""


def _create(stripe: StripeCore, asked: Asked) -> Json:
    charge = _charge(stripe, asked)
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["disputed"] and (charge["dispute"] or "") and _is_lost_or_open(stripe, charge["dispute"]):
        raise not_now(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.", "charge_disputed"
        )
    if left == 0:
        raise not_now(f"Charge {charge['id']} has already been refunded.", "charge_already_refunded")
    amount = asked.amount() or left
    if amount > left:
        message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
        raise not_now(message, None, "amount")
    fate = stripe.state.fate(f"refund:{charge['payment_intent']}", f"refund:{charge['id']}", "refund")
    refund_id = stripe.new_id("re")
    booked = book(stripe, asked.account, Entry("refund", -amount, charge["currency"], refund_id))
    status = {"pend": "pending", "fail": "pending", "require_action": "requires_action"}.get(
        fate or "", "succeeded"
    )
    refund = stripe.state.put(
        "refund",
        {
            "id": refund_id,
            "object": "refund",
            "amount": amount,
            "balance_transaction": booked["id"],
            "charge": charge["id"],
            "created": stripe.now_s(),
            "currency": charge["currency"],
            "destination_details": {"card": {"type": "refund"}, "type": "card"},
            "metadata": asked.metadata(),
            "payment_intent": charge["payment_intent"],
            "reason": asked.one_of("reason", _REASONS),
            "receipt_number": None,
            "source_transfer_reversal": None,
            "status": status,
            "transfer_reversal": None,
        },
        asked.account,
    )
    _count(charge, amount)
    stripe.tell("refund.created", refund, asked.account, asked)
    stripe.tell("charge.refunded", charge, asked.account, asked)
    if fate in {"fail", "fail_after_succeeded"}:
        stripe.later(DAYS * DAY_S, "fail_refund", refund_id)
    elif fate == "pend":
        stripe.later(DAYS * DAY_S, "finish_refund", refund_id)
    return refund


def _charge(stripe: StripeCore, asked: Asked) -> Json:
    charge_id, intent_id = asked.text("charge"), asked.text("payment_intent")
    if intent_id is not None:
        intent = stripe.state.find("payment_intent", intent_id, asked.account)
        if intent is None:
            raise not_found("payment_intent", intent_id, "payment_intent")
        charge_id = intent["latest_charge"]
        if intent["status"] != "succeeded" or charge_id is None:
            raise not_now(f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.")
    if charge_id is None:
        raise missing("payment_intent")
    charge = stripe.state.find("charge", charge_id, asked.account)
    if charge is None:
        raise not_found("charge", charge_id, "charge")
    if charge["status"] != "succeeded":
        raise not_now(f"Charge {charge_id} is not successful; it cannot be refunded.")
    return charge


def _is_lost_or_open(stripe: StripeCore, dispute_id: str) -> bool:
    dispute = stripe.state.find("dispute", dispute_id)
    if dispute is None or dispute["is_charge_refundable"]:
        return False
    return dispute["status"] not in {"won", "warning_closed"}


def _count(charge: Json, amount: int) -> None:
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]


def finish(stripe: StripeCore, refund: Json) -> None:
    """Let a refund that waits succeed."""
    if refund["status"] in {"pending", "requires_action"}:
        refund["status"] = "succeeded"
        stripe.tell("refund.updated", refund, stripe.state.owners[refund["id"]])


def fail(stripe: StripeCore, refund: Json, reason: str = "lost_or_stolen_card") -> None:
    """Let a refund fail, also one that has succeeded: its money is back on the balance."""
    if refund["status"] in {"failed", "canceled"}:
        return
    account = stripe.state.owners[refund["id"]]
    entry = Entry("refund_failure", refund["amount"], refund["currency"], refund["id"])
    booked = book(stripe, account, entry)
    refund.update(status="failed", failure_reason=reason, failure_balance_transaction=booked["id"])
    _count(stripe.state.tables["charge"][refund["charge"]], -refund["amount"])
    stripe.tell("refund.updated", refund, account)
    stripe.tell("refund.failed", refund, account)


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("refund", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("refund", asked.account))
    return page(asked, equal(asked, rows, "payment_intent", "charge"), "/v1/refunds")


def _update(stripe: StripeCore, asked: Asked) -> Json:
    refund = _find(stripe, asked)
    refund["metadata"] = asked.changed_metadata(refund["metadata"])
    stripe.tell("refund.updated", refund, asked.account, asked)
    return refund


def _cancel(stripe: StripeCore, asked: Asked) -> Json:
    refund = _find(stripe, asked)
    if refund["status"] != "requires_action":
        raise not_now("You can only cancel refunds that require action.")
    entry = Entry("refund_failure", refund["amount"], refund["currency"], refund["id"])
    booked = book(stripe, asked.account, entry)
    refund.update(status="canceled", failure_balance_transaction=booked["id"])
    _count(stripe.state.tables["charge"][refund["charge"]], -refund["amount"])
    stripe.tell("refund.updated", refund, asked.account, asked)
    return refund


ROUTES: Final = (
    route("POST", "/v1/refunds", _create, "payment_intent charge amount metadata reason"),
    route("GET", "/v1/refunds", _list, "limit starting_after ending_before created payment_intent charge"),
    route("GET", "/v1/refunds/{id}", _find),
    route("POST", "/v1/refunds/{id}", _update, "metadata"),
    route("POST", "/v1/refunds/{id}/cancel", _cancel),
)
