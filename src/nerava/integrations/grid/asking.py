"""A read at one of these sources as five outcomes; no address, query or body of it is told anywhere."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.outbound import Lost, NotSent, Reply

if TYPE_CHECKING:
    from nerava.platform.outbound import Result

log = logging.getLogger(__name__)

NOT_FOUND: Final = "not-found"
NO_PLACE: Final = "no-place"
"""A site whose coordinates nobody knows lies in no region that could be asked for."""


def outcome_of(result: Result, provider: str) -> Outcome[dict[str, Any]]:
    """Return what became of a read. A page of somebody else's with status 200 is `Unknown`."""
    if isinstance(result, NotSent):
        return RetryLater(result.code, result.not_before)
    if isinstance(result, Lost):
        return RetryLater(result.code)
    if result.is_success:
        found = result.object()
        return drift(provider, "no-object") if found is None else Ok(found)
    return _failure(result, provider)


def drift(provider: str, what: str) -> Unknown:
    """Return that an answer is not what we know, and say so in the log."""
    log.warning("an answer of %s is not what it was: %s", provider, what)
    return Unknown(f"schema-drift:{what}")


def instant_of(told: object) -> datetime | None:
    """Return an instant of RFC 3339, UTC; None for what is none, has no zone or a part of a second."""
    if not isinstance(told, str):
        return None
    try:
        at = datetime.fromisoformat(told)
    except ValueError:
        return None
    return None if at.tzinfo is None or at.microsecond else at.astimezone(UTC)


def number_of(told: object) -> Decimal | None:
    """Return a number of JSON, exactly; None for anything else, for a truth value and for no number."""
    if isinstance(told, bool) or not isinstance(told, int | Decimal):
        return None
    found = Decimal(told)
    return found if found.is_finite() else None


def _failure(reply: Reply, provider: str) -> Refused | RetryLater | Misconfigured | Unknown:
    code = f"status-{reply.status}"
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        log.error("%s refuses our key; what is known of the grid is not renewed", provider)
        return Misconfigured("forbidden", f"{provider} refuses our key")
    if reply.status == HTTPStatus.NOT_FOUND:
        return Refused(NOT_FOUND)
    if reply.is_busy or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryLater(code)
    return Refused(code) if reply.status >= HTTPStatus.BAD_REQUEST else Unknown(code)
