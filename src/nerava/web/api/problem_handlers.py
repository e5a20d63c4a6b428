"""From exceptions to problem documents."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from nerava.kernel.errors import NeravaError
from nerava.platform.problem import (
    REFUSAL,
    InputError,
    InvalidInput,
    MethodNotAllowed,
    NotFound,
    Unexpected,
    problem_response,
    reference_of,
)
from nerava.platform.redaction import REDACTOR, REMOVED

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from nerava.identity.denials import Denials
    from nerava.platform.policy import Throttle

log = logging.getLogger(__name__)

FRAMEWORK: Final = {HTTPStatus.NOT_FOUND: NotFound, HTTPStatus.METHOD_NOT_ALLOWED: MethodNotAllowed}
"""What the framework refuses by itself; everything else of it is input it could not read."""

ERRORS_SHOWN: Final = 20
NAME: Final = re.compile(r"[A-Za-z_][\w.\-\[\]]{0,39}", re.ASCII)


async def on_refusal(request: Request, error: Exception) -> Response:
    """Answer with the problem document of one of our own errors."""
    if not isinstance(error, NeravaError):
        raise AssertionError("registered for NeravaError only")
    reference = reference_of(request.scope)
    if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        # Overload and a database that is away refuse thousands a minute: what is behind it, in a line.
        behind = error.__cause__ or error
        reason = str(behind).partition("\n")[0]
        broken = error if error.status == HTTPStatus.INTERNAL_SERVER_ERROR else None
        said = "%s, trace id %s: %s: %s"
        log.warning(said, error.code, reference.trace_id, type(behind).__name__, reason, exc_info=broken)
    if error.status == HTTPStatus.FORBIDDEN:
        denials: Denials = request.app.state.denials
        await denials.tell(request, error)
    request.scope[REFUSAL] = error
    return problem_response(error, reference)


async def on_invalid_input(request: Request, error: Exception) -> Response:
    """Answer 422 with what is wrong and where; never with what was sent."""
    if not isinstance(error, RequestValidationError):
        raise AssertionError("registered for RequestValidationError only")
    errors = [
        InputError(
            pointer="/".join(map(_shown, one["loc"]))[:200],
            message=REDACTOR.redacted(one["msg"])[:200],
            kind=one["type"],
        )
        for one in error.errors()[:ERRORS_SHOWN]
    ]
    detail = "; ".join(f"{one.pointer}: {one.message}" for one in errors[:3])
    return problem_response(InvalidInput(detail, errors=errors), reference_of(request.scope))


def _shown(part: int | str) -> str:
    """Return a step of the way to what is wrong; the caller's own names only if they are no more."""
    if isinstance(part, int) or (NAME.fullmatch(part) and REDACTOR.redacted(part) == part):
        return str(part)
    return REMOVED


async def on_http_exception(request: Request, error: Exception) -> Response:
    """Answer what the framework refuses: no such address, or not with this method."""
    if not isinstance(error, HTTPException):
        raise AssertionError("registered for HTTPException only")
    # An address that does not exist counts too, so that no spelling of one is free.
    throttle: Throttle = request.app.state.throttle
    throttle.knock(request)
    throttle.turn_away(request)
    kind = FRAMEWORK.get(HTTPStatus(error.status_code))
    refusal: NeravaError
    if kind is not None:
        refusal = kind()
    else:
        refusal = InvalidInput() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR else Unexpected()
    return problem_response(refusal, reference_of(request.scope), headers=dict(error.headers or {}))
