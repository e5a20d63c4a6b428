"""Payouts from an account to its bank, on a calendar of business days; also those that come back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.accounts import lose_bank
from nerava.simulators.stripe.balance import DAY_S, Entry, available, book, sums
from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.problems import not_now
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

FATES: Final = ("pay", "fail", "fail_after_paid")
COMES_BACK_S: Final = 3 * DAY_S
"""How long after it was paid a payout comes back."""
LEAVES_S: Final = 6 * 3_600
"""How long after its creation a payout is in transit."""
_SATURDAY: Final = 5
_BANK_IS_WRONG: Final = frozenset({"account_closed", "no_account", "invalid_account_number"})
_MESSAGES: Final = {
    "account_closed": "The bank account has been closed.",
    "no_account": "The bank account could not be located.",
    "could_not_process": "The bank could not process this payout.",
}


def _create(stripe: StripeCore, asked: Asked) -> Json:
    amount, currency = asked.need_amount(), asked.currency()
    account = stripe.state.find("account", asked.account)
    if account is not None and not account["payouts_enabled"]:
        raise not_now(
            "Cannot create payouts: this account has requirements that are due.", "payouts_not_allowed"
        )
    if amount > available(stripe, asked.account, currency):
        message = (
            f"You have insufficient funds in your Stripe account for this payout ({amount} {currency}). "
            "Your card balance is too low."
        )
        raise not_now(message, "balance_insufficient")
    method = asked.one_of("method", ("standard", "instant")) or "standard"
    payout = new_payout(stripe, asked.account, amount, currency, automatic=False)
    payout["description"] = asked.text("description")
    payout["metadata"] = asked.metadata()
    payout["method"] = method
    payout["statement_descriptor"] = asked.text("statement_descriptor")
    stripe.tell("payout.created", payout, asked.account, asked)
    return payout


def new_payout(stripe: StripeCore, account: str, amount: int, currency: str, *, automatic: bool) -> Json:
    """Take money from a balance and plan its way to the bank."""
    payout_id, now_s = stripe.new_id("po"), stripe.now_s()
    holder = stripe.state.find("account", account)
    banks = holder["external_accounts"]["data"] if holder else []
    booked = book(stripe, account, Entry("payout", -amount, currency, payout_id, description="STRIPE PAYOUT"))
    arrives_on = arrival(now_s, stripe.state.habits.payout_days)
    payout = stripe.state.put(
        "payout",
        {
            "id": payout_id,
            "object": "payout",
            "amount": amount,
            "application_fee": None,
            "application_fee_amount": None,
            "arrival_date": arrives_on,
            "automatic": automatic,
            "balance_transaction": booked["id"],
            "created": now_s,
            "currency": currency,
            "description": "STRIPE PAYOUT" if automatic else None,
            "destination": banks[0]["id"] if banks else stripe.new_id("ba"),
            "failure_balance_transaction": None,
            "failure_code": None,
            "failure_message": None,
            "livemode": False,
            "metadata": {},
            "method": "standard",
            "original_payout": None,
            "reconciliation_status": "in_progress" if automatic else "not_applicable",
            "reversed_by": None,
            "source_type": "card",
            "statement_descriptor": None,
            "status": "pending",
            "trace_id": None,
            "type": "bank_account",
        },
        account,
    )
    leaves_s = LEAVES_S if stripe.state.habits.payout_days else 0
    stripe.later(leaves_s, "payout_leaves", payout_id)
    stripe.later(max(arrives_on - now_s, leaves_s), "payout_arrives", payout_id)
    return payout


def arrival(now_s: int, days: int) -> int:
    """Return when a payout of now arrives: midnight UTC after so many business days; 0 days is now."""
    if days == 0:
        return now_s
    day = now_s // DAY_S
    while days:
        day += 1
        days -= datetime.fromtimestamp(day * DAY_S, UTC).weekday() < _SATURDAY
    return day * DAY_S


def leave(stripe: StripeCore, payout: Json) -> None:
    """Let a payout go to the bank."""
    if payout["status"] == "pending":
        payout["status"] = "in_transit"
        stripe.tell("payout.updated", payout, stripe.state.owners[payout["id"]])


def arrive(stripe: StripeCore, payout: Json) -> None:
    """Let a payout arrive, or fail, or arrive and fail later, as was decided."""
    if payout["status"] not in {"pending", "in_transit"}:
        return
    account = stripe.state.owners[payout["id"]]
    fate = stripe.state.fate(f"payout:{payout['id']}", f"payout:{account}", "payout") or "pay"
    word, _, code = fate.partition(":")
    if word == "fail":
        fail(stripe, payout, code or "account_closed")
        return
    payout["status"] = "paid"
    stripe.tell("payout.paid", payout, account)
    if payout["automatic"]:
        payout["reconciliation_status"] = "completed"
        stripe.tell("payout.reconciliation_completed", payout, account)
    if word == "fail_after_paid":
        stripe.later(COMES_BACK_S, "payout_comes_back", f"{payout['id']}:{code or 'account_closed'}")


def fail(stripe: StripeCore, payout: Json, code: str) -> None:
    """Let a payout fail, also one that was paid: its amount is back on the account's balance."""
    if payout["status"] in {"failed", "canceled"}:
        return
    account = stripe.state.owners[payout["id"]]
    entry = Entry("payout_failure", payout["amount"], payout["currency"], payout["id"])
    booked = book(stripe, account, entry)
    payout.update(
        status="failed",
        failure_code=code,
        failure_message=_MESSAGES.get(code, "The payout failed."),
        failure_balance_transaction=booked["id"],
    )
    stripe.tell("payout.failed", payout, account)
    holder = stripe.state.find("account", account)
    if holder is not None and code in _BANK_IS_WRONG:
        lose_bank(stripe, holder)


