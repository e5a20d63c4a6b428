"""What is told of each attempt to call another machine; nothing in it is a secret, a body or a query."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, TypeAlias

from nerava.platform.outbound.answers import Lost, NotSent, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from nerava.platform.outbound.answers import Result
    from nerava.platform.tracing import Nothing, Span

log = logging.getLogger(__name__)

REQUEST_IDS: Final = (
    "request-id",
    "x-request-id",
    "sc-request-id",
    "twilio-request-id",
    "x-hubspot-correlation-id",
    "apns-id",
    "x-amzn-requestid",
    "x-message-id",
)
"""Headers in which providers say how they call a request; the first one found is told."""

_SAFE_ID: Final = re.compile(r"[\w.:=+/-]{1,80}", re.ASCII)


class Ending(StrEnum):
    """How an attempt ended, in one word."""

    OK = "ok"
    REFUSED = "refused"
    BUSY = "busy"
    FAILED = "failed"
    NOT_SENT = "not_sent"
    LOST = "lost"


class CacheLayer(StrEnum):
    """Why a call is made although there is a cache: there is none, it had nothing, or what it had is old."""

    NONE = "none"
    MISS = "miss"
    REFRESH = "refresh"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of one call.

    Attributes:
        number: Counted from 1 within the call; 0 if it was held back on our side.
        code: Why there was no whole answer; None if there was one.
        request_id: How the provider calls the request, where it says so.
        duration_ms: From the connection to the last byte.
    """

    provider: str
    operation: str
    number: int
    ending: Ending
    status: int | None
    code: str | None
    request_id: str | None
    duration_ms: int
    cache: CacheLayer


Observer: TypeAlias = Callable[[Attempt], None]

_LAYER: Final[ContextVar[CacheLayer]] = ContextVar("cache_layer", default=CacheLayer.NONE)


@contextmanager
def asked_by_cache(layer: CacheLayer) -> Iterator[None]:
    """Have calls within the block say that a cache makes them, and why."""
    token = _LAYER.set(layer)
    try:
        yield
    finally:
        _LAYER.reset(token)


def attempt_of(name: str, number: int, result: Result, duration_ms: int) -> Attempt:
    """Return what is told of an attempt."""
    provider, _, operation = name.partition(" ")
    return Attempt(
        provider,
        operation,
        number,
        ending_of(result),
        result.status if isinstance(result, Reply) else None,
        None if isinstance(result, Reply) else result.code,
        request_id_in(result.headers) if isinstance(result, Reply) else None,
        duration_ms,
        _LAYER.get(),
    )


def ending_of(result: Result) -> Ending:
    """Return the one word for a result."""
    if isinstance(result, NotSent):
        return Ending.NOT_SENT
    if isinstance(result, Lost):
        return Ending.LOST
    if result.is_success:
        return Ending.OK
    if result.is_busy:
        return Ending.BUSY
    return Ending.FAILED if result.status >= HTTPStatus.INTERNAL_SERVER_ERROR else Ending.REFUSED


def request_id_in(headers: Mapping[str, str]) -> str | None:
    """Return the provider's name for a request; None if it says none or something that is no id."""
    told = next((headers[name] for name in REQUEST_IDS if name in headers), "")
    return told if _SAFE_ID.fullmatch(told) else None


def describe(span: Span | Nothing, method: str, attempt: Attempt) -> None:
    """Say on the span of an attempt what is told of it; neither an address nor anything that was sent."""
    if not span:
        return
    span.set("http.request.method", method)
    span.set("nerava.provider", attempt.provider)
    span.set("nerava.operation", attempt.operation)
    span.set("nerava.ending", attempt.ending.value)
    if attempt.number > 1:
        span.set("http.request.resend_count", attempt.number - 1)
    if attempt.status is not None:
        span.set("http.response.status_code", attempt.status)
    if attempt.ending not in {Ending.OK, Ending.NOT_SENT} and span:
        span.failure = attempt.code or str(attempt.status)


def log_attempt(attempt: Attempt) -> None:
    """Write an attempt into the log; failures as warnings, what was held back for those who look closely."""
    well = attempt.ending in {Ending.OK, Ending.REFUSED}
    log.log(
        logging.DEBUG if attempt.number == 0 else logging.INFO if well else logging.WARNING,
        "external call: %s",
        attempt.ending,
        extra={
            "provider": attempt.provider,
            "operation": attempt.operation,
            "attempt": attempt.number,
            "duration_ms": attempt.duration_ms,
            "cache": attempt.cache.value,
            **({} if attempt.status is None else {"status": attempt.status}),
            **({} if attempt.code is None else {"code": attempt.code}),
            **({} if attempt.request_id is None else {"request_id": attempt.request_id}),
        },
    )
