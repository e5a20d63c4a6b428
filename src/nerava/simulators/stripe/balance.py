"""Balances, which are nothing but the sum of balance transactions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

DAY_S: Final = 86_400
_CATEGORIES: Final = {
    "transfer_refund": "transfer_reversal",
    "payment": "charge",
    "adjustment": "dispute",
    "payment_refund": "refund",
    "payout_failure": "payout_reversal",
    "payout_cancel": "payout_reversal",
    "refund_failure": "refund_failure",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """What changes a balance; amounts in minor units, positive when the account gets something.

    Attributes:
        kind: Stripe's type, such as `charge` or `transfer`.
        source: The object it is about.
        available_on: From when on it can be used, Unix seconds; None for at once.
    """

    kind: str
    amount: int
    currency: str
    source: str
    fee: int = 0
    available_on: int | None = None
    description: str | None = None


def book(stripe: StripeCore, account: str, entry: Entry) -> Json:
    """Add a balance transaction to an account."""
    now_s = stripe.now_s()
    fees = [{"amount": entry.fee, "application": None, "currency": entry.currency}]
    return stripe.state.put(
        "balance_transaction",
        {
            "id": stripe.new_id("txn"),
            "object": "balance_transaction",
            "amount": entry.amount,
            "available_on": now_s if entry.available_on is None else entry.available_on,
            "balance_type": "payments",
            "created": now_s,
            "currency": entry.currency,
            "description": entry.description,
            "exchange_rate": None,
            "fee": entry.fee,
            "fee_details": [
                {**one, "description": "Stripe processing fees", "type": "stripe_fee"}
                for one in fees
                if entry.fee
            ],
            "net": entry.amount - entry.fee,
            "reporting_category": _CATEGORIES.get(entry.kind, entry.kind),
            "source": entry.source,
            "status": "available",
            "type": entry.kind,
        },
        account,
    )


def settles_on(stripe: StripeCore, days: int) -> int:
    """Return when money that came now can be used: midnight UTC some days from now; 0 days is now."""
    now_s = stripe.now_s()
    return now_s if days == 0 else (now_s // DAY_S + days) * DAY_S


def sums(stripe: StripeCore, account: str) -> dict[str, tuple[int, int]]:
    """Return what is available and what is pending, by currency."""
    now_s = stripe.now_s()
    found: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for one in stripe.state.newest("balance_transaction", account):
        found[one["currency"]][one["available_on"] > now_s] += one["net"]
    return {currency: (available, pending) for currency, (available, pending) in sorted(found.items())}


def available(stripe: StripeCore, account: str, currency: str) -> int:
    """Return what an account can use now, minor units."""
    return sums(stripe, account).get(currency, (0, 0))[0]


def all_balances(stripe: StripeCore) -> Json:
    """Return what every account has, by currency: available and pending."""
    names = [stripe.state.platform, *stripe.state.tables.get("account", {})]
    return {
        name: {
            currency: {"available": usable, "pending": pending}
            for currency, (usable, pending) in sums(stripe, name).items()
        }
        for name in names
    }


def _retrieve(stripe: StripeCore, asked: Asked) -> Json:
    found = sums(stripe, asked.account) or {"usd": (0, 0)}
    parts = {
        word: [
            {"amount": both[place], "currency": currency, "source_types": {"card": both[place]}}
            for currency, both in found.items()
        ]
        for place, word in enumerate(("available", "pending"))
    }
    reserved = [{"amount": 0, "currency": currency} for currency in found]
    return {"object": "balance", "livemode": False, "connect_reserved": reserved, **parts}


def _one(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("balance_transaction", asked.ids["id"], asked.account, called="balance transaction")


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = stripe.state.newest("balance_transaction", asked.account)
    rows_of = asked.text("payout")
    found = equal(asked, created_within(asked, rows), "type", "source", "currency")
    if rows_of is not None:
        found = (row for row in found if row["source"] == rows_of)
    return page(asked, found, "/v1/balance_transactions")


ROUTES: Final = (
    route("GET", "/v1/balance", _retrieve),
    route(
        "GET",
        "/v1/balance_transactions",
        _list,
        "limit starting_after ending_before created type source currency payout",
    ),
    route("GET", "/v1/balance_transactions/{id}", _one),
)
