"""Stripe's API as five outcomes: form-encoded calls, writes with a key, lists read to their end."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import Given, live
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, ask_with
from nerava.platform.provider_calls import STRIPE_READ, STRIPE_WRITE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from nerava.platform.outbound import Result, Surroundings

    Form = Mapping[str, Any]
    Query = Sequence[tuple[str, str]]

API_VERSION: Final = "2026-10-28.endive"
BASE_URL: Final = "https://api.stripe.com"
PAGE: Final = 100
PAGES_MAX: Final = 1_000

_OURS: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


class StripeApi:
    """Calls Stripe with one key. Safe to share between threads.

    Args:
        is_live: Whether the key moves real money; an object that says otherwise is refused.
    """

    def __init__(
        self,
        key: Given,
        *,
        base_url: str = BASE_URL,
        is_live: bool,
        now: Callable[[], datetime],
        surroundings: Surroundings | None = None,
    ) -> None:
        self._key = live(key)
        self._is_live = is_live
        self._now = now
        self._outbound = Outbound(base_url, now=now, wants_retry=_wants_retry, surroundings=surroundings)

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def post(self, path: str, form: Form, *, key: str, account: str | None = None) -> Outcome[dict[str, Any]]:
        """Write. With the same key and form it happens once, however often it is called within 24 hours."""
        body = _encoded(form)
        more = {"idempotency-key": key, "content-type": "application/x-www-form-urlencoded"}

        def ask(secret: str) -> Result:
            headers = _headers(secret, account) | more
            return self._outbound.ask("POST", path, STRIPE_WRITE.call, headers=headers, body=body)

        result = ask_with(self._key, ask)
        return self._outcome(result, is_write=True)

    def get(self, path: str, query: Query = (), *, account: str | None = None) -> Outcome[dict[str, Any]]:
        """Read one object."""

        def ask(secret: str) -> Result:
            headers = _headers(secret, account)
            return self._outbound.ask("GET", path, STRIPE_READ.call, query=query, headers=headers)

        result = ask_with(self._key, ask)
        return self._outcome(result, is_write=False)

    def every(
        self, path: str, query: Query = (), *, account: str | None = None
    ) -> Outcome[list[dict[str, Any]]]:
        """Read a list to its end; what is only a part of it is an error."""
        found: list[dict[str, Any]] = []
        position: list[tuple[str, str]] = []
        for _ in range(PAGES_MAX):
            page = self.get(path, [*query, ("limit", str(PAGE)), *position], account=account)
            if not isinstance(page, Ok):
                return page
            data = page.value.get("data")
            if not isinstance(data, list) or not all(isinstance(one, dict) for one in data):
                return RetryLater("unreadable")
            found += data
            if not page.value.get("has_more"):
                return Ok(found)
            if not data or not isinstance(data[-1].get("id"), str):
                return RetryLater("unreadable")
            position = [("starting_after", data[-1]["id"])]
        return RetryLater("list-too-long")

    def _outcome(self, result: Reply | NotSent | Lost, *, is_write: bool) -> Outcome[dict[str, Any]]:
        if isinstance(result, NotSent):
            return RetryLater(result.code)
        if isinstance(result, Lost):
            return _unsure(result.code, is_write=is_write)
        if result.is_success:
            return self._success(result, is_write=is_write)
        return self._failure(result, is_write=is_write)

    def _success(self, reply: Reply, *, is_write: bool) -> Outcome[dict[str, Any]]:
        value = reply.object()
        if value is None or "error" in value or not isinstance(value.get("object"), str):
            return _unsure("unreadable", is_write=is_write)
        if value.get("livemode", self._is_live) is not self._is_live:
            return Misconfigured("livemode", "the key and the object are not of the same mode")
        return Ok(value)

    def _failure(self, reply: Reply, *, is_write: bool) -> Outcome[dict[str, Any]]:
        error = (reply.object() or {}).get("error")
        told: dict[str, Any] = error if isinstance(error, dict) else {}
        kind = str(told.get("type", ""))
        code, message = str(told.get("code") or kind or reply.status), str(told.get("message", ""))[:300]
        if reply.status in _OURS:
            return Misconfigured(code, message)
        if reply.status == HTTPStatus.TOO_MANY_REQUESTS:
            wait_s = reply.retry_after_s(self._now())
            return RetryLater(code, None if wait_s is None else self._now() + timedelta(seconds=wait_s))
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == HTTPStatus.CONFLICT:
            return _unsure(code, is_write=is_write)
        if kind == "idempotency_error":
            # The key was used for something else before, and what came of that nobody says here.
            return Unknown(code)
        if reply.status >= HTTPStatus.BAD_REQUEST and told:
            return Refused(code, message)
        return _unsure(f"status-{reply.status}", is_write=is_write)


def _headers(secret: str, account: str | None) -> dict[str, str]:
    headers = {"authorization": f"Bearer {secret}", "stripe-version": API_VERSION}
    return headers if account is None else headers | {"stripe-account": account}


def _unsure(code: str, *, is_write: bool) -> RetryLater | Unknown:
    return Unknown(code) if is_write else RetryLater(code)


def _wants_retry(reply: Reply) -> bool | None:
    return {"true": True, "false": False}.get(reply.headers.get("stripe-should-retry", "").lower())


def _encoded(form: Form) -> bytes:
    return urlencode(list(_flat(form))).encode()


def _flat(form: Form, under: str = "") -> Iterator[tuple[str, str]]:
    for name, value in form.items():
        path = f"{under}[{name}]" if under else name
        if isinstance(value, dict):
            yield from _flat(value, path)
        elif isinstance(value, list):
            yield from _flat({str(number): one for number, one in enumerate(value)}, path)
        elif isinstance(value, bool):
            yield path, "true" if value else "false"
        else:
            yield path, str(value)
