"""`PaymentProvider` over Stripe: hosted checkouts, and refunds of what they brought."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from nerava.integrations.stripe.reading import OtherForm, in_path, inner, name_of, read_as, text, whole
from nerava.rewards.ports import (
    Checkout,
    Dispute,
    DisputedMoney,
    DisputeState,
    PaymentState,
    Refund,
    RefundState,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.integrations.stripe.api import StripeApi
    from nerava.kernel.outcomes import Outcome

_WITH_FEE: Final = [("expand[]", "payment_intent.latest_charge.balance_transaction")]
_DISPUTES: Final = {
    "warning_needs_response": DisputeState.OPEN,
    "warning_under_review": DisputeState.OPEN,
    "warning_closed": DisputeState.DROPPED,
    "needs_response": DisputeState.OPEN,
    "under_review": DisputeState.OPEN,
    "won": DisputeState.WON,
    "lost": DisputeState.LOST,
    # Settled with the payer's bank before it became a dispute, for which the money was given back.
    "prevented": DisputeState.LOST,
}
_WANTS_ANSWER: Final = frozenset({"warning_needs_response", "needs_response"})
_DEAD_INTENT: Final = frozenset({"requires_payment_method", "canceled"})


class StripePayments:
    """Takes payments of sponsors. Safe to share between threads."""

    name: Final = "stripe"

    def __init__(self, api: StripeApi) -> None:
        self._api = api

    def open_checkout(
        self, reference: UUID, *, amount_minor: int, currency: str, return_url: str, key: str
    ) -> Outcome[Checkout]:
        """Make a hosted page for one payment of this amount."""
        form = {
            "mode": "payment",
            "client_reference_id": str(reference),
            "success_url": return_url,
            "cancel_url": return_url,
            "metadata": {"reference": str(reference)},
            "payment_intent_data": {"metadata": {"reference": str(reference)}},
            "line_items": [
                {
                    "quantity": 1,
                    "price_data": {
                        "currency": currency.lower(),
                        "unit_amount": amount_minor,
                        "product_data": {"name": "Campaign funding"},
                    },
                }
            ],
        }
        return read_as(self._api.post("/v1/checkout/sessions", form, key=key), _checkout)

    def checkout(self, checkout: str) -> Outcome[Checkout]:
        """Read a checkout with its payment and what Stripe kept of it."""
        return read_as(self._api.get(f"/v1/checkout/sessions/{in_path(checkout)}", _WITH_FEE), _checkout)

    def refund(self, payment: str, reference: UUID, *, amount_minor: int, key: str) -> Outcome[Refund]:
        """Send a part or all of a payment back to who paid it."""
        form = {
            "payment_intent": payment,
            "amount": amount_minor,
            "metadata": {"reference": str(reference)},
        }
        return read_as(self._api.post("/v1/refunds", form, key=key), _refund)

    def refunds_of(self, payment: str) -> Outcome[list[Refund]]:
        """Read all refunds of a payment."""
        found = self._api.every("/v1/refunds", [("payment_intent", payment)])
        return read_as(found, lambda rows: [_refund(row) for row in rows])

    def dispute(self, dispute: str) -> Outcome[Dispute]:
        """Read a dispute; Stripe names the lines of its book in it."""
        return read_as(self._api.get(f"/v1/disputes/{in_path(dispute)}"), _dispute)


def _checkout(row: Mapping[str, Any]) -> Checkout:
    intent = row.get("payment_intent")
    charge = inner(intent, "latest_charge") if isinstance(intent, dict) else {}
    try:
        reference = UUID(text(row, "client_reference_id"))
    except ValueError:
        raise OtherForm("client_reference_id") from None
    url = row.get("url")
    return Checkout(
        checkout=text(row, "id"),
        url=url if isinstance(url, str) else None,
        reference=reference,
        state=_state(row, intent),
        amount_minor=whole(row, "amount_total"),
        currency=text(row, "currency").upper(),
        payment=name_of(row, "payment_intent"),
        fee_minor=_fee(charge),
        is_live=row.get("livemode") is True,
    )


def _state(row: Mapping[str, Any], intent: object) -> PaymentState:
    match row.get("status"), row.get("payment_status"):
        case _, "paid":
            return PaymentState.PAID
        case "open", _:
            return PaymentState.OPEN
        case "expired", _:
            return PaymentState.EXPIRED
        case "complete", "unpaid":
            # A bank debit takes days and may still fail; then its intent asks for another method.
            failed = isinstance(intent, dict) and intent.get("status") in _DEAD_INTENT
            return PaymentState.FAILED if failed else PaymentState.PROCESSING
        case _:
            raise OtherForm("payment_status")


def _fee(charge: Mapping[str, Any]) -> int:
    movement = charge.get("balance_transaction")
    return whole(movement, "fee") if isinstance(movement, dict) else 0


def _refund(row: Mapping[str, Any]) -> Refund:
    payment = name_of(row, "payment_intent")
    if payment is None:
        raise OtherForm("payment_intent")
    states = {
        "pending": RefundState.PENDING,
        "requires_action": RefundState.PENDING,
        "succeeded": RefundState.SUCCEEDED,
        "failed": RefundState.FAILED,
        "canceled": RefundState.FAILED,
    }
    state = states.get(text(row, "status"))
    if state is None:
        raise OtherForm("status")
    reference = inner(row, "metadata").get("reference")
    return Refund(
        refund=text(row, "id"),
        reference=reference if isinstance(reference, str) else None,
        payment=payment,
        amount_minor=whole(row, "amount"),
        currency=text(row, "currency").upper(),
        state=state,
    )


def _dispute(row: Mapping[str, Any]) -> Dispute:
    status = text(row, "status")
    state = _DISPUTES.get(status)
    if state is None:
        raise OtherForm("status")
    lines = row.get("balance_transactions")
    if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
        raise OtherForm("balance_transactions")
    evidence = inner(row, "evidence_details")
    is_asked = status in _WANTS_ANSWER and evidence.get("due_by") is not None
    return Dispute(
        dispute=text(row, "id"),
        payment=name_of(row, "payment_intent"),
        state=state,
        amount_minor=whole(row, "amount"),
        currency=text(row, "currency").upper(),
        reason=text(row, "reason"),
        answer_by=datetime.fromtimestamp(whole(evidence, "due_by"), UTC) if is_asked else None,
        moved=tuple(
            DisputedMoney(
                text(line, "id"), whole(line, "amount"), whole(line, "fee"), text(line, "currency").upper()
            )
            for line in lines
        ),
    )
