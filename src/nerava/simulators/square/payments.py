"""Payments of orders, and refunds of payments."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from nerava.simulators.square.core import money, paged
from nerava.simulators.square.orders import add_up, changed, find, within
from nerava.simulators.square.problems import SquareProblem, bad, not_found

if TYPE_CHECKING:
    from nerava.simulators.square.core import Asked, SquareCore
    from nerava.simulators.wire import Json

PAGE_MAX: Final = 100
DELAY_S: Final = 36 * 3_600
"""How long a payment that was approved waits to be captured, until it is canceled."""


@dataclass(frozen=True, slots=True)
class Paying:
    """How an order is paid.

    Attributes:
        amount: Without tip; None for all of it.
        captured: False leaves the payment approved, to be captured or canceled later.
    """

    amount: int | None = None
    tip: int = 0
    captured: bool = True
    declined: bool = False
    source: str = "CARD"


def pay(square: SquareCore, order: Json, paying: Paying) -> Json:
    """Pay an order; it is completed by a payment that is."""
    if order["state"] != "OPEN":
        raise bad("Only an open order can be paid.", "order_id")
    currency, now = order["total_money"]["currency"], square.now_text()
    amount = order["total_money"]["amount"] if paying.amount is None else paying.amount
    merchant = square.state.owners[order["id"]]
    payment: Json = {
        "id": square.new_id(),
        "status": "FAILED" if paying.declined else "COMPLETED" if paying.captured else "APPROVED",
        "amount_money": money(amount, currency),
        "tip_money": money(paying.tip, currency),
        "total_money": money(amount + paying.tip, currency),
        "approved_money": money(amount + paying.tip, currency),
        "refunded_money": money(0, currency),
        "order_id": order["id"],
        "location_id": order["location_id"],
        "source_type": paying.source,
        "delay_action": "CANCEL",
        "receipt_number": square.new_id(4),
        "version_token": square.new_id(),
        "created_at": now,
        "updated_at": now,
    }
    square.state.payments[payment["id"]] = payment
    square.state.owners[payment["id"]] = merchant
    tell_payment(square, payment, "created")
    if payment["status"] == "COMPLETED":
        _complete_order(square, order, payment)
    elif payment["status"] == "APPROVED":
        square.later(DELAY_S, "cancel_payment", payment["id"])
    return payment


def _complete_order(square: SquareCore, order: Json, payment: Json) -> None:
    order["tenders"].append(
        {
            "id": payment["id"],
            "payment_id": payment["id"],
            "location_id": order["location_id"],
            "transaction_id": order["id"],
            "type": payment["source_type"],
            "amount_money": payment["total_money"],
            "tip_money": payment["tip_money"],
            "created_at": payment["created_at"],
        }
    )
    currency = order["total_money"]["currency"]
    order["total_tip_money"] = money(
        order["total_tip_money"]["amount"] + payment["tip_money"]["amount"], currency
    )
    add_up(order, currency)
    paid = sum(one["amount_money"]["amount"] for one in order["tenders"])
    if paid >= order["total_money"]["amount"]:
        order["state"], order["closed_at"] = "COMPLETED", square.now_text()
    changed(square, order)


def capture(square: SquareCore, payment: Json) -> None:
    """Take the money of a payment that was approved."""
    if payment["status"] != "APPROVED":
        raise bad("Only an approved payment can be completed.", "payment_id")
    _become(square, payment, "COMPLETED")
    _complete_order(square, square.state.orders[payment["order_id"]], payment)


def cancel(square: SquareCore, payment: Json) -> None:
    """Let a payment that was approved lapse; nothing happens to another one."""
    if payment["status"] == "APPROVED":
        _become(square, payment, "CANCELED")


def _become(square: SquareCore, payment: Json, status: str) -> None:
    payment.update(status=status, updated_at=square.now_text(), version_token=square.new_id())
    tell_payment(square, payment, "updated")


def tell_payment(square: SquareCore, payment: Json, word: str) -> None:
    """Tell all about a payment."""
    data = {"type": "payment", "id": payment["id"], "object": {"payment": copy.deepcopy(payment)}}
    square.tell(f"payment.{word}", square.state.owners[payment["id"]], data)


def refund(square: SquareCore, payment: Json, amount: int, reason: str | None) -> Json:
    """Give money of a payment back; it is pending at first."""
    taken = payment["refunded_money"]["amount"]
    if payment["status"] != "COMPLETED":
        raise SquareProblem(400, "REFUND_ERROR", "REFUND_DECLINED", "The payment is not completed.")
    if amount < 1 or amount + taken > payment["total_money"]["amount"]:
        message = "The requested refund amount exceeds the amount available to refund."
        raise SquareProblem(400, "REFUND_ERROR", "REFUND_AMOUNT_INVALID", message, "amount_money")
    currency, now = payment["total_money"]["currency"], square.now_text()
    merchant = square.state.owners[payment["id"]]
    made: Json = {
        "id": f"{payment['id']}_{square.new_id()}",
        "status": "PENDING",
        "amount_money": money(amount, currency),
        "payment_id": payment["id"],
        "order_id": payment["order_id"],
        "location_id": payment["location_id"],
        "reason": reason or "",
        "created_at": now,
        "updated_at": now,
    }
    square.state.refunds[made["id"]] = made
    square.state.owners[made["id"]] = merchant
    payment["refunded_money"] = money(taken + amount, currency)
    payment.setdefault("refund_ids", []).append(made["id"])
    tell_refund(square, made, "created")
    _become(square, payment, payment["status"])
    order = square.state.orders[payment["order_id"]]
    order["refunds"].append(
        {
            "id": made["id"],
            "location_id": made["location_id"],
            "transaction_id": order["id"],
            "tender_id": payment["id"],
            "amount_money": made["amount_money"],
            "status": "APPROVED",
            "reason": made["reason"],
            "created_at": now,
        }
    )
    changed(square, order)
    square.later(1, "finish_refund", made["id"])
    return made


def finish_refund(square: SquareCore, made: Json) -> None:
    """Let a refund be through."""
    if made["status"] == "PENDING":
        made.update(status="COMPLETED", updated_at=square.now_text())
        tell_refund(square, made, "updated")


def tell_refund(square: SquareCore, made: Json, word: str) -> None:
    """Tell all about a refund."""
    data = {"type": "refund", "id": made["id"], "object": {"refund": copy.deepcopy(made)}}
    square.tell(f"refund.{word}", square.state.owners[made["id"]], data)


def _payment(square: SquareCore, wanted: str, merchant: str) -> Json:
    found = square.state.payments.get(wanted)
    if found is None or square.state.owners[wanted] != merchant:
        raise not_found("Payment", wanted)
    return found


def read_payment(square: SquareCore, asked: Asked) -> Json:
    """Answer `GET /v2/payments/{id}`."""
    return {"payment": _payment(square, asked.ids["id"], asked.seller)}


def list_payments(square: SquareCore, asked: Asked) -> Json:
    """Answer `GET /v2/payments`: by place and by when they were made, newest first."""
    place = asked.body.get("location_id")
    interval = {"start_at": asked.body.get("begin_time"), "end_at": asked.body.get("end_time")}
    found = [
        one
        for one in reversed(square.state.payments.values())
        if square.state.owners[one["id"]] == asked.seller
        and place in {None, one["location_id"]}
        and within(one["created_at"], interval)
    ]
    rows, more = paged(asked, found, PAGE_MAX)
    return {"payments": rows, **more}


def create_payment(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/payments` for an order; `autocomplete` false leaves it approved."""
    asked.need("source_id")
    order = find(square, asked.need("order_id"), asked.seller)
    given, tip = asked.body.get("amount_money") or {}, asked.body.get("tip_money") or {}
    paying = Paying(
        int(given.get("amount", 0)),
        int(tip.get("amount", 0)),
        captured=bool(asked.body.get("autocomplete", True)),
    )
    return {"payment": pay(square, order, paying)}


def complete_payment(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/payments/{id}/complete`."""
    found = _payment(square, asked.ids["id"], asked.seller)
    capture(square, found)
    return {"payment": found}


def cancel_payment(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/payments/{id}/cancel`."""
    found = _payment(square, asked.ids["id"], asked.seller)
    cancel(square, found)
    return {"payment": found}


def read_refund(square: SquareCore, asked: Asked) -> Json:
    """Answer `GET /v2/refunds/{id}`."""
    found = square.state.refunds.get(asked.ids["id"])
    if found is None or square.state.owners[found["id"]] != asked.seller:
        raise not_found("Refund", asked.ids["id"])
    return {"refund": found}


def create_refund(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/refunds`."""
    payment = _payment(square, asked.need("payment_id"), asked.seller)
    amount = int((asked.body.get("amount_money") or {}).get("amount", 0))
    return {"refund": refund(square, payment, amount, asked.body.get("reason"))}
