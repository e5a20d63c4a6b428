"""The simulated Stripe as a provider: who may ask, what was asked before, and where a call goes."""

from __future__ import annotations

import base64
import binascii
import copy
import hashlib
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from nerava.simulators.stripe import pages, timeline
from nerava.simulators.stripe.asked import Asked
from nerava.simulators.stripe.balance import all_balances
from nerava.simulators.stripe.core import API_VERSION, NAME, StripeCore
from nerava.simulators.stripe.forms import parse_form
from nerava.simulators.stripe.lists import expanded
from nerava.simulators.stripe.problems import INVALID, StripeProblem, by_status, no_access
from nerava.simulators.stripe.routes import find_route
from nerava.simulators.stripe.signing import stripe_signature
from nerava.simulators.stripe.state import Kept, StripeState
from nerava.simulators.webhooks import Endpoint
from nerava.simulators.wire import Answer, as_json, parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from nerava.simulators.chance import Chance
    from nerava.simulators.timeline import Timeline
    from nerava.simulators.webhooks import WebhookQueue
    from nerava.simulators.wire import Call, Json

KEY_LENGTH_MAX: Final = 255
KEYS_KEPT: Final = timedelta(hours=24)
LIVE: Final = ("sk_live_", "rk_live_", "pk_live_")
_ENDPOINTS: Final = ("stripe", "stripe_connect", "stripe_thin")


