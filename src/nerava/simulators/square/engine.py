"""The simulated Square as a provider: who may ask, and where a call goes."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from nerava.simulators.square import oauth, orders, pages, payments
from nerava.simulators.square.core import API_VERSION, NAME, Asked, SquareCore
from nerava.simulators.square.problems import SquareProblem, bad, by_status, not_found
from nerava.simulators.square.signing import square_signature
from nerava.simulators.square.state import SquareState
from nerava.simulators.webhooks import Endpoint
from nerava.simulators.wire import as_json, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Answer, Call, Json

KEY_LENGTH_MAX: Final = 192


def _locations(square: SquareCore, asked: Asked) -> Json:
    return {"locations": list(square.seller_of(asked.seller).locations.values())}


def _location(square: SquareCore, asked: Asked) -> Json:
    found = square.seller_of(asked.seller).locations.get(asked.ids["id"])
    if found is None:
        raise not_found("Location", asked.ids["id"])
    return {"location": found}


def _merchant(square: SquareCore, asked: Asked) -> Json:
    seller = square.seller_of(asked.seller)
    if asked.ids["id"] not in {"me", seller.id}:
        raise not_found("Merchant", asked.ids["id"])
    shown = {"id": seller.id, "business_name": seller.name, "country": "US", "currency": seller.currency}
    return {"merchant": {**shown, "status": "ACTIVE", "main_location_id": next(iter(seller.locations))}}


_ROUTES: Final[tuple[tuple[str, str, Callable[[SquareCore, Asked], Json]], ...]] = (
    ("POST", "/oauth2/token", oauth.obtain),
    ("POST", "/oauth2/revoke", oauth.revoke_by_call),
    ("GET", "/v2/locations", _locations),
    ("GET", "/v2/locations/(?P<id>[^/]+)", _location),
    ("GET", "/v2/merchants/(?P<id>[^/]+)", _merchant),
    ("POST", "/v2/orders", orders.create),
    ("POST", "/v2/orders/batch-retrieve", orders.read_batch),
    ("POST", "/v2/orders/search", orders.search),
    ("GET", "/v2/orders/(?P<id>[^/]+)", orders.read_one),
    ("PUT", "/v2/orders/(?P<id>[^/]+)", orders.update),
    ("GET", "/v2/payments", payments.list_payments),
    ("POST", "/v2/payments", payments.create_payment),
    ("GET", "/v2/payments/(?P<id>[^/]+)", payments.read_payment),
    ("POST", "/v2/payments/(?P<id>[^/]+)/complete", payments.complete_payment),
    ("POST", "/v2/payments/(?P<id>[^/]+)/cancel", payments.cancel_payment),
    ("POST", "/v2/refunds", payments.create_refund),
    ("GET", "/v2/refunds/(?P<id>[^/]+)", payments.read_refund),
)
_NEED_KEY: Final = ("/v2/refunds", "/v2/payments")
"""Writes that are refused without an idempotency key; for others it is optional."""


class SquareEngine(SquareCore):
    """A `Provider` that answers like connect.squareup.com."""

    name = NAME
    answer_limit_s = 10
    retry_gaps_s: tuple[int, ...] = (60, 120, 240, 480, 960, 1_920, 3_840, 7_200, 14_400, 28_800, 28_800)
    """Growing gaps, 24 hours in all."""

    def __init__(
        self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue, webhooks_to: Mapping[str, str]
    ) -> None:
        super().__init__(timeline, chance, webhooks)
        self._webhooks_to = webhooks_to

    def fresh(self) -> None:
        """Forget everything but where webhooks go; keys and secrets are drawn anew from the seed."""
        application = f"sandbox-sq0idb-{self.chance.text(22)}"
        self.state = SquareState(application, f"sandbox-sq0csb-{self.chance.text(43)}")
        key = self.chance.text(22)
        self.webhooks.endpoints[NAME] = Endpoint(NAME, NAME, self._webhooks_to.get(NAME), [key])

    def begin(self, call: Call) -> Answer | None:  # noqa: ARG002 - keys stand in the body and are looked at with it
        """Let every call in."""
        return None

    def answer(self, call: Call) -> Answer:
        """Carry out a call of the API, or show a page to a person."""
        page = pages.show(self, call)
        if page is not None:
            return page
        try:
            document = self._carried_out(call)
        except SquareProblem as problem:
            return self._refusal(problem)
        answer = as_json(document, indent=None)
        answer.headers["square-version"] = call.headers.get("square-version", API_VERSION)
        return answer

    def _carried_out(self, call: Call) -> Json:
        for method, pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, call.path) if method == call.method else None
            if found is not None:
                body = dict(parse_qsl(call.query)) if method == "GET" else parsed(call.body)
                if method != "GET" and not body:
                    raise bad("The body is no JSON object.", code="EXPECTED_JSON_BODY")
                asked = Asked(body, self._seller_of(call), call.origin, found.groupdict())
                if method == "GET" or call.path.startswith("/oauth2/"):
                    return copy.deepcopy(handler(self, asked))
                return self._once(call, asked, handler)
        raise by_status(404, None)

    def _once(self, call: Call, asked: Asked, handler: Callable[[SquareCore, Asked], Json]) -> Json:
        """Carry out a write, or return what it did the first time that its key came."""
        key = call.key
        if key is None:
            if call.path in _NEED_KEY:
                raise bad("Field must be set", "idempotency_key", "MISSING_REQUIRED_PARAMETER")
            return copy.deepcopy(handler(self, asked))
        if len(key) > KEY_LENGTH_MAX:
            raise bad(f"At most {KEY_LENGTH_MAX} characters", "idempotency_key", "VALUE_TOO_LONG")
        place = asked.seller, key
        digest = hashlib.sha256(call.path.encode() + json.dumps(asked.body, sort_keys=True).encode()).digest()
        kept = self.state.keys.get(place)
        if kept is None:
            kept = digest, copy.deepcopy(handler(self, asked))
            self.state.keys[place] = kept
        elif kept[0] != digest:
            message = "Different request parameters used for the same idempotency_key."
            raise bad(message, "idempotency_key", "IDEMPOTENCY_KEY_REUSED")
        return copy.deepcopy(kept[1])

    def _seller_of(self, call: Call) -> str:
        if call.path == "/oauth2/token":
            return ""
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if call.path == "/oauth2/revoke":
            if scheme != "Client" or token != self.state.secret:
                raise _unauthorised("UNAUTHORIZED", "This request could not be authorized.")
            return ""
        found = self.state.tokens.get(token)
        if scheme.lower() != "bearer" or found is None:
            raise _unauthorised("UNAUTHORIZED", "This request could not be authorized.")
        if found["expires_s"] <= self.timeline.now_s():
            raise _unauthorised("ACCESS_TOKEN_EXPIRED", "The access token has expired.")
        merchant: str = found["merchant"]
        return merchant

    def fail(self, call: Call, status: int, code: str | None) -> Answer:  # noqa: ARG002 - the same for all calls
        """Answer with an error of this status in Square's own words."""
        return self._refusal(by_status(status, code))

    def _refusal(self, problem: SquareProblem) -> Answer:
        return as_json(problem.as_document(), problem.status, indent=None)

    def keep(self, call: Call, answer: Answer) -> None:
        """Keep nothing: a write that ended with an error is carried out when it comes again."""

    def abandon(self, call: Call) -> None:
        """Free nothing: no call holds anything before it is carried out."""

    def due(self, action: str, subject: str) -> None:
        """Let happen what was planned."""
        match action:
            case "fill_order":
                orders.fill(self, self.state.orders[subject])
            case "cancel_payment":
                payments.cancel(self, self.state.payments[subject])
            case "finish_refund":
                payments.finish_refund(self, self.state.refunds[subject])
            case _:
                message = f"nothing is called {action}"
                raise AssertionError(message)

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - no time in it
        """Return the header that proves a webhook; Square signs with one key."""
        return {"x-square-hmacsha256-signature": square_signature(url, body, secrets[0])}

    def believes(self) -> Json:
        """Return what was sold and by whom; no tokens."""
        state = self.state
        return copy.deepcopy(
            {
                "sellers": {
                    one.id: {"name": one.name, "locations": list(one.locations)}
                    for one in state.sellers.values()
                },
                "connected": sorted({one["merchant"] for one in state.tokens.values()}),
                "orders": list(state.orders.values()),
                "payments": list(state.payments.values()),
                "refunds": list(state.refunds.values()),
                "owners": state.owners,
            }
        )


def _unauthorised(code: str, detail: str) -> SquareProblem:
    return SquareProblem(401, "AUTHENTICATION_ERROR", code, detail)