def sweep(stripe: StripeCore, account: Json) -> None:
    """Plan the next automatic payout of an account that is paid daily, if it has anything."""
    if account["settings"]["payouts"]["schedule"]["interval"] != "daily":
        return
    if any(
        due.action == "automatic_payout" and due.subject == account["id"] for due in stripe.timeline.waiting()
    ):
        return
    now_s = stripe.now_s()
    wait_s = DAY_S - now_s % DAY_S if stripe.state.habits.payout_days else 0
    stripe.later(wait_s, "automatic_payout", account["id"])


def pay_automatically(stripe: StripeCore, account: Json) -> None:
    """Send everything that an account has to its bank; nothing while it may not be paid."""
    if not account["payouts_enabled"] or account["id"] in stripe.state.deauthorised:
        return
    for currency, (has, _) in sums(stripe, account["id"]).items():
        if has > 0:
            payout = new_payout(stripe, account["id"], has, currency, automatic=True)
            stripe.tell("payout.created", payout, account["id"])


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("payout", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("payout", asked.account))
    rows = created_within(asked, rows, "arrival_date")
    return page(asked, equal(asked, rows, "status", "destination"), "/v1/payouts")


def _update(stripe: StripeCore, asked: Asked) -> Json:
    payout = _find(stripe, asked)
    payout["metadata"] = asked.changed_metadata(payout["metadata"])
    stripe.tell("payout.updated", payout, asked.account, asked)
    return payout


def _cancel(stripe: StripeCore, asked: Asked) -> Json:
    payout = _find(stripe, asked)
    if payout["status"] != "pending":
        raise not_now("Payouts can only be canceled while they are pending.", "payout_not_cancelable")
    entry = Entry("payout_cancel", payout["amount"], payout["currency"], payout["id"])
    book(stripe, asked.account, entry)
    payout["status"] = "canceled"
    stripe.tell("payout.canceled", payout, asked.account, asked)
    return payout


ROUTES: Final = (
    route(
        "POST",
        "/v1/payouts",
        _create,
        "amount currency description destination metadata method source_type statement_descriptor",
    ),
    route(
        "GET",
        "/v1/payouts",
        _list,
        "limit starting_after ending_before created arrival_date status destination",
    ),
    route("GET", "/v1/payouts/{id}", _find),
    route("POST", "/v1/payouts/{id}", _update, "metadata"),
    route("POST", "/v1/payouts/{id}/cancel", _cancel),
)
