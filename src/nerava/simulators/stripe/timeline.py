"""What Stripe does by itself when its time has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe import checkout, disputes, payments, payouts, refunds

if TYPE_CHECKING:
    from collections.abc import Callable

    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json


def run(stripe: StripeCore, action: str, subject: str) -> None:
    """Do what was planned for a subject; one that is gone meanwhile is left alone."""
    subject, _, detail = subject.partition(":")
    thing = stripe.state.anywhere(subject)
    if thing is None:
        return
    if action == "payout_comes_back":
        payouts.fail(stripe, thing, detail)
    else:
        _ACTIONS[action](stripe, thing)


def _bank_debit(stripe: StripeCore, intent: Json) -> None:
    if intent["status"] == "processing":
        paid = payments.finish_bank_debit(stripe, intent)
        checkout.bank_has_spoken(stripe, intent, paid=paid)


def _dispute(stripe: StripeCore, charge: Json) -> None:
    disputes.open_dispute(stripe, charge, None, "fraudulent")


_ACTIONS: Final[dict[str, Callable[[StripeCore, Json], None]]] = {
    "automatic_payout": payouts.pay_automatically,
    "bank_debit": _bank_debit,
    "dispute": _dispute,
    "expire_checkout": checkout.expire,
    "fail_refund": refunds.fail,
    "finish_refund": refunds.finish,
    "payout_arrives": payouts.arrive,
    "payout_leaves": payouts.leave,
    "sweep": payouts.sweep,
}
