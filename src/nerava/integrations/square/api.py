"""Square's calls as five outcomes: what to repeat, what the seller has to mend, what is our own fault."""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.outbound import Lost, NotSent, Outbound, Reply
from nerava.platform.provider_calls import SQUARE_READ
from nerava.tills.ports import NOT_THERE, TOKEN_REFUSED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nerava.platform.outbound import CallPolicy, Result, Surroundings
    from nerava.tills.ports import Seller

BASE_URL: Final = "https://connect.squareup.com"
SANDBOX_URL: Final = "https://connect.squareupsandbox.com"
VERSION: Final = "2026-09-16"


class SquareApi:
    """Calls Square. Safe to share between threads."""

    def __init__(
        self, base_url: str, *, now: Callable[[], datetime], surroundings: Surroundings | None = None
    ) -> None:
        self._now = now
        self._outbound = Outbound(base_url, now=now, surroundings=surroundings)

    def close(self) -> None:
        """Close the connections."""
        self._outbound.close()

    def read(
        self,
        seller: Seller,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
    ) -> Outcome[dict[str, Any]]:
        """Ask for something of a seller; asking changes nothing, whatever the method."""
        result = self._ask(
            method,
            path,
            SQUARE_READ.call,
            f"Bearer {seller.token}",
            body=body,
            partition=seller.account,
        )
        return self._outcome(result, SQUARE_READ.call)

    def write(
        self, path: str, body: Mapping[str, Any], policy: CallPolicy, *, authorization: str | None = None
    ) -> Outcome[dict[str, Any]]:
        """Ask as our application. A lost answer is `Unknown` where the call must not be repeated."""
        return self._outcome(self._ask("POST", path, policy, authorization, body=body), policy)

    def _ask(
        self,
        method: str,
        path: str,
        policy: CallPolicy,
        authorization: str | None,
        *,
        body: Mapping[str, Any] | None = None,
        partition: str = "",
    ) -> Result:
        headers = {"accept": "application/json", "square-version": VERSION}
        headers |= {} if authorization is None else {"authorization": authorization}
        headers |= {} if body is None else {"content-type": "application/json"}
        sent = b"" if body is None else orjson.dumps(body)
        return self._outbound.ask(method, path, policy, headers=headers, body=sent, partition=partition)

    def _outcome(self, result: Result, policy: CallPolicy) -> Outcome[dict[str, Any]]:
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return RetryLater(result.code) if policy.is_repeatable else Unknown(result.code)
        if not result.is_success:
            return self._failure(result)
        read = result.object()
        if read is not None:
            return Ok(read)
        return RetryLater("unreadable") if policy.is_repeatable else Unknown("unreadable")

    def _failure(self, reply: Reply) -> Outcome[dict[str, Any]]:
        code = _told(reply)
        match reply.status:
            case HTTPStatus.UNAUTHORIZED:
                return Refused(TOKEN_REFUSED, code)
            case HTTPStatus.FORBIDDEN:
                return Refused("not-allowed", code)
            case HTTPStatus.NOT_FOUND:
                return Refused(NOT_THERE, code)
            case HTTPStatus.TOO_MANY_REQUESTS:
                wait_s = reply.retry_after_s(self._now())
                return RetryLater(code, None if not wait_s else self._now() + timedelta(seconds=wait_s))
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return RetryLater(code)
            case _:
                return Misconfigured(code)


def _told(reply: Reply) -> str:
    errors = (reply.object() or {}).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    code = first.get("code") if isinstance(first, dict) else None
    return code[:60] if isinstance(code, str) and code else f"status-{reply.status}"
