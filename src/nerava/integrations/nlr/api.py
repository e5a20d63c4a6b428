"""Calls of the Alternative Fuel Stations API as five outcomes, within the hourly limit of our key."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import time
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import urlsplit

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.live_secrets import Given, live
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply, Result, Surroundings, ask_with
from nerava.platform.provider_calls import NLR_BULK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from nerava.platform.outbound import CallPolicy

    Query = Sequence[tuple[str, str]]

log = logging.getLogger(__name__)

BASE_URL: Final = "https://developer.nlr.gov"
HOST: Final = "developer.nlr.gov"
OLD_HOST: Final = "developer.nrel.gov"
ROOT: Final = "/api/alt-fuel-stations"
PROVIDER: Final = "nlr"

OVER_LIMIT: Final = timedelta(hours=1)
"""The key is blocked until its hour has rolled."""

NEAR_LIMIT: Final = timedelta(minutes=15)
"""With a fifth of the hour's calls left nothing is asked until a quarter of the hour has rolled."""

KEPT_BACK: Final = 5
"""One call in so many is not made: that is the fifth."""

DENIED: Final = timedelta(seconds=60)
FORBIDDEN: Final = "forbidden"
NOT_FOUND: Final = "not-found"


class NlrApi:
    """Calls NLR with one key. Safe to share between threads; pauses hold for every process that shares them.

    Args:
        key: 40 characters; sent in a header, never in an address.
        surroundings: Where pauses are kept; they outlive this process when they are in the database.
    """

    def __init__(
        self,
        key: Given,
        *,
        base_url: str = BASE_URL,
        now: Callable[[], datetime],
        surroundings: Surroundings | None = None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._key = live(key)
        self._host = urlsplit(base_url).hostname or ""
        self._now = now
        self._surroundings = surroundings or Surroundings()
        self._outbound = Outbound(base_url, now=now, surroundings=self._surroundings, pause=pause)
        self._is_denied = False

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def get(self, policy: CallPolicy, path: str, query: Query = ()) -> Outcome[dict[str, Any]]:
        """Read a JSON object; a page of somebody else's is `Unknown`."""
        outcome = self._ask(policy, path, query, None)
        if not isinstance(outcome, Ok):
            return outcome
        found = outcome.value.object()
        return Unknown("schema-drift:no-object") if found is None else Ok(found)

    def download(self, path: str, query: Query, into: BinaryIO) -> Outcome[None]:
        """Write a whole answer into a file, which is as long as it is when this returns `Ok`."""
        outcome = self._ask(NLR_BULK.call, path, query, into)
        if not isinstance(outcome, Ok):
            return outcome
        return Ok(None) if outcome.value.is_of_type("application/json") else Unknown("schema-drift:no-json")

    def _ask(self, policy: CallPolicy, path: str, query: Query, into: BinaryIO | None) -> Outcome[Reply]:
        asked_with = self._key.reveal()

        def ask(secret: str) -> Result:
            nonlocal asked_with
            asked_with = secret
            headers = {"x-api-key": secret, "accept": "application/json"}
            return self._outbound.ask(
                "GET",
                ROOT + path,
                policy,
                query=query,
                headers=headers,
                partition=_partition(secret),
                into=into,
            )

        result = ask_with(self._key, ask)
        partition = _partition(asked_with)
        if isinstance(result, NotSent):
            return self._not_sent(result)
        if isinstance(result, Lost):
            return RetryLater(result.code)
        self._obey(result, partition)
        if result.is_success:
            self._is_denied = False
            return Ok(result)
        return self._failure(result, partition)

    def _not_sent(self, result: NotSent) -> RetryLater | Misconfigured:
        if self._host == OLD_HOST and result.not_before is None:
            return _old_domain()
        return RetryLater(result.code, result.not_before)

    def _obey(self, reply: Reply, partition: str) -> None:
        """Stop before the hour is used up, and for the rest of it when it is."""
        limit, left = (_whole(reply, name) for name in ("x-ratelimit-limit", "x-ratelimit-remaining"))
        if reply.is_busy:
            self._pause(partition, OVER_LIMIT)
        elif limit and left is not None and left * KEPT_BACK <= limit:
            self._pause(partition, NEAR_LIMIT)

    def _pause(self, partition: str, length: timedelta) -> None:
        now = self._now()
        self._surroundings.pauses.keep(PROVIDER, partition, now + length, now)

    def _failure(self, reply: Reply, partition: str) -> Refused | RetryLater | Misconfigured | Unknown:
        code, message = _error_in(reply)
        if reply.status == HTTPStatus.GONE:
            return _old_domain()
        if reply.status in {HTTPStatus.FORBIDDEN, HTTPStatus.UNAUTHORIZED} or code == "HTTPS_REQUIRED":
            return self._denied(partition, code, message)
        if reply.is_busy:
            return RetryLater(code, self._now() + OVER_LIMIT)
        if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return RetryLater(code)
        if reply.status >= HTTPStatus.BAD_REQUEST:
            return Refused(NOT_FOUND if reply.status == HTTPStatus.NOT_FOUND else code, message)
        return Unknown(f"status-{reply.status}")

    def _denied(self, partition: str, code: str, message: str) -> Misconfigured:
        """Say once that a person must look; the next success makes it worth saying again."""
        self._pause(partition, DENIED)
        if not self._is_denied:
            log.error("NLR refuses our key: %s; charging sites are served as they are known", code)
            self._is_denied = True
        return Misconfigured(FORBIDDEN, f"{code}: {message}")


def _partition(key: str) -> str:
    """Return what the hourly limit is counted by: the key, so that a new one is asked at once."""
    return f"key:{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def _old_domain() -> Misconfigured:
    return Misconfigured("old-domain", f"NLR has moved: set NERAVA_NLR__BASE_URL to https://{HOST}")


def _whole(reply: Reply, name: str) -> int | None:
    text = reply.headers.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else None  # noqa: PLR2004 - digits


def _error_in(reply: Reply) -> tuple[str, str]:
    """Return code and message of an error, which comes in the format of the request."""
    if reply.is_of_type("text/csv"):
        rows = list(csv.DictReader(io.StringIO(reply.body.decode(errors="replace"))))
        told = {name: str(value) for name, value in (rows[0] if rows else {}).items()}
        return told.get("Error Code", f"status-{reply.status}"), told.get("Error Message", "")[:300]
    error = (reply.object() or {}).get("error")
    if not isinstance(error, dict):
        return f"status-{reply.status}", ""
    return str(error.get("code") or f"status-{reply.status}"), str(error.get("message", ""))[:300]
