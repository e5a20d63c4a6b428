"""The OpenAPI document: what FastAPI finds out, plus what the policies say about every route."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.openapi.utils import get_openapi

from nerava.kernel.errors import NeravaError
from nerava.platform.db.errors import DatabaseUnavailable, OutcomeUnknown
from nerava.platform.idempotency import (
    REPLAYED,
    IdempotencyKeyCancelled,
    IdempotencyKeyMalformed,
    IdempotencyKeyMissing,
    KeyReusedWithOtherBody,
    RequestInFlight,
)
from nerava.platform.limits import RateLimited
from nerava.platform.policy import Assurance, GuardedRoute, Repeats, policy_of
from nerava.platform.problem import (
    BodyTooLarge,
    InvalidInput,
    NotFound,
    Problem,
    Unexpected,
    UnsupportedMediaType,
    problems,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.routing import BaseRoute

    from nerava.platform.policy import Policy

VERSION: Final = "3.1.0"
SCHEME: Final = "accessToken"
READS: Final = frozenset({"GET", "HEAD"})
KEY_PATTERN: Final = r'^[ \t]*(?:[!#-~][!-~]{0,254}|"(?:[!#-\[\]-~]|\\["\\]){1,255}")[ \t]*$'
"""A key as `parse_key` reads it: 1 to 255 visible ASCII characters, bare or quoted."""


class _Refused(NeravaError):
    code = "not-signed-in"
    status = HTTPStatus.UNAUTHORIZED
    title = "Sign in first, or the access token is not valid"


class _Forbidden(NeravaError):
    code = "role-not-allowed"
    status = HTTPStatus.FORBIDDEN
    title = "Your role, or the access token, does not cover this"


class _StepUpRequired(NeravaError):
    code = "step-up-required"
    status = HTTPStatus.FORBIDDEN
    title = "Confirm that it is you, as `step_up` says"


class _SwitchedOff(NeravaError):
    # The ledger has the one that is raised; every write may meet it, because everything can be read-only.
    code = "switched-off"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "This is switched off for now"
    retry_after_s = 60


def document(routes: Sequence[BaseRoute], *, title: str, version: str, description: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of these routes.

    Every operation states its security from its policy, its `Idempotency-Key` where it has one,
    and as problem documents the refusals that its policy and its body make possible.
    """
    found = get_openapi(
        title=title, version=version, openapi_version=VERSION, description=description, routes=routes
    )
    schemas = found.setdefault("components", {}).setdefault("schemas", {})
    for ours in ("HTTPValidationError", "ValidationError"):
        schemas.pop(ours, None)
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    found["components"]["securitySchemes"] = {
        SCHEME: {"type": "http", "scheme": "bearer", "bearerFormat": "at+jwt"}
    }
    for route in routes:
        policy = policy_of(route)
        if isinstance(route, GuardedRoute) and policy is not None and route.include_in_schema:
            for method in route.methods or ():
                operation = found["paths"][route.path_format][method.lower()]
                _complete(operation, route, policy, writes=method not in READS)
    return found


def _complete(operation: dict[str, Any], route: GuardedRoute, policy: Policy, *, writes: bool) -> None:
    has_input = bool(operation.get("parameters")) or route.body_field is not None
    errors: list[type[NeravaError]] = [Unexpected, DatabaseUnavailable, RateLimited]
    if has_input:
        errors.append(InvalidInput)
    if route.param_convertors:
        errors.append(NotFound)
    if route.body_field is not None:
        errors += [BodyTooLarge, UnsupportedMediaType]
    if writes:
        errors.append(_SwitchedOff)
    errors += _closed(policy)
    operation["security"] = [] if policy.public else [{SCHEME: [policy.scope]}]
    if policy.repeats in {Repeats.KEY_REQUIRED, Repeats.KEY_ACCEPTED}:
        _add_key(operation, required=policy.repeats is Repeats.KEY_REQUIRED)
        errors += [IdempotencyKeyMalformed, KeyReusedWithOtherBody, IdempotencyKeyCancelled]
        errors += [RequestInFlight, OutcomeUnknown]
        if policy.repeats is Repeats.KEY_REQUIRED:
            errors.append(IdempotencyKeyMissing)
    responses: dict[str, Any] = operation["responses"]
    unprocessable = str(int(HTTPStatus.UNPROCESSABLE_ENTITY))
    if "application/json" in responses.get(unprocessable, {}).get("content", {}):
        del responses[unprocessable]  # FastAPI's own, which is never sent
    _add_refusals(responses, errors)
    operation["responses"] = dict(sorted(responses.items()))


def _add_refusals(responses: dict[str, Any], errors: Sequence[type[NeravaError]]) -> None:
    """Add what an endpoint did not state itself."""
    told = "; ".join(answer["description"] for answer in responses.values())
    missing = [error for error in errors if f"`{error.code}`" not in told]
    for status, stated in problems(*missing).items():
        known = responses.get(str(status))
        if known is not None:
            stated["description"] = f"{known['description']}; {stated['description']}"
            stated["content"] |= known.get("content", {})
            if "headers" in known:
                stated["headers"] = stated.get("headers", {}) | known["headers"]
        responses[str(status)] = stated


def _closed(policy: Policy) -> list[type[NeravaError]]:
    """Return how the guard may refuse."""
    if policy.public:
        return []
    steps_up = bool(policy.step_up) or policy.assurance is Assurance.STRONG
    return [_Refused, _Forbidden, *([_StepUpRequired] if steps_up else [])]


def _add_key(operation: dict[str, Any], *, required: bool) -> None:
    operation.setdefault("parameters", []).append(
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": required,
            "description": "Chosen by you, one per intent: the same key never happens twice",
            "schema": {"type": "string", "pattern": KEY_PATTERN, "examples": ["a-uuid-you-keep"]},
        }
    )
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            answer["headers"] = {
                REPLAYED: {
                    "description": "Present when this answer was given before",
                    "schema": {"type": "string", "enum": ["true", "rebuilt"]},
                }
            }
