"""One provider over HTTP: a total deadline, few attempts, short answers, no redirects, no cookies."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import urlencode, urlsplit

import httpcore2

from nerava.platform.outbound.deadline import Deadline, DeadlineNetwork
from nerava.platform.outbound.policy import BACKOFF_MAX_S, BACKOFF_S
from nerava.platform.outbound.tokens import RetryTokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nerava.platform.outbound.policy import CallPolicy

CONNECTIONS_MAX: Final = 8
RETRY_AFTER_MAX_S: Final = 3_600.0
TOO_LONG: Final = "answer-too-long"
_NEVER_SENT: Final = (
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.PoolTimeout,
    httpcore2.UnsupportedProtocol,
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer, whatever its status. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is one of the two hundreds."""
        return HTTPStatus.OK <= self.status < HTTPStatus.MULTIPLE_CHOICES

    def object(self) -> dict[str, Any] | None:
        """Return the body as a JSON object; None if it is no such thing."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return read if isinstance(read, dict) else None

    def retry_after_s(self, now: datetime) -> float | None:
        """Return how long the other side wants us to wait, an hour at most; None if it does not say."""
        told = self.headers.get("retry-after", "").strip()
        if told.isascii() and told.isdecimal():
            return min(float(told[:9]), RETRY_AFTER_MAX_S)
        try:
            at = parsedate_to_datetime(told)
        except ValueError:
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return min(max((at - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request never left, so nothing was done."""

    code: str


@dataclass(frozen=True, slots=True)
class Lost:
    """The request may have been carried out; the answer did not come, not in time, or not whole."""

    code: str


Result: TypeAlias = Reply | NotSent | Lost


class Outbound:
    """Calls one provider. Safe to share between threads.

    A redirect is an answer like any other and is never followed. Proxies of the environment are
    not used. Nothing is decompressed: a provider is asked for plain bytes.

    Args:
        base_url: Scheme, host and path that every path is appended to.
        now: Reads the wall clock, for a `Retry-After` that is a date.
        wants_retry: What the provider itself says about another attempt after an answer; None if
            it says nothing.
    """

    def __init__(
        self,
        base_url: str,
        *,
        now: Callable[[], datetime],
        wants_retry: Callable[[Reply], bool | None] = lambda _reply: None,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "a provider's address begins with http:// or https:// and a host"
            raise ValueError(message)
        self._base_url = base_url.rstrip("/")
        self._host = parts.netloc.rpartition("@")[2]
        self._now = now
        self._wants_retry = wants_retry
        self._pause = pause
        self._random = random.SystemRandom()
        self._deadline = Deadline()
        self._tokens = RetryTokens()
        self._pool = httpcore2.ConnectionPool(
            max_connections=CONNECTIONS_MAX,
            max_keepalive_connections=CONNECTIONS_MAX,
            keepalive_expiry=30.0,
            network_backend=DeadlineNetwork(self._deadline),
        )

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def ask(
        self,
        method: str,
        path: str,
        policy: CallPolicy,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
    ) -> Result:
        """Send a request, again where the policy allows it, and return how it ended. Never raises for that.

        What may have been carried out once is remembered: a later attempt that never left does not
        make the call `NotSent`.
        """
        until = time.monotonic() + policy.total_s
        url = self._base_url + path + ("?" + urlencode(query) if query else "")
        sending = {"host": self._host, "accept-encoding": "identity", **(headers or {})}
        attempt, maybe_done = 0, False
        while True:
            attempt += 1
            result = self._once(method, url, policy, until, sending, body)
            maybe_done = maybe_done or _may_be_done(result)
            wait_s = self._wait_s(result, policy, attempt)
            if wait_s is None or attempt == policy.attempts or time.monotonic() + wait_s >= until:
                break
            if not self._tokens.take(hard=isinstance(result, Lost) or _is_busy(result)):
                break
            self._pause(wait_s)
        if attempt == 1 and isinstance(result, Reply) and result.is_success:
            self._tokens.give_back()
        return Lost(result.code) if isinstance(result, NotSent) and maybe_done else result

    def _once(  # noqa: PLR0917 - the parts of one request
        self, method: str, url: str, policy: CallPolicy, until: float, headers: Mapping[str, str], body: bytes
    ) -> Result:
        timeouts = {
            "connect": policy.connect_s,
            "pool": policy.connect_s,
            "read": policy.read_s,
            "write": policy.read_s,
        }
        given = [*headers.items(), ("content-length", str(len(body)))] if body else [*headers.items()]
        try:
            with (
                self._deadline.set_to(until),
                self._pool.stream(
                    method, url, headers=given, content=body or None, extensions={"timeout": timeouts}
                ) as answer,
            ):
                return _read(answer, policy.bytes_max)
        except _NEVER_SENT as error:
            return NotSent(_word(error))
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
            return Lost(_word(error))

    def _wait_s(self, result: Result, policy: CallPolicy, attempt: int) -> float | None:
        """Return how long to wait before another attempt; None if there should be none."""
        backoff_s = self._random.uniform(0, min(BACKOFF_MAX_S, BACKOFF_S * 2 ** (attempt - 1)))
        if isinstance(result, NotSent | Lost):
            may = isinstance(result, NotSent) or (policy.is_repeatable and result.code != TOO_LONG)
            return backoff_s if may else None
        if result.is_success:
            return None
        wanted, told_s = self._wants_retry(result), result.retry_after_s(self._now())
        if _is_busy(result):
            may = policy.waits_when_told and wanted is not False and (wanted or told_s is not None)
            return (backoff_s if told_s is None else told_s) if may else None
        may = policy.is_repeatable and policy.tries_again(result.status) and wanted is not False
        return max(backoff_s, told_s or 0.0) if may else None


def _read(answer: httpcore2.Response, bytes_max: int) -> Reply | Lost:
    read = bytearray()
    for piece in answer.iter_stream():
        read += piece
        if len(read) > bytes_max:
            return Lost(TOO_LONG)
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    return Reply(answer.status, found, bytes(read))


def _is_busy(result: Result) -> bool:
    return isinstance(result, Reply) and result.status == HTTPStatus.TOO_MANY_REQUESTS


def _may_be_done(result: Result) -> bool:
    if isinstance(result, Reply):
        return result.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(result, Lost)


def _word(error: Exception) -> str:
    # The class alone: the text of an error may repeat an address with what stands in it.
    name = type(error).__name__
    return "".join(f"-{one.lower()}" if one.isupper() else one for one in name).lstrip("-")
