"""Problem documents (RFC 9457): the one wire form of every answer that is not a success."""

from __future__ import annotations

import json
import secrets
from collections import defaultdict
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from nerava.kernel.errors import NeravaError, Outcome
from nerava.platform.redaction import REDACTOR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.types import Scope

MEDIA_TYPE: Final = "application/problem+json"
REFERENCE: Final = "nerava.reference"
"""Where the edge leaves in the ASGI scope by what the request is found again."""

REFUSAL: Final = "nerava.refusal"
"""Where the scope keeps the error that its answer tells about, for whoever counts."""


class Reference(NamedTuple):
    """By what a request is found again: in the log, in a trace, in what its caller noted.

    Attributes:
        trace_id: 32 hex digits; those of the caller's trace, if it sent one.
        request_id: Of this request alone; 32 hex digits, or the UUID that the caller gave it.
    """

    trace_id: str
    request_id: str

    @classmethod
    def new(cls, trace_id: str | None = None, request_id: str | None = None) -> Self:
        """Return those that were given, and new ones for those that were not."""
        return cls(trace_id or secrets.token_hex(16), request_id or secrets.token_hex(16))


NOWHERE: Final = Reference("0" * 32, "0" * 32)
"""Of what happens in no request."""


class InputError(BaseModel):
    """One thing that is wrong with the input, and where; never the value itself."""

    model_config = ConfigDict(frozen=True)

    pointer: str = Field(description="Where in the request, for example `body/amount_minor`")
    message: str
    kind: str = Field(description="Stable name of the broken rule")


class Problem(BaseModel):
    """Why a request was not carried out.

    `code` is stable and made for programs. `outcome` is present where it is not obvious whether
    anything happened: `not_executed` promises that nothing did; after `unknown` repeat the request
    with the same key. A 409 with `Retry-After` passes by itself, one without is final. `step_up`
    names what has to be shown anew: `strong` or `passkey`.
    """

    type: str = Field(description="`urn:nerava:problem:` and the code")
    title: str
    status: int
    detail: str
    code: str
    trace_id: str
    request_id: str
    outcome: Outcome | None = None
    step_up: Literal["strong", "passkey"] | None = None
    errors: list[InputError] | None = None
    facts: dict[str, str] | None = Field(
        default=None,
        description="What the refusal is about, for programs; which there are depends on `code`",
    )


class InvalidInput(NeravaError):
    """Something in the path, the query, a header or the body breaks a stated rule."""

    code = "invalid-input"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The input is not valid"

    def __init__(self, detail: str = "", /, *, errors: Sequence[InputError] = ()) -> None:
        super().__init__(detail)
        self.errors = tuple(errors)


class NotFound(NeravaError):
    """There is nothing here, or nothing that this caller may see."""

    code = "not-found"
    status = HTTPStatus.NOT_FOUND
    title = "Not found"


class MethodNotAllowed(NeravaError):
    """The address exists, but not for this method."""

    code = "method-not-allowed"
    status = HTTPStatus.METHOD_NOT_ALLOWED
    title = "Method not allowed"


class BodyTooLarge(NeravaError):
    """The body is larger than the address accepts."""

    code = "body-too-large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    title = "The body is too large"


class UnsupportedMediaType(NeravaError):
    """The body is not JSON, or it is compressed."""

    code = "unsupported-media-type"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    title = "Send JSON, uncompressed"


class Overloaded(NeravaError):
    """More requests are in progress than this process takes on; nothing was executed."""

    code = "overloaded"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "Too many requests at once"
    outcome = "not_executed"
    retry_after_s = 1


class Unexpected(NeravaError):
    """A mistake of ours; the trace id finds it in the log."""

    code = "unexpected"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "Something went wrong"
    outcome = "unknown"


def reference_of(scope: Scope | Mapping[str, Any]) -> Reference:
    """Return by what the request is found again that this scope belongs to."""
    found = scope.get(REFERENCE, NOWHERE)
    return found if isinstance(found, Reference) else NOWHERE


def problem_of(error: NeravaError, reference: Reference) -> Problem:
    """Return the document that tells the caller about this error."""
    status = int(error.status)
    outcome = error.outcome
    if outcome is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        outcome = "unknown"
    return Problem(
        type=f"urn:nerava:problem:{error.code}",
        title=error.title,
        status=status,
        # A detail names what was asked for, and that may be anything.
        detail=REDACTOR.redacted(error.detail),
        code=error.code,
        trace_id=reference.trace_id,
        request_id=reference.request_id,
        outcome=outcome,
        step_up=getattr(error, "step_up", None),
        errors=list(error.errors) if isinstance(error, InvalidInput) and error.errors else None,
        facts=_told(error) or None,
    )


def _told(error: NeravaError) -> dict[str, str]:
    """Return the facts of an error that its caller is told; instants in ISO 8601."""
    told = {name: fact for name, fact in error.facts.items() if name in error.told and fact is not None}
    return {
        name: fact.isoformat() if isinstance(fact, datetime) else str(fact) for name, fact in told.items()
    }


def problem_body(error: NeravaError, reference: Reference) -> bytes:
    """Return the document as it goes over the wire, in UTF-8."""
    return json.dumps(problem_of(error, reference).model_dump(exclude_none=True), ensure_ascii=False).encode()


def problem_headers(error: NeravaError) -> dict[str, str]:
    """Return the headers that go with the error: its own, `Retry-After`, `WWW-Authenticate`."""
    headers = dict(error.headers)
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(error.retry_after_s)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def problem_response(
    error: NeravaError, reference: Reference, *, headers: Mapping[str, str] | None = None
) -> Response:
    """Return the answer for an error, as `application/problem+json`."""
    return Response(
        problem_body(error, reference),
        status_code=int(error.status),
        media_type=MEDIA_TYPE,
        headers={**problem_headers(error), **(headers or {})},
    )


def problems(*errors: type[NeravaError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI `responses` of an endpoint that may answer with these errors."""
    by_status: dict[int, list[type[NeravaError]]] = defaultdict(list)
    for error in errors:
        if error not in by_status[int(error.status)]:
            by_status[int(error.status)].append(error)
    return {status: _documented(kinds) for status, kinds in sorted(by_status.items())}


def _documented(kinds: Sequence[type[NeravaError]]) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "description": "; ".join(f"`{kind.code}`: {kind.title}" for kind in kinds),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    if any(kind.retry_after_s is not None for kind in kinds):
        answer["headers"] = {
            "Retry-After": {"description": "Seconds to wait", "schema": {"type": "integer", "minimum": 0}}
        }
    return answer
