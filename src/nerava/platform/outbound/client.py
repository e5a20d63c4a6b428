"""One provider over HTTP: a total deadline, few attempts, short answers, no redirects, no cookies."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO, Final
from urllib.parse import urlencode, urlsplit

import httpcore2

from nerava.kernel.ids import new_id
from nerava.platform import tracing
from nerava.platform.outbound.addresses import AddressRefused, require_public_url
from nerava.platform.outbound.answers import Lost, NotSent, Reply, Result
from nerava.platform.outbound.breaker import Passage
from nerava.platform.outbound.deadline import Deadline, DeadlineNetwork, TlsRefused, caller_left_s
from nerava.platform.outbound.health import CALLS_AT_ONCE, Healths, ProviderHealth
from nerava.platform.outbound.observing import attempt_of, describe, log_attempt
from nerava.platform.outbound.pauses import PausesInMemory
from nerava.platform.outbound.policy import BACKOFF_S

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from nerava.platform.outbound.breaker import Breaker
    from nerava.platform.outbound.observing import Observer
    from nerava.platform.outbound.pauses import Pauses
    from nerava.platform.outbound.policy import CallPolicy

USER_AGENT: Final = "nerava"
KEPT_ALIVE_S: Final = 30.0
TOO_LONG: Final = "answer-too-long"
NO_TIME: Final = "no-time-left"
TOLD_TO_WAIT: Final = "told-to-wait"
CIRCUIT_OPEN: Final = "circuit-open"
TOO_MANY_AT_ONCE: Final = "too-many-at-once"
_HELD_BACK: Final = frozenset({NO_TIME, TOLD_TO_WAIT, CIRCUIT_OPEN, TOO_MANY_AT_ONCE})
_NEVER_SENT: Final = (
    httpcore2.ConnectError,
    httpcore2.ConnectTimeout,
    httpcore2.PoolTimeout,
    httpcore2.UnsupportedProtocol,
)
_FOR_GOOD: Final = (AddressRefused, TlsRefused, httpcore2.UnsupportedProtocol)
_FAILED_IN_TRANSFER: Final = (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the calls of one process share.

    Attributes:
        observe: Is told of each attempt; must neither fail nor take long.
        pauses: Until when providers asked to be left alone; in the database, everybody knows.
        healths: Of whom it called.
        calls: Policies of this installation, by the name of the call, in place of the table's.
    """

    observe: Observer = log_attempt
    pauses: Pauses = field(default_factory=PausesInMemory)
    healths: Healths = field(default_factory=Healths)
    calls: Mapping[str, CallPolicy] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Asked:
    """One call, as it goes through its attempts."""

    method: str
    url: str
    policy: CallPolicy
    headers: Sequence[tuple[str, str]]
    body: bytes
    until: float
    breaker: Breaker | None
    into: BinaryIO | None


