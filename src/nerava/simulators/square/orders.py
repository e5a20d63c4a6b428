"""Orders: what was rung up at a till, with a version that grows with every change."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final

from nerava.simulators.square.core import money, paged
from nerava.simulators.square.problems import bad, not_found

if TYPE_CHECKING:
    from nerava.simulators.square.core import Asked, SquareCore
    from nerava.simulators.wire import Json

STATES: Final = ("OPEN", "COMPLETED", "CANCELED", "DRAFT")
PAGE_MAX: Final = 1_000
BATCH_MAX: Final = 100
_SECRET_FIELDS: Final = ("_visible_at", "_by_api")


@dataclass(frozen=True, slots=True)
class Line:
    """Something that was rung up; `quantity` as Square writes it, a number as text, fractions too."""

    name: str
    price: int
    quantity: str = "1"


@dataclass(frozen=True, slots=True)
class RungUp:
    """An order to be made.

    Attributes:
        tax: Minor units on top.
        by_api: Made by a call; orders that were not have no version.
        visible_after_s: For so long a read answers 404.
        lines_after_s: For so long the order has no lines, and less money.
    """

    merchant: str
    location: str
    lines: tuple[Line, ...]
    reference_id: str | None = None
    source: str = "Till"
    tax: int = 0
    by_api: bool = False
    visible_after_s: int = 0
    lines_after_s: int = 0


def ring_up(square: SquareCore, wanted: RungUp) -> Json:
    """Make an order and tell about it."""
    seller, now = square.seller_of(wanted.merchant), square.now_text()
    if wanted.location not in seller.locations:
        raise not_found("Location", wanted.location)
    lines = [_line(square, line, seller.currency) for line in wanted.lines]
    order: Json = {
        "id": square.new_id(),
        "location_id": wanted.location,
        "reference_id": wanted.reference_id,
        "source": {"name": wanted.source},
        "line_items": [],
        "discounts": [],
        "tenders": [],
        "refunds": [],
        "state": "OPEN",
        "version": 1,
        "created_at": now,
        "updated_at": now,
        "total_tax_money": money(wanted.tax, seller.currency),
        "total_tip_money": money(0, seller.currency),
        "total_discount_money": money(0, seller.currency),
        "_by_api": wanted.by_api,
        "_visible_at": square.timeline.now_s() + wanted.visible_after_s,
    }
    square.state.orders[order["id"]] = order
    square.state.owners[order["id"]] = wanted.merchant
    if wanted.lines_after_s:
        square.state.later_lines[order["id"]] = lines
        square.later(wanted.lines_after_s, "fill_order", order["id"])
    else:
        order["line_items"] = lines
    add_up(order, seller.currency)
    tell_order(square, order, "created")
    return order


def _line(square: SquareCore, line: Line, currency: str) -> Json:
    try:
        quantity = Decimal(line.quantity)
    except InvalidOperation:
        raise bad("Must be a number as text", "quantity") from None
    if quantity <= 0:
        raise bad("Must be greater than zero", "quantity")
    gross = int((quantity * line.price).quantize(Decimal(1), ROUND_HALF_UP))
    return {
        "uid": square.new_id(),
        "name": line.name,
        "quantity": line.quantity,
        "base_price_money": money(line.price, currency),
        "gross_sales_money": money(gross, currency),
        "total_money": money(gross, currency),
    }


def add_up(order: Json, currency: str) -> None:
    """Count an order's money again: lines less discounts, with tax and tip."""
    lines = sum(line["total_money"]["amount"] for line in order["line_items"])
    discount = sum(one["applied_money"]["amount"] for one in order["discounts"])
    tax, tip = order["total_tax_money"]["amount"], order["total_tip_money"]["amount"]
    order["total_discount_money"] = money(discount, currency)
    order["total_money"] = money(lines - discount + tax + tip, currency)


def fill(square: SquareCore, order: Json) -> None:
    """Let the lines appear that came late."""
    lines = square.state.later_lines.pop(order["id"], None)
    if lines is not None:
        order["line_items"] = lines
        add_up(order, lines[0]["total_money"]["currency"] if lines else "USD")
        changed(square, order)


def changed(square: SquareCore, order: Json) -> None:
    """Raise an order's version and tell that it has changed."""
    order["version"] += 1
    order["updated_at"] = square.now_text()
    tell_order(square, order, "updated")


def tell_order(square: SquareCore, order: Json, word: str) -> None:
    """Tell that an order was made or has changed; id, version, place and state are all that is told."""
    told = {
        "order_id": order["id"],
        "version": order["version"],
        "location_id": order["location_id"],
        "state": order["state"],
        "created_at": order["created_at"],
    }
    if word == "updated":
        told["updated_at"] = order["updated_at"]
    kind = f"order_{word}"
    data = {"type": kind, "id": order["id"], "object": {kind: told}}
    square.tell(f"order.{word}", square.state.owners[order["id"]], data)


