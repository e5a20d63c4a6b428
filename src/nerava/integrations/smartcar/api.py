"""Smartcar's calls as five outcomes: what to repeat, what to tell the driver, what is our own fault."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply
from nerava.platform.provider_calls import SMARTCAR_SIGNALS
from nerava.vehicles.ports import (
    ACCOUNT_TROUBLE,
    APP_LIMIT,
    GONE,
    INCOMPATIBLE,
    RECONNECT,
    TOKEN_REFUSED,
    VEHICLE_LIMIT,
    TokenPair,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from nerava.platform.outbound import CallPolicy, Result, Surroundings

log = logging.getLogger(__name__)

APP_WAIT: Final = timedelta(seconds=30)
"""The application gets two calls a minute back."""

LIFE_S_MAX: Final = 86_400
_FORM: Final = {"content-type": "application/x-www-form-urlencoded"}


class SmartcarApi:
    """Calls one host of Smartcar. Safe to share between threads."""

    def __init__(
        self, base_url: str, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        self._now = now
        self._outbound = Outbound(
            base_url,
            now=now,
            wants_retry=_wants_retry,
            is_of_resource=lambda reply: _told(reply)[1] == "VEHICLE",
            surroundings=surroundings,
        )

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def fetch_pair(
        self,
        path: str,
        form: Mapping[str, str],
        policy: CallPolicy,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Outcome[TokenPair]:
        """Ask for tokens. `Refused` is `invalid_grant` alone: then a person must agree again."""
        body = urlencode(form).encode()
        result = self._outbound.ask("POST", path, policy, headers={**_FORM, **(headers or {})}, body=body)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return RetryLater(result.code) if policy.is_repeatable else Unknown(result.code)
        read = _object(result)
        if result.is_success:
            return self._pair(read, is_repeatable=policy.is_repeatable)
        error = str((read or {}).get("error") or (read or {}).get("type") or result.status)
        if error == "invalid_grant":
            return Refused(error)
        if result.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return Misconfigured(error)
        return RetryLater(error, self._not_before(result))

    def ask(
        self,
        method: str,
        path: str,
        token: str,
        *,
        account: str | None = None,
        vehicle: str | None = None,
        query: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        policy: CallPolicy = SMARTCAR_SIGNALS.call,
    ) -> Outcome[dict[str, Any]]:
        """Ask something that repeats safely, for a person (`account`), about a car (`vehicle`)."""
        headers = {"authorization": f"Bearer {token}", "accept": "application/json"}
        headers |= {} if account is None else {"sc-user-id": account}
        headers |= {"content-type": "application/json", "sc-unit-system": "metric"} if body else {}
        resource = None if vehicle is None else f"vehicle:{vehicle}"
        result = self._outbound.ask(
            method, path, policy, query=query, headers=headers, body=body, resource=resource
        )
        return self._outcome(result)

    def _pair(self, read: dict[str, Any] | None, *, is_repeatable: bool) -> Outcome[TokenPair]:
        found = read or {}
        access, life_s, refresh = (
            found.get("access_token"),
            found.get("expires_in"),
            found.get("refresh_token"),
        )
        refresh_is_text = refresh is None or isinstance(refresh, str)
        if not isinstance(access, str) or type(life_s) is not int or not refresh_is_text or not access:
            return RetryLater("unreadable") if is_repeatable else Unknown("unreadable")
        good_until = self._now() + timedelta(seconds=min(max(life_s, 0), LIFE_S_MAX))
        return Ok(TokenPair(access, refresh, good_until))

    def _outcome(self, result: Result) -> Outcome[dict[str, Any]]:
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return RetryLater(result.code)
        if result.status == HTTPStatus.NO_CONTENT:
            return Ok({})
        if result.is_success:
            read = _object(result)
            return RetryLater("unreadable") if read is None else Ok(read)
        return self._failure(result)

    def _failure(self, reply: Reply) -> Outcome[dict[str, Any]]:  # noqa: PLR0911 - the table of errors
        kind, code = _told(reply)
        word = f"{kind}:{code}".strip(":")[:80] or f"status-{reply.status}"
        match kind or reply.status:
            case "CONNECTED_SERVICES_ACCOUNT":
                return Refused(f"{ACCOUNT_TROUBLE}{code}")
            case "AUTHENTICATION" | HTTPStatus.UNAUTHORIZED:
                return Refused(TOKEN_REFUSED)
            case "PERMISSION" | HTTPStatus.FORBIDDEN:
                return Refused(RECONNECT)
            case "RESOURCE_NOT_FOUND" | HTTPStatus.NOT_FOUND:
                return Refused(GONE)
            case "COMPATIBILITY" | HTTPStatus.NOT_IMPLEMENTED:
                return Refused(INCOMPATIBLE)
            case "RATE_LIMIT" | HTTPStatus.TOO_MANY_REQUESTS:
                is_of_car = code == "VEHICLE"
                wait = self._not_before(reply)
                soon = None if is_of_car else self._now() + APP_WAIT
                return RetryLater(VEHICLE_LIMIT if is_of_car else APP_LIMIT, wait or soon)
            case "BILLING" | 430:
                return Misconfigured(word)
            case "UPSTREAM" if code == "RATE_LIMIT":
                return RetryLater(VEHICLE_LIMIT, self._not_before(reply))
            case _ if kind == "VALIDATION" or reply.status == HTTPStatus.BAD_REQUEST:
                return Misconfigured(word)
            case _:
                return RetryLater(word, self._not_before(reply))

    def _not_before(self, reply: Reply) -> datetime | None:
        wait_s = reply.retry_after_s(self._now())
        return None if not wait_s else self._now() + timedelta(seconds=wait_s)


def instant(value: object) -> datetime | None:
    """Return an instant that is told in milliseconds or as ISO 8601; None for 0, nothing and nonsense."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, int | float | Decimal):
            found = datetime.fromtimestamp(float(value) / 1_000, UTC) if value > 0 else None
        else:
            found = datetime.fromisoformat(str(value))
    except (ValueError, OverflowError, OSError):
        return None
    if found is None:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _object(reply: Reply) -> dict[str, Any] | None:
    """Return the JSON object of an answer; a hotel's login page is none, whatever its status."""
    if "json" not in reply.headers.get("content-type", ""):
        return None
    return reply.object()


def _told(reply: Reply) -> tuple[str, str]:
    read = _object(reply) or {}
    return str(read.get("type") or ""), str(read.get("code") or "")


def _wants_retry(reply: Reply) -> bool | None:
    """Return False for what would only drain the car's battery."""
    return False if _told(reply)[1] in {"VEHICLE", "RATE_LIMIT"} else None
