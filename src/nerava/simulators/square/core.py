"""What all parts of the simulated Square share: sellers, ids, events, and what a call asks."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from nerava.simulators.square.problems import bad, not_found
from nerava.simulators.square.state import Seller, SquareState

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Json

NAME: Final = "square"
API_VERSION: Final = "2026-09-16"


@dataclass(slots=True)
class Asked:
    """A call of a seller that was let in, or one of our application when `seller` is empty.

    Attributes:
        body: The JSON object, or the query of a GET.
    """

    body: Json
    seller: str
    origin: str
    ids: dict[str, str] = field(default_factory=dict)

    def need(self, name: str) -> str:
        """Return text that must be there."""
        found = self.body.get(name)
        if not isinstance(found, str) or not found:
            raise bad("Field must be set", name, "MISSING_REQUIRED_PARAMETER")
        return found

    def limit(self, at_most: int) -> int:
        """Return how many rows are asked for."""
        given = self.body.get("limit", at_most)
        try:
            found = int(given)
        except (TypeError, ValueError):
            raise bad("Must be a whole number", "limit") from None
        if not 1 <= found <= at_most:
            raise bad(f"Must be between 1 and {at_most}", "limit", "VALUE_TOO_HIGH")
        return found


class SquareCore:
    """The sellers, what they sold, and whom that is told."""

    def __init__(self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue) -> None:
        self.timeline = timeline
        self.chance = chance
        self.webhooks = webhooks
        self.state = SquareState("", "")

    def now_text(self) -> str:
        """Return the simulated instant as Square writes it."""
        return instant_text(self.timeline.now())

    def new_id(self, length: int = 22) -> str:
        """Return an id that was not given before."""
        return self.chance.text(length)

    def later(self, seconds: int, action: str, subject: str) -> None:
        """Plan something; 0 seconds is right after the current call."""
        self.timeline.plan(self.timeline.now() + timedelta(seconds=seconds), NAME, action, subject)

    def seller_of(self, merchant: str) -> Seller:
        """Return a seller."""
        if merchant not in self.state.sellers:
            raise not_found("Merchant", merchant)
        return self.state.sellers[merchant]

    def tell(self, kind: str, merchant: str, data: Json) -> None:
        """Queue an event for every endpoint that wants it."""
        digits = self.chance.hex(32)
        event_id = "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
        event = {
            "merchant_id": merchant,
            "type": kind,
            "event_id": event_id,
            "created_at": self.now_text(),
            "data": data,
        }
        body = json.dumps(event, separators=(",", ":")).encode()
        for endpoint in self.webhooks.endpoints.values():
            if endpoint.provider == NAME and endpoint.wants(kind):
                self.webhooks.tell(endpoint, event_id, kind, body)


def instant_text(at: datetime) -> str:
    """Return an instant as Square writes it: RFC 3339 with milliseconds, UTC."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def money(amount: int, currency: str) -> Json:
    """Return an amount in minor units as Square writes it."""
    return {"amount": amount, "currency": currency}


def paged(asked: Asked, rows: list[Json], at_most: int) -> tuple[list[Json], Json]:
    """Return a page of rows and what is to be added to the answer: a cursor when there is more.

    The cursor holds how far one is and stands for the same query only, as Square's does.
    """
    limit, query = asked.limit(at_most), _query_mark(asked.body)
    start = 0
    if cursor := asked.body.get("cursor"):
        place, _, mark = str(cursor).partition("-")
        if not place.isdigit() or mark != query:
            raise bad("The cursor does not belong to this query.", "cursor", "INVALID_CURSOR")
        start = int(place)
    rest: Json = {"cursor": f"{start + limit}-{query}"} if start + limit < len(rows) else {}
    return rows[start : start + limit], rest


def _query_mark(body: Json) -> str:
    asked = {name: value for name, value in body.items() if name != "cursor"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:24]
