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


_OVER: Final = frozenset({"won", "lost", "warning_closed"})


def open_dispute(
    stripe: StripeCore, charge: Json, amount: int | None, reason: str, *, inquiry: bool = False
) -> Json:
    """Take the money of a charge away, and a fee with it; an inquiry only asks, and takes nothing."""
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
            "enhanced_eligibility_types": [],
            "evidence": {},
            "evidence_details": {
                "due_by": stripe.now_s() + EVIDENCE_DAYS * DAY_S,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": inquiry,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": "visa",
                    "case_type": "inquiry" if inquiry else "chargeback",
                    "network": "visa",
                    "network_reason_code": "10.4",
                },
                "type": "card",
            },
            "reason": reason,
            "status": "warning_needs_response" if inquiry else "needs_response",
        },
        account,
    )
    charge.update(disputed=True, dispute=dispute_id)
    stripe.tell("charge.dispute.created", dispute, account)
    if not inquiry:
        _withdraw(stripe, dispute)
    return dispute


def escalate(stripe: StripeCore, dispute: Json) -> Json:
    """Let an inquiry become a chargeback, which takes the money."""
    dispute["status"] = "needs_response"
    dispute["is_charge_refundable"] = False
    dispute["payment_method_details"]["card"]["case_type"] = "chargeback"
    stripe.tell("charge.dispute.updated", dispute, stripe.state.owners[dispute["id"]])
    _withdraw(stripe, dispute)
    return dispute


def close_dispute(stripe: StripeCore, dispute: Json, *, won: bool) -> Json:
    """End a dispute; when it was won the money comes back, the fee does not. A won inquiry is just closed."""
    account = stripe.state.owners[dispute["id"]]
    was_inquiry = dispute["status"].startswith("warning_")
    dispute["status"] = "lost" if not won else "warning_closed" if was_inquiry else "won"
    if won and not was_inquiry:
        reinstate(stripe, dispute)
    stripe.tell("charge.dispute.closed", dispute, account)
    return dispute


def reinstate(stripe: StripeCore, dispute: Json) -> Json:
    """Give the money of a dispute back; now and then that happens after it was lost."""
    account = stripe.state.owners[dispute["id"]]
    entry = Entry("adjustment", dispute["amount"], dispute["currency"], dispute["id"])
    dispute["balance_transactions"].append(book(stripe, account, entry))
    stripe.tell("charge.dispute.funds_reinstated", dispute, account)
    return dispute


def is_over(dispute: Json) -> bool:
    """Return whether a dispute was decided."""
    return dispute["status"] in _OVER


def _withdraw(stripe: StripeCore, dispute: Json) -> None:
    account, fee = stripe.state.owners[dispute["id"]], stripe.state.habits.dispute_fee
    entry = Entry("adjustment", -dispute["amount"], dispute["currency"], dispute["id"], fee)
    dispute["balance_transactions"].append(book(stripe, account, entry))
    stripe.tell("charge.dispute.funds_withdrawn", dispute, account)


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("dispute", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("dispute", asked.account))
    return page(asked, equal(asked, rows, "payment_intent", "charge"), "/v1/disputes")


def _close_by_call(stripe: StripeCore, asked: Asked) -> Json:
    dispute = _find(stripe, asked)
    if is_over(dispute):
        raise not_now("This dispute is already closed.")
    return close_dispute(stripe, dispute, won=False)


def _update(stripe: StripeCore, asked: Asked) -> Json:
    dispute = _find(stripe, asked)
    dispute["metadata"] = asked.changed_metadata(dispute["metadata"])
    if asked.truth("submit"):
        inquiry = dispute["status"].startswith("warning_")
        dispute["status"] = "warning_under_review" if inquiry else "under_review"
        dispute["evidence_details"]["submission_count"] += 1
    stripe.tell("charge.dispute.updated", dispute, asked.account, asked)
    return dispute


ROUTES: Final = (
    route("GET", "/v1/disputes", _list, "limit starting_after ending_before created payment_intent charge"),
    route("GET", "/v1/disputes/{id}", _find),
    route("POST", "/v1/disputes/{id}", _update, "metadata submit evidence"),
    route("POST", "/v1/disputes/{id}/close", _close_by_call),
)