class StripeEngine(StripeCore):
    """A `Provider` that answers like api.stripe.com."""

    name = NAME
    answer_limit_s = 20
    retry_gaps_s: tuple[int, ...] = (300, 1_800, 7_200, 18_000, 36_000, 43_200, 43_200, 43_200, 43_200)
    """Growing gaps, about three days in all."""

    def __init__(
        self, timeline: Timeline, chance: Chance, webhooks: WebhookQueue, webhooks_to: Mapping[str, str]
    ) -> None:
        super().__init__(timeline, chance, webhooks)
        self._webhooks_to = webhooks_to

    def fresh(self) -> None:
        """Forget everything but where webhooks go; keys and secrets are drawn anew from the seed."""
        self.state = StripeState(f"acct_{self.chance.text(16)}", f"sk_test_{self.chance.text(32)}")
        for name in _ENDPOINTS:
            self.webhooks.endpoints[name] = Endpoint(
                self.name,
                name,
                self._webhooks_to.get(name),
                [f"whsec_{self.chance.text(32)}"],
                connect=name == "stripe_connect",
                thin=name == "stripe_thin",
            )

    def begin(self, call: Call) -> Answer | None:
        """Answer a repetition from what is kept; else note that the key is in use."""
        if call.method != "POST" or call.key is None or not call.path.startswith(("/v1/", "/v2/")):
            return None
        try:
            place = self._account_of(call), call.key
        except StripeProblem as problem:
            return self._refusal(call, problem)
        if len(call.key) > KEY_LENGTH_MAX:
            message = f"Idempotency keys have at most {KEY_LENGTH_MAX} characters."
            return self._refusal(call, StripeProblem(400, INVALID, message))
        return self._repeated(call, place)

    def _repeated(self, call: Call, place: tuple[str, str]) -> Answer | None:
        now = self.timeline.now()
        kept = self.state.keys.get(place)
        if kept is None or now - kept.at >= KEYS_KEPT:
            self.state.keys[place] = Kept(_digest(call), now, call.path)
            return None
        if kept.asked != _digest(call):
            return self._refusal(call, _other_request(call, kept))
        if kept.answer is None:
            return self._refusal(call, by_status(409, "idempotency_key_in_use"))
        again = {
            "original-request": kept.answer.headers["request-id"],
            "idempotent-replayed": "true",
            "request-id": self.new_id("req", 14),
        }
        return replace(kept.answer, headers={**kept.answer.headers, **again})

    def answer(self, call: Call) -> Answer:
        """Carry out a call of the API, or show a page to a person."""
        if not call.path.startswith(("/v1/", "/v2/")):
            return pages.show(self, call)
        request_id = self.new_id("req", 14)
        try:
            self._count()
            answer = self._carried_out(call, request_id)
        except StripeProblem as problem:
            answer = self._refusal(call, problem, request_id)
            if not problem.began:
                self.abandon(call)
                return answer
        self.keep(call, answer)
        return answer

    def _carried_out(self, call: Call, request_id: str) -> Answer:
        account = self._account_of(call)
        route, ids = find_route(call.method, call.path)
        if call.path.startswith("/v2/"):
            params = parsed(call.body) or parse_form(call.query)
        else:
            params = parse_form(call.query if call.method in {"GET", "DELETE"} else call.body.decode())
        unknown = next((name for name in params if name not in route.accepts and name != "expand"), None)
        if unknown is not None:
            raise StripeProblem(
                400, INVALID, f"Received unknown parameter: {unknown}", "parameter_unknown", unknown
            )
        asked = Asked(params, account, call.origin, request_id, call.key, ids)
        document = expanded(route.handler(self, asked), asked.texts("expand"), self.look_up)
        return self._with_headers(call, as_json(self.shown(document)), request_id)

    def fail(self, call: Call, status: int, code: str | None) -> Answer:
        """Answer with an error of this status in Stripe's own words."""
        return self._refusal(call, by_status(status, code))

    def keep(self, call: Call, answer: Answer) -> None:
        """Store an answer under the call's key, as that of the first execution."""
        if call.method != "POST" or call.key is None or not call.path.startswith(("/v1/", "/v2/")):
            return
        if call.path.startswith("/v2/") and answer.status >= HTTPStatus.BAD_REQUEST:
            self.abandon(call)  # v2 does what had failed again
            return
        place = self._account_of(call), call.key
        self.state.keys[place] = Kept(_digest(call), self.timeline.now(), call.path, answer)

    def abandon(self, call: Call) -> None:
        """Free the key of a call that was not carried out."""
        if call.key is None or call.method != "POST":
            return
        place = call.headers.get("stripe-account", self.state.platform), call.key
        kept = self.state.keys.get(place)
        if kept is not None and kept.answer is None:
            del self.state.keys[place]

    def due(self, action: str, subject: str) -> None:
        """Let happen what was planned."""
        timeline.run(self, action, subject)

    def sign(self, url: str, body: bytes, secrets: list[str], at_s: int) -> dict[str, str]:  # noqa: ARG002 - others sign it
        """Return the header that proves a webhook."""
        return {"stripe-signature": stripe_signature(body, secrets, at_s), "user-agent": "Stripe/1.0"}

    def believes(self) -> Json:
        """Return all objects with their owners and balances; no keys."""
        return copy.deepcopy(
            {
                "platform": self.state.platform,
                "objects": {kind: list(table.values()) for kind, table in self.state.tables.items()},
                "owners": self.state.owners,
                "balances": all_balances(self),
                "planned": [
                    {"at": due.at.isoformat(), "action": due.action, "subject": due.subject}
                    for due in self.timeline.waiting()
                    if due.provider == self.name
                ],
            }
        )

    def _account_of(self, call: Call) -> str:
        """Return whose objects a call is about, after its key was looked at."""
        given = call.headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        if scheme.lower() == "basic":
            token = _basic_user(token)
        if not token:
            message = (
                "You did not provide an API key. You need to provide your API key in the Authorization "
                "header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
            )
            raise StripeProblem(401, INVALID, message)
        if token.startswith(LIVE):
            raise StripeProblem(401, INVALID, "A live key was given to a simulator; change it at once.")
        if token != self.state.key:
            hidden = f"{token[:8]}{'*' * 12}{token[-4:]}"
            raise StripeProblem(401, INVALID, f"Invalid API Key provided: {hidden}")
        account = call.headers.get("stripe-account")
        if account is None or account == self.state.platform:
            return self.state.platform
        if self.state.find("account", account) is None or account in self.state.deauthorised:
            raise no_access(account)
        return account

    def _count(self) -> None:
        limit = self.state.habits.requests_per_s
        if limit is None:
            return
        second = self.now_s()
        seen = self.state.calls.get(second, 0) + 1
        self.state.calls = {second: seen}
        if seen > limit:
            raise by_status(429, None)

    def _refusal(self, call: Call, problem: StripeProblem, request_id: str | None = None) -> Answer:
        request_id = request_id or self.new_id("req", 14)
        answer = self._with_headers(
            call, as_json(problem.as_document(request_id), problem.status), request_id
        )
        if problem.should_retry is not None:
            answer = replace(
                answer,
                headers={
                    **answer.headers,
                    "stripe-should-retry": "true" if problem.should_retry else "false",
                },
            )
        return answer

    def _with_headers(self, call: Call, answer: Answer, request_id: str) -> Answer:
        headers = {
            **answer.headers,
            "request-id": request_id,
            "stripe-version": call.headers.get("stripe-version", API_VERSION),
        }
        if call.key is not None:
            headers["idempotency-key"] = call.key
        if "stripe-account" in call.headers:
            headers["stripe-account"] = call.headers["stripe-account"]
        return replace(answer, headers=headers)


def _digest(call: Call) -> bytes:
    account = call.headers.get("stripe-account", "")
    return hashlib.sha256(b"\0".join([call.path.encode(), account.encode(), call.body])).digest()


def _other_request(call: Call, kept: Kept) -> StripeProblem:
    key = call.key
    if kept.path != call.path:
        message = (
            "Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{call.path}' vs '{kept.path}'). Try using a key other than '{key}' if you meant to execute a "
            "different request."
        )
        return StripeProblem(400, "idempotency_error", message)
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return StripeProblem(400, "idempotency_error", message)


def _basic_user(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
