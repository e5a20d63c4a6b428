"""Transfers to connected accounts, which happen at once or not at all, and their reversals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.balance import Entry, available, book
from nerava.simulators.stripe.lists import created_within, equal, page
from nerava.simulators.stripe.problems import invalid, not_found, not_now
from nerava.simulators.stripe.routing import route

if TYPE_CHECKING:
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.stripe.core import StripeCore
    from nerava.simulators.wire import Json

NO_FUNDS: Final = (
    "You have insufficient available funds in your Stripe account. Try adding funds directly to your "
    "available balance by creating Charges using the 4000000000000077 test card."
)


def _create(stripe: StripeCore, asked: Asked) -> Json:
    amount, currency, to = asked.need_amount(), asked.currency(), asked.need("destination")
    recipient = stripe.state.find("account", to)
    if recipient is None or to in stripe.state.deauthorised:
        raise not_found("destination", to, "destination", 400)
    if recipient["capabilities"].get("transfers") != "active":
        message = (
            "Your destination account needs to have at least one of the following capabilities enabled: "
            "transfers, crypto_transfers, legacy_payments"
        )
        raise not_now(message, "insufficient_capabilities_for_transfer")
    if amount > available(stripe, asked.account, currency):
        raise not_now(NO_FUNDS, "balance_insufficient")
    transfer_id, payment_id = stripe.new_id("tr"), stripe.new_id("py")
    taken = book(stripe, asked.account, Entry("transfer", -amount, currency, transfer_id))
    given = book(stripe, to, Entry("payment", amount, currency, payment_id))
    stripe.state.put("payment", _payment(stripe, payment_id, given, transfer_id), to)
    transfer: Json = {
        "id": transfer_id,
        "object": "transfer",
        "amount": amount,
        "amount_reversed": 0,
        "balance_transaction": taken["id"],
        "created": stripe.now_s(),
        "currency": currency,
        "description": asked.text("description"),
        "destination": to,
        "destination_payment": payment_id,
        "livemode": False,
        "metadata": asked.metadata(),
        "reversals": _reversals_of(transfer_id, []),
        "reversed": False,
        "source_transaction": None,
        "source_type": "card",
        "transfer_group": asked.text("transfer_group"),
    }
    stripe.state.put("transfer", transfer, asked.account)
    stripe.tell("transfer.created", transfer, asked.account, asked)
    stripe.later(0, "sweep", to)
    return transfer


def _payment(stripe: StripeCore, payment_id: str, given: Json, transfer_id: str) -> Json:
    """Return the charge by which a connected account sees that it got money."""
    return {
        "id": payment_id,
        "object": "charge",
        "amount": given["amount"],
        "amount_captured": given["amount"],
        "amount_refunded": 0,
        "balance_transaction": given["id"],
        "captured": True,
        "created": stripe.now_s(),
        "currency": given["currency"],
        "livemode": False,
        "metadata": {},
        "paid": True,
        "refunded": False,
        "source_transfer": transfer_id,
        "status": "succeeded",
    }


def _reversals_of(transfer_id: str, rows: list[Json]) -> Json:
    url = f"/v1/transfers/{transfer_id}/reversals"
    return {"object": "list", "data": rows, "has_more": False, "url": url}


def _update(stripe: StripeCore, asked: Asked) -> Json:
    transfer = _find(stripe, asked)
    transfer["metadata"] = asked.changed_metadata(transfer["metadata"])
    stripe.tell("transfer.updated", transfer, asked.account, asked)
    return transfer


def _find(stripe: StripeCore, asked: Asked) -> Json:
    return stripe.need("transfer", asked.ids["id"], asked.account)


def _list(stripe: StripeCore, asked: Asked) -> Json:
    rows = created_within(asked, stripe.state.newest("transfer", asked.account))
    return page(asked, equal(asked, rows, "transfer_group", "destination"), "/v1/transfers")


def _reverse(stripe: StripeCore, asked: Asked) -> Json:
    transfer = _find(stripe, asked)
    left = transfer["amount"] - transfer["amount_reversed"]
    amount = asked.amount() or left
    if amount > left or left == 0:
        message = (
            f"Transfer reversal amount ({amount}) is greater than unrefunded amount on transfer ({left})"
        )
        raise not_now(message, None, "amount")
    holder, currency = transfer["destination"], transfer["currency"]
    if amount > available(stripe, holder, currency):
        raise not_now(
            "The connected account has insufficient funds for this reversal.", "balance_insufficient"
        )
    reversal_id = stripe.new_id("trr")
    given = book(stripe, asked.account, Entry("transfer_refund", amount, currency, reversal_id))
    book(stripe, holder, Entry("payment_refund", -amount, currency, transfer["destination_payment"]))
    transfer["amount_reversed"] += amount
    transfer["reversed"] = transfer["amount_reversed"] == transfer["amount"]
    reversal: Json = {
        "id": reversal_id,
        "object": "transfer_reversal",
        "amount": amount,
        "balance_transaction": given["id"],
        "created": stripe.now_s(),
        "currency": currency,
        "destination_payment_refund": stripe.new_id("pyr"),
        "metadata": asked.metadata(),
        "source_refund": None,
        "transfer": transfer["id"],
    }
    stripe.state.put("transfer_reversal", reversal, asked.account)
    transfer["reversals"] = _reversals_of(transfer["id"], [reversal, *transfer["reversals"]["data"]])
    stripe.tell("transfer.reversed", transfer, asked.account, asked)
    return reversal


def _list_reversals(stripe: StripeCore, asked: Asked) -> Json:
    transfer = _find(stripe, asked)
    url: str = transfer["reversals"]["url"]
    return page(asked, transfer["reversals"]["data"], url)


def _one_reversal(stripe: StripeCore, asked: Asked) -> Json:
    found = stripe.need("transfer_reversal", asked.ids["reversal"], asked.account, called="transfer reversal")
    if found["transfer"] != asked.ids["id"]:
        raise invalid("id", "The reversal belongs to another transfer.")
    return found


_PAGING: Final = "limit starting_after ending_before"
ROUTES: Final = (
    route(
        "POST",
        "/v1/transfers",
        _create,
        "amount currency destination description metadata transfer_group source_type",
    ),
    route("GET", "/v1/transfers", _list, f"{_PAGING} created destination transfer_group"),
    route("GET", "/v1/transfers/{id}", _find),
    route("POST", "/v1/transfers/{id}", _update, "metadata description"),
    route("POST", "/v1/transfers/{id}/reversals", _reverse, "amount description metadata"),
    route("GET", "/v1/transfers/{id}/reversals", _list_reversals, _PAGING),
    route("GET", "/v1/transfers/{id}/reversals/{reversal}", _one_reversal),
)
