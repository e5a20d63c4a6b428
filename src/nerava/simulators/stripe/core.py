"""What all parts of the simulated Stripe share: objects, ids, events, and what is planned."""

from __future__ import annotations

import copy
import json
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe.problems import not_found
from nerava.simulators.stripe.state import StripeState

if TYPE_CHECKING:
    from nerava.simulators.chance import Chance
    from nerava.simulators.stripe.asked import Asked
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Json

NAME: Final = "stripe"
API_VERSION: Final = "2026-10-28.endive"


class StripeCore:
    """The objects and what is done with all of them."""

    def __init__(self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue) -> None:
        self.timeline = timeline
        self.chance = chance
        self.webhooks = webhooks
        self.state = StripeState("", "")

    def now_s(self) -> int:
        """Return the simulated instant in Unix seconds."""
        return self.timeline.now_s()

    def new_id(self, prefix: str, length: int = 24) -> str:
        """Return an id that was not given before."""
        return f"{prefix}_{self.chance.text(length)}"

    def later(self, seconds: int, action: str, subject: str) -> None:
        """Plan something; 0 seconds is right after the current call."""
        self.timeline.plan(self.timeline.now() + timedelta(seconds=seconds), NAME, action, subject)

    def tell(self, kind: str, thing: Json, account: str, asked: Asked | None = None) -> Json:
        """Write an event about an object as it is now, and queue it for every endpoint that wants it."""
        endpoints = [
            one
            for one in self.webhooks.endpoints.values()
            if one.provider == NAME
            and one.connect == (account != self.state.platform)
            and one.wants(kind)
            and not one.thin
        ]
        event: Json = {
            "id": self.new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now_s(),
            "data": {"object": copy.deepcopy(self.shown(thing))},
            "livemode": self.state.habits.is_live,
            "pending_webhooks": len(endpoints),
            "request": {"id": asked and asked.request_id, "idempotency_key": asked and asked.key},
            "type": kind,
        }
        if account != self.state.platform:
            event["account"] = account
        self.state.put("event", event, account)
        body = json.dumps(event, indent=2).encode()
        for endpoint in endpoints:
            self.webhooks.tell(endpoint, event["id"], kind, body)
        return event

    def tell_thin(self, kind: str, account: str) -> None:
        """Write a v2 event, which says where to look and nothing more, if any endpoint wants such ones."""
        endpoints = [one for one in self.webhooks.endpoints.values() if one.thin and one.wants(kind)]
        if not any(one.url for one in endpoints):
            return
        at = self.timeline.now().astimezone(UTC).isoformat(timespec="milliseconds")
        event: Json = {
            "id": self.new_id("evt_test"),
            "object": "v2.core.event",
            "type": kind,
            "created": at.replace("+00:00", "Z"),
            "context": None,
            "livemode": self.state.habits.is_live,
            "related_object": {
                "id": account,
                "type": "v2.core.account",
                "url": f"/v2/core/accounts/{account}",
            },
        }
        self.state.put("v2.core.event", event, self.state.platform)
        body = json.dumps(event).encode()
        for endpoint in endpoints:
            self.webhooks.tell(endpoint, event["id"], kind, body)

    def shown(self, document: Json) -> Json:
        """Return an object as it is shown now: with what depends on the time, and with `livemode`."""
        rows = document.get("data")
        if document.get("object") == "list" and isinstance(rows, list):
            return {**document, "data": [self.shown(row) for row in rows]}
        shown = with_status(document, self.now_s())
        if "livemode" in shown:
            shown["livemode"] = self.state.habits.is_live
        return shown

    def look_up(self, wanted: str) -> Json | None:
        """Return an object of whatever kind as it is shown now."""
        found = self.state.anywhere(wanted)
        return found and self.shown(found)

    def need(self, kind: str, wanted: str, owner: str | None, *, called: str | None = None) -> Json:
        """Return an object.

        Raises:
            StripeProblem: There is none, or not for this account (404).
        """
        found = self.state.find(kind, wanted, owner)
        if found is None:
            raise not_found(called or kind, wanted)
        return found


def with_status(document: Json, now_s: int) -> Json:
    """Return a copy of an object; a balance transaction says whether its money can be used now."""
    shown = copy.deepcopy(document)
    if shown.get("object") == "balance_transaction":
        shown["status"] = "available" if shown["available_on"] <= now_s else "pending"
    return shown
