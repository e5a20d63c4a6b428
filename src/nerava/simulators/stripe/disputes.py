"""Disputes: a payer asks the bank for the money back, and has it until the dispute is won."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.balance import DAY_S, Entry, book
from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.problems import not_now
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

EVIDENCE_DAYS: Final = 9


def open_dispute(stripe: StripeCore, charge: Json, amount: int | None, reason: str) -> Json:
    """Take the money of a charge away, and a fee with it."""
    account = stripe.state.owners[charge["id"]]
    amount = charge["amount"] - charge["amount_refunded"] if amount is None else amount
    dispute_id = stripe.new_id("dp")
    dispute = stripe.state.put(
        "dispute",
        {
            "id": dispute_id,
            "object": "dispute",
            "amount": amount,
            "balance_transactions": [],
            "charge": charge["id"],
            "created": stripe.now_s(),
            "currency": charge["currency"],
            "evidence": {},
            "evidence_details": {
                "due_by": stripe.now_s() + EVIDENCE_DAYS * DAY_S,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": False,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": reason,
            "status": "needs_response",
        },
        account,
    )
    charge.update(disputed=True, dispute=dispute_id)
    stripe.tell("charge.dispute.created", dispute, account)
    fee = stripe.state.habits.dispute_fee
    taken = book(stripe, account, Entry("adjustment", -amount, charge["currency"], dispute_id, fee))
    dispute["balance_transactions"].append(taken)
    stripe.tell("charge.dispute.funds_withdrawn", dispute, account)
    return dispute


def close_dispute(stripe: StripeCore, dispute: Json, *, won: bool) -> Json:
    """End a dispute; when it was won the money comes back, the fee does not."""
    account = stripe.state.owners[dispute["id"]]
    dispute["status"] = "won" if won else "lost"
    if won:
        entry = Entry("adjustment", dispute["amount"], dispute["currency"], dispute["id"])
        dispute["balance_transactions"].append(book(stripe, account, entry))
        stripe.tell("charge.dispute.funds_reinstated", dispute, account)
    stripe.tell("charge.dispute.closed", dispute, account)
    return dispute


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("dispute", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("dispute", asked.account))
    return page(asked, equal(asked, rows, "payment_intent", "charge"), "/v1/disputes")


def _close_by_call(stripe: StripeCore, asked: Asked) -> Json:
    dispute = _find(stripe, asked)
    if dispute["status"] in {"won", "lost"}:
        raise not_now("This dispute is already closed.")
    return close_dispute(stripe, dispute, won=False)


def _update(stripe: StripeCore, asked: Asked) -> Json:
    dispute = _find(stripe, asked)
    dispute["metadata"] = asked.changed_metadata(dispute["metadata"])
    if asked.truth("submit"):
        dispute["status"] = "under_review"
        dispute["evidence_details"]["submission_count"] += 1
    stripe.tell("charge.dispute.updated", dispute, asked.account, asked)
    return dispute


ROUTES: Final = (
    route("GET", "/v1/disputes", _list, "limit starting_after ending_before created payment_intent charge"),
    route("GET", "/v1/disputes/{id}", _find),
    route("POST", "/v1/disputes/{id}", _update, "metadata submit evidence"),
    route("POST", "/v1/disputes/{id}/close", _close_by_call),
)
