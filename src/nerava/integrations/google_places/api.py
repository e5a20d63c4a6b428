"""Calls of the Places API (New) as five outcomes: each with a mask, within a quota and the cap of the day."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import Given, live
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, Result, Surroundings, ask_with

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nerava.integrations.google_places.masks import Mask
    from nerava.platform.provider_calls import ProviderCall

log = logging.getLogger(__name__)

BASE_URL: Final = "https://places.googleapis.com"
PROVIDER: Final = "places"
QUOTA_A_MINUTE: Final = 600
"""Google's own, for each method of a project."""

USED_A_MINUTE: Final = QUOTA_A_MINUTE * 8 // 10
MINUTE: Final = timedelta(minutes=1)
FORBIDDEN: Final = "forbidden"
NOT_FOUND: Final = "not-found"
OVER_CAP: Final = "cost-cap"
OVER_QUOTA: Final = "quota"


class Spending(Protocol):
    """Counts what calls cost, over all processes."""

    def take(self, provider: str, cost_millicents: int, now: datetime) -> bool:
        """Count a cost in thousandths of a cent; False, and nothing counted, above the day's cap."""
        ...


class PlacesApi:
    """Calls Places with one key. Safe to share between threads."""

    def __init__(
        self,
        key: Given,
        *,
        base_url: str = BASE_URL,
        now: Callable[[], datetime],
        spending: Spending,
        surroundings: Surroundings | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = live(key)
        self._now = now
        self._spending = spending
        self._outbound = Outbound(base_url, now=now, surroundings=surroundings, pause=pause)
        self._lock = threading.Lock()
        self._asked: dict[str, deque[datetime]] = {}
        self._is_denied = False

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def get(
        self, call: ProviderCall, path: str, mask: Mask, query: Sequence[tuple[str, str]] = ()
    ) -> Outcome[dict[str, Any]]:
        """Read an object. Each method has a quota and a breaker of its own."""
        return self._ask(call, "GET", path, mask, query, b"")

    def post(
        self, call: ProviderCall, path: str, mask: Mask, body: dict[str, Any]
    ) -> Outcome[dict[str, Any]]:
        """Search; this reads, too."""
        return self._ask(call, "POST", path, mask, (), json.dumps(body).encode())

    def _ask(  # noqa: PLR0917 - the parts of one request
        self,
        call: ProviderCall,
        method: str,
        path: str,
        mask: Mask,
        query: Sequence[tuple[str, str]],
        body: bytes,
    ) -> Outcome[dict[str, Any]]:
        operation = call.call.operation
        now = self._now()
        if not self._within_quota(operation, now):
            return RetryLater(OVER_QUOTA, now + MINUTE)
        if not self._spending.take(PROVIDER, mask.cost_millicents, now):
            return RetryLater(OVER_CAP)
        headers = {"accept": "application/json"}
        headers |= {"x-goog-fieldmask": mask.fields} if mask.fields else {}
        headers |= {"content-type": "application/json"} if body else {}

        def ask(secret: str) -> Result:
            with_key = headers | {"x-goog-api-key": secret}
            return self._outbound.ask(
                method, path, call.call, query=query, headers=with_key, body=body, partition=operation
            )

        return self._outcome(ask_with(self._key, ask))

    def _within_quota(self, operation: str, now: datetime) -> bool:
        """Count a call of this process; four fifths of the quota are used, the rest is for the others."""
        with self._lock:
            asked = self._asked.setdefault(operation, deque())
            while asked and asked[0] <= now - MINUTE:
                asked.popleft()
            if len(asked) >= USED_A_MINUTE:
                return False
            asked.append(now)
            return True

    def _outcome(self, result: Reply | NotSent | Lost) -> Outcome[dict[str, Any]]:
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return RetryLater(result.code)
        if result.is_success:
            # Numbers stay as JSON has them: what is kept is written as JSON again, and nothing here is money.
            found = json.loads(result.body) if result.object() is not None else None
            if found is None or "error" in found:
                return Unknown("schema-drift:no-object")
            self._is_denied = False
            return Ok(found)
        return self._failure(result)

    def _failure(self, reply: Reply) -> Refused | RetryLater | Misconfigured | Unknown:
        told = (reply.object() or {}).get("error")
        error: dict[str, Any] = told if isinstance(told, dict) else {}
        word, message = (
            str(error.get("status") or f"status-{reply.status}"),
            str(error.get("message", ""))[:300],
        )
        if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            if not self._is_denied:
                log.error("Google Places refuses our key: %s; places are shown without its content", word)
                self._is_denied = True
            return Misconfigured(FORBIDDEN, f"{word}: {message}")
        if reply.is_busy:
            wait_s = reply.retry_after_s(self._now())
            return RetryLater(word, None if wait_s is None else self._now() + timedelta(seconds=wait_s))
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return RetryLater(word)
        if reply.status == HTTPStatus.NOT_FOUND:
            return Refused(NOT_FOUND, message)
        if reply.status >= HTTPStatus.BAD_REQUEST:
            return Refused(word, message)
        return Unknown(f"status-{reply.status}")
