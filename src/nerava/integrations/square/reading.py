"""Square's orders, payments and refunds in our words; None for what lacks something that we need."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, TypeVar

from nerava.tills.ports import GivenBack, Line, Place, Sale, TillPayment, TillTokens
from nerava.tills.states import RefundState, SaleState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_T = TypeVar("_T")

NAME_MAX: Final = 120
REFERENCE_MAX: Final = 80
_STATES: Final = {
    "OPEN": SaleState.OPEN,
    "DRAFT": SaleState.OPEN,
    "COMPLETED": SaleState.COMPLETED,
    "CANCELED": SaleState.CANCELED,
}
_REFUNDS: Final = {
    "PENDING": RefundState.PENDING,
    "COMPLETED": RefundState.COMPLETED,
    "REJECTED": RefundState.FAILED,
    "FAILED": RefundState.FAILED,
}


class _Drift(Exception):
    """Something that we need is missing, or of another type."""


def _reader(read: Callable[[Mapping[str, Any]], _T]) -> Callable[[object], _T | None]:
    """Let a function that stumbles over what is missing return None, and for what is no object as well."""

    @wraps(read)
    def understood(row: object) -> _T | None:
        try:
            return read(row) if isinstance(row, dict) else None
        except _Drift:
            return None

    return understood


@_reader
def tokens_in(row: Mapping[str, Any]) -> TillTokens:
    """Return what the token call answered."""
    return TillTokens(
        _text(row, "merchant_id"),
        _text(row, "access_token"),
        _text(row, "refresh_token"),
        _instant(row, "expires_at"),
    )


@_reader
def place_in(row: Mapping[str, Any]) -> Place:
    """Return a location."""
    name = row.get("name")
    return Place(_text(row, "id"), (name if isinstance(name, str) and name else "Location")[:NAME_MAX])


@_reader
def sale_in(row: Mapping[str, Any]) -> Sale:
    """Return an order. What the goods came to is the total less tip and tax."""
    total, currency = _money(row, "total_money")
    tax, tip = _money(row, "total_tax_money")[0], _money(row, "total_tip_money")[0]
    reference, version = row.get("reference_id"), row.get("version")
    return Sale(
        external_id=_text(row, "id"),
        location=_text(row, "location_id"),
        reference=reference[:REFERENCE_MAX] if isinstance(reference, str) and reference else None,
        state=_STATES.get(str(row.get("state")), SaleState.UNKNOWN),
        lines=tuple(_line(one) for one in _rows(row, "line_items")),
        currency=currency,
        amount_minor=total - tax - tip,
        tax_minor=tax,
        tip_minor=tip,
        discount_minor=_money(row, "total_discount_money")[0],
        version=version if type(version) is int else None,
        created_at=_instant(row, "created_at"),
        changed_at=_instant(row, "updated_at"),
        closed_at=_instant(row, "closed_at") if row.get("closed_at") else None,
        payments=tuple(
            _text(one, "payment_id" if "payment_id" in one else "id") for one in _rows(row, "tenders")
        ),
        refunds=tuple(_text(one, "id") for one in _rows(row, "refunds")),
    )


@_reader
def payment_in(row: Mapping[str, Any]) -> TillPayment:
    """Return a payment; approved is not completed, and only the latter brought money."""
    return TillPayment(_text(row, "id"), _text(row, "status") == "COMPLETED", _money(row, "total_money")[0])


@_reader
def refund_in(row: Mapping[str, Any]) -> GivenBack:
    """Return a refund; one of a state that we do not know is on its way."""
    state = _REFUNDS.get(_text(row, "status"), RefundState.PENDING)
    return GivenBack(_text(row, "id"), state, _money(row, "amount_money")[0])


def instant_of(value: object) -> datetime | None:
    """Return an instant as Square writes it; None for nothing and nonsense."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _line(row: Mapping[str, Any]) -> Line:
    try:
        quantity = Decimal(_text(row, "quantity"))
    except InvalidOperation:
        raise _Drift from None
    return Line(str(row.get("name") or ""), quantity)


def _rows(row: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    found = row.get(name)
    if found is None:
        return []
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _Drift
    return found


def _money(row: Mapping[str, Any], name: str) -> tuple[int, str]:
    """Return an amount in minor units and its currency; what Square leaves out is nothing."""
    found = row.get(name)
    if found is None and name != "total_money":
        return 0, ""
    if not isinstance(found, dict) or type(found.get("amount")) is not int or found["amount"] < 0:
        raise _Drift
    return found["amount"], str(found.get("currency") or "")


def _instant(row: Mapping[str, Any], name: str) -> datetime:
    found = instant_of(row.get(name))
    if found is None:
        raise _Drift
    return found


def _text(row: Mapping[str, Any], name: str) -> str:
    found = row.get(name)
    if not isinstance(found, str) or not found:
        raise _Drift
    return found