def shown(order: Json) -> Json:
    """Return an order as a call shows it: without what is empty, and a version only where a call made it."""
    found = {
        name: value
        for name, value in copy.deepcopy(order).items()
        if name not in _SECRET_FIELDS and value is not None
    }
    if not order["_by_api"]:
        del found["version"]
    return found


def find(square: SquareCore, wanted: str, merchant: str) -> Json:
    """Return an order of a seller that can be seen already."""
    order = square.state.orders.get(wanted)
    if (
        order is None
        or square.state.owners[wanted] != merchant
        or order["_visible_at"] > square.timeline.now_s()
    ):
        raise not_found("Order", wanted)
    return order


def read_one(square: SquareCore, asked: Asked) -> Json:
    """Answer `GET /v2/orders/{id}`."""
    return {"order": shown(find(square, asked.ids["id"], asked.seller))}


def read_batch(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/orders/batch-retrieve`; ids that are unknown are left out."""
    wanted = asked.body.get("order_ids")
    if not isinstance(wanted, list) or not wanted:
        raise bad("Field must be set", "order_ids", "MISSING_REQUIRED_PARAMETER")
    if len(wanted) > BATCH_MAX:
        raise bad(f"At most {BATCH_MAX} orders", "order_ids", "ARRAY_LENGTH_TOO_LONG")
    known = [one for one in wanted if square.state.owners.get(one) == asked.seller]
    now_s = square.timeline.now_s()
    found = [square.state.orders[one] for one in known if one in square.state.orders]
    return {"orders": [shown(order) for order in found if order["_visible_at"] <= now_s]}


def search(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/orders/search`: by place, state and one interval of time, newest change first."""
    places = asked.body.get("location_ids")
    if not isinstance(places, list) or not places:
        raise bad("Field must be set", "location_ids", "MISSING_REQUIRED_PARAMETER")
    query = asked.body.get("query") or {}
    wanted = query.get("filter") or {}
    states = (wanted.get("state_filter") or {}).get("states") or list(STATES)
    field, interval = next(iter((wanted.get("date_time_filter") or {}).items()), ("updated_at", {}))
    now_s = square.timeline.now_s()
    found = [
        order
        for order in square.state.orders.values()
        if order["location_id"] in places
        and square.state.owners[order["id"]] == asked.seller
        and order["state"] in states
        and order["_visible_at"] <= now_s
        and within(order.get(field), interval)
    ]
    upwards = (query.get("sort") or {}).get("sort_order") == "ASC"
    found.sort(key=lambda order: str(order.get(field, "")), reverse=not upwards)
    rows, more = paged(asked, found, PAGE_MAX)
    return {"orders": [shown(order) for order in rows], **more}


def within(at: Any, interval: Json) -> bool:  # noqa: ANN401 - an instant as text, or nothing
    """Say whether an instant lies in an interval `{"start_at", "end_at"}`, both included."""
    if not interval:
        return True
    if not isinstance(at, str):
        return False
    try:
        begins, ends = interval.get("start_at"), interval.get("end_at")
        found = datetime.fromisoformat(at)
        return (begins is None or found >= datetime.fromisoformat(begins)) and (
            ends is None or found <= datetime.fromisoformat(ends)
        )
    except (TypeError, ValueError):
        raise bad("Must be an RFC 3339 timestamp", "date_time_filter", "INVALID_TIME") from None


def create(square: SquareCore, asked: Asked) -> Json:
    """Answer `POST /v2/orders`."""
    given = asked.body.get("order") or {}
    try:
        lines = tuple(
            Line(
                str(one.get("name", "")), int(one["base_price_money"]["amount"]), str(one.get("quantity", ""))
            )
            for one in given.get("line_items", [])
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        raise bad("A line needs `base_price_money`", "order.line_items") from None
    wanted = RungUp(
        asked.seller,
        str(given.get("location_id", "")),
        lines,
        given.get("reference_id"),
        str((given.get("source") or {}).get("name", "Application")),
        by_api=True,
    )
    return {"order": shown(ring_up(square, wanted))}


def update(square: SquareCore, asked: Asked) -> Json:
    """Answer `PUT /v2/orders/{id}`: discounts and the reference, on the version that the caller has seen."""
    order = find(square, asked.ids["id"], asked.seller)
    given = asked.body.get("order") or {}
    if given.get("version") != order["version"]:
        raise bad("The version does not match the order's.", "order.version", "VERSION_MISMATCH")
    if order["state"] != "OPEN":
        raise bad("Only an open order can be changed.", "order.state")
    order["reference_id"] = given.get("reference_id", order["reference_id"])
    currency = order["total_money"]["currency"]
    for one in given.get("discounts", []):
        amount = int((one.get("amount_money") or {}).get("amount", 0))
        order["discounts"].append(
            {
                "uid": square.new_id(),
                "name": str(one.get("name", "Discount")),
                "type": "FIXED_AMOUNT",
                "amount_money": money(amount, currency),
                "applied_money": money(amount, currency),
                "scope": "ORDER",
            }
        )
    add_up(order, currency)
    changed(square, order)
    return {"order": shown(order)}