class Outbound:
    """Calls one provider. Safe to share between threads.

    A redirect is an answer like any other and is never followed. Proxies of the environment are
    not used. Nothing is decompressed: a provider is asked for plain bytes.

    Args:
        base_url: Scheme, host and path that every path is appended to.
        now: Reads the wall clock, for a `Retry-After` that is a date.
        wants_retry: What the provider itself says about another attempt after an answer; None if
            it says nothing.
        is_of_resource: Whether a 429 is about the `resource` of the call alone and not about its
            partition; such a one is never tried again at once.
        surroundings: What the process shares; None shares nothing and writes into the log.
        health: Shared by several clients of one provider; None means its own.
        only_public: An outsider gave the address: https on port 443 and addresses of the public
            internet only, looked at whenever a connection is made.
        http2: Speaks HTTP/2 and nothing else; without TLS as somebody who knows that it is understood.
            Calls of several threads share a connection and wait for each other's reads, each of which
            ends with the deadline of its own call.
        tls: With what a client certificate is shown; None shows none.

    Raises:
        UrlRefused: The address of an outsider is none that we call (422).
    """

    def __init__(
        self,
        base_url: str,
        *,
        now: Callable[[], datetime],
        wants_retry: Callable[[Reply], bool | None] = lambda _reply: None,
        is_of_resource: Callable[[Reply], bool] = lambda _reply: False,
        pause: Callable[[float], None] = time.sleep,
        surroundings: Surroundings | None = None,
        health: ProviderHealth | None = None,
        only_public: bool = False,
        http2: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        base_url = require_public_url(base_url) if only_public else base_url
        parts = urlsplit(base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            message = "a provider's address begins with http:// or https:// and a host"
            raise ValueError(message)
        self._base_url = base_url.rstrip("/")
        self._host = parts.netloc.rpartition("@")[2]
        self._now = now
        self._wants_retry = wants_retry
        self._is_of_resource = is_of_resource
        self._pause = pause
        self._shared = surroundings or Surroundings()
        self.health = health or ProviderHealth()
        self._random = random.SystemRandom()
        self._deadline = Deadline()
        self._pool = httpcore2.ConnectionPool(
            ssl_context=tls,
            http1=not http2,
            http2=http2,
            max_connections=CALLS_AT_ONCE,
            max_keepalive_connections=CALLS_AT_ONCE,
            keepalive_expiry=KEPT_ALIVE_S,
            network_backend=DeadlineNetwork(self._deadline, only_public=only_public),
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
        partition: str = "",
        resource: str | None = None,
        into: BinaryIO | None = None,
    ) -> Result:
        """Send a request, again where the policy allows it, and return how it ended. Never raises for that.

        What may have been carried out once is remembered: a later attempt that never left does not
        make the call `NotSent`. Ends within the deadline of the caller, too (`caller_deadline`).

        Args:
            method: GET, POST and so on.
            path: Appended to the base URL.
            policy: How long, how often.
            query: Names and values, encoded here.
            headers: Lower-case names. `x-request-id` is ours unless it is given.
            body: As it is sent.
            partition: What the provider fails and counts by: a method, an account; all of it by default.
            resource: Something smaller that the provider counts by, too, such as a vehicle.
            into: Takes the body of a success from its beginning, instead of the reply; emptied before
                another attempt.
        """
        policy = self._shared.calls.get(policy.name, policy)
        left_s = caller_left_s()
        until = time.monotonic() + (policy.total_s if left_s is None else min(policy.total_s, left_s))
        self._shared.healths.note(policy.provider, self.health)
        held = self._held_back(policy, partition, resource, until)
        if held is not None:
            self._shared.observe(attempt_of(policy.name, 0, held, 0))
            return held
        sending = {
            "host": self._host,
            "user-agent": USER_AGENT,
            "accept-encoding": "identity",
            "x-request-id": str(new_id()),
            **(headers or {}),
        }
        length = [("content-length", str(len(body)))] if body else []
        asked = _Asked(
            method,
            self._base_url + path + ("?" + urlencode(query) if query else ""),
            policy,
            [*sending.items(), *length],
            body,
            until,
            self.health.breakers.of(partition) if policy.gives_way else None,
            into,
        )
        result = self._with_attempts(asked)
        if isinstance(result, Reply):
            self._keep_pause(result, policy, partition, resource)
        return result

    def _held_back(
        self, policy: CallPolicy, partition: str, resource: str | None, until: float
    ) -> NotSent | None:
        if until <= time.monotonic():
            return NotSent(NO_TIME)
        if not policy.gives_way:
            return None
        partitions = [partition] if resource is None else [partition, resource]
        not_before = self._shared.pauses.until(policy.provider, partitions, self._now())
        return None if not_before is None else NotSent(TOLD_TO_WAIT, not_before)

    def _with_attempts(self, asked: _Asked) -> Result:
        policy, tokens = asked.policy, self.health.tokens
        attempt, maybe_done = 0, False
        last: Result | None = None
        while True:
            result = self._attempt(asked, attempt + 1)
            if isinstance(result, NotSent) and result.code in _HELD_BACK and last is not None:
                result = last  # what the other side said is worth more than that we did not ask again
                break
            attempt += 1
            maybe_done = maybe_done or _may_be_done(result)
            wait_s = self._wait_s(result, policy, attempt)
            if wait_s is None or attempt == policy.attempts or time.monotonic() + wait_s >= asked.until:
                break
            if not tokens.take(hard=_is_hard(result)):
                break
            last = result
            self._pause(wait_s)
        if attempt == 1 and isinstance(result, Reply) and result.is_success:
            tokens.give_back()
        return Lost(result.code) if isinstance(result, NotSent) and maybe_done else result

    def _attempt(self, asked: _Asked, number: int) -> Result:
        """Make one attempt if there is a place for it and the breaker lets it pass, and tell of it."""
        policy, breaker = asked.policy, asked.breaker
        patience_s = 0.0 if policy.gives_way else min(policy.connect_s, asked.until - time.monotonic())
        begun = time.monotonic()
        result: Result = NotSent(CIRCUIT_OPEN)
        with tracing.span(f"{asked.method} {policy.name}", tracing.Kind.CLIENT) as span:
            with self.health.place(patience_s) as has_place:
                passage = Passage.CALL if breaker is None or not has_place else breaker.let_pass()
                if not has_place:
                    result = NotSent(TOO_MANY_AT_ONCE)
                elif passage is not None:
                    result = self._noted(asked, passage)
            held_back = isinstance(result, NotSent) and result.code in _HELD_BACK
            duration_ms = round((time.monotonic() - begun) * 1_000)
            attempt = attempt_of(policy.name, 0 if held_back else number, result, duration_ms)
            describe(span, asked.method, attempt)
        self._shared.observe(attempt)
        return result

    def _noted(self, asked: _Asked, passage: Passage) -> Result:
        failed: bool | None = None
        try:
            result = self._once(asked)
            failed = _speaks_against(result)
        finally:
            if asked.breaker is not None:
                asked.breaker.note(passage, failed=failed)
        return result

    def _once(self, asked: _Asked) -> Result:
        policy = asked.policy
        timeouts = {
            "connect": policy.connect_s,
            "pool": policy.connect_s,
            "read": policy.read_s,
            "write": policy.read_s,
        }
        try:
            with (
                self._deadline.set_to(asked.until),
                self._pool.stream(
                    asked.method,
                    asked.url,
                    headers=[*asked.headers, *tracing.onward()],
                    content=asked.body or None,
                    extensions={"timeout": timeouts},
                ) as answer,
            ):
                return _read(answer, policy.bytes_max, asked.into)
        except _NEVER_SENT as error:
            return NotSent(_word(error))
        except _FAILED_IN_TRANSFER as error:
            return Lost(_word(error))

    def _wait_s(self, result: Result, policy: CallPolicy, attempt: int) -> float | None:
        """Return how long to wait before another attempt; None if there should be none."""
        backoff_s = self._random.uniform(0, min(policy.backoff_max_s, BACKOFF_S * 2 ** (attempt - 1)))
        if isinstance(result, NotSent):
            return None if result.code in _NOT_AGAIN else backoff_s
        if isinstance(result, Lost):
            return backoff_s if policy.is_repeatable and result.code != TOO_LONG else None
        if result.is_success:
            return None
        wanted, told_s = self._wants_retry(result), result.retry_after_s(self._now())
        if result.is_busy:
            may = policy.waits_when_told and wanted is not False and not self._is_of_resource(result)
            may = may and (wanted is True or told_s is not None)
            return (backoff_s if told_s is None else told_s) if may else None
        may = policy.is_repeatable and policy.tries_again(result.status) and wanted is not False
        return max(backoff_s, told_s or 0.0) if may else None

    def _keep_pause(self, reply: Reply, policy: CallPolicy, partition: str, resource: str | None) -> None:
        """Remember for everybody that the other side wants to be left alone, and for how long."""
        if not policy.gives_way or not (reply.is_busy or reply.status == HTTPStatus.SERVICE_UNAVAILABLE):
            return
        now = self._now()
        told_s = reply.retry_after_s(now)
        if not told_s:
            return
        whose = resource if resource is not None and self._is_of_resource(reply) else partition
        self._shared.pauses.keep(policy.provider, whose, now + timedelta(seconds=told_s), now)


def _read(answer: httpcore2.Response, bytes_max: int, into: BinaryIO | None) -> Reply | Lost:
    found = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in answer.headers}
    success = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
    target = into if success else None
    if target is not None:
        target.seek(0)
        target.truncate()
    read, length = bytearray(), 0
    for piece in answer.iter_stream():
        length += len(piece)
        if length > bytes_max:
            return Lost(TOO_LONG)
        if target is None:
            read += piece
        else:
            target.write(piece)
    return Reply(answer.status, found, bytes(read))


def _speaks_against(result: Result) -> bool:
    """Say whether a result counts as a failure of the other side; what is our own fault does not."""
    if not isinstance(result, Reply):
        return True
    return result.status >= HTTPStatus.INTERNAL_SERVER_ERROR and result.status != HTTPStatus.NOT_IMPLEMENTED


def _is_hard(result: Result) -> bool:
    return isinstance(result, Lost) or (isinstance(result, Reply) and result.is_busy)


def _may_be_done(result: Result) -> bool:
    if isinstance(result, Reply):
        return result.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(result, Lost)


def _word(error: Exception) -> str:
    # The class alone: the text of an error may repeat an address with what stands in it.
    return _word_of(type(error))


def _word_of(kind: type[Exception]) -> str:
    return "".join(f"-{one.lower()}" if one.isupper() else one for one in kind.__name__).lstrip("-")


_NOT_AGAIN: Final = _HELD_BACK | {_word_of(kind) for kind in _FOR_GOOD}
