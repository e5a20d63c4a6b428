"""What the simulated Square believes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nerava.simulators.wire import Json


@dataclass(slots=True)
class Seller:
    """Somebody who sells with Square.

    Attributes:
        id: Square's name for him, the merchant id.
        locations: By id.
    """

    id: str
    name: str
    currency: str
    locations: dict[str, Json] = field(default_factory=dict)


@dataclass(slots=True)
class SquareState:
    """Sellers and what they sold, in the wire format.

    Attributes:
        application: Our application at Square: its id and secret.
        sellers: By merchant id.
        tokens: By access token: merchant, when it expires (Unix seconds), whether it was revoked.
        refresh: By refresh token, the merchant.
        codes: By code of the consent page: merchant and when it expires.
        orders, payments, refunds: By id, oldest first.
        owners: By id, the merchant.
        keys: By seller and idempotency key: digest of what was asked, and the answer's document.
        pending: By order, the lines that a read does not show yet.
    """

    application: str
    secret: str
    sellers: dict[str, Seller] = field(default_factory=dict)
    tokens: dict[str, Json] = field(default_factory=dict)
    refresh: dict[str, str] = field(default_factory=dict)
    codes: dict[str, Json] = field(default_factory=dict)
    orders: dict[str, Json] = field(default_factory=dict)
    payments: dict[str, Json] = field(default_factory=dict)
    refunds: dict[str, Json] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[bytes, Json]] = field(default_factory=dict)
    later_lines: dict[str, list[Json]] = field(default_factory=dict)
