"""Who may call which route: declared beside the endpoint, reviewed in one table, enforced before the body."""

from __future__ import annotations

import functools
import inspect
import json
import tomllib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.responses import Response

from nerava.kernel.errors import NeravaError
from nerava.platform.idempotency import idempotency_key
from nerava.platform.json_body import read_json
from nerava.platform.problem import InputError, InvalidInput

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from fastapi.dependencies.models import Dependant
    from starlette.requests import Request
    from starlette.routing import BaseRoute

ATTRIBUTE: Final = "__nerava_policy__"

ANY_ROLE: Final = ("any",)
"""For routes about the caller alone: whoever has any role may come in, and need not say under which."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


class Repeats(StrEnum):
    """What happens when the same request comes twice."""

    SAFE = "safe"
    """It changes nothing."""

    BY_MEANING = "by-meaning"
    """The second one finds its work done."""

    KEY_ACCEPTED = "key-accepted"
    """With an `Idempotency-Key` it happens once; without, twice is two."""

    KEY_REQUIRED = "key-required"
    """It moves money: without an `Idempotency-Key` it is refused."""


class Assurance(StrEnum):
    """How sure the sign-in makes us of the caller."""

    LOW = "low"
    """A code or link by SMS or e-mail, or another service's word."""

    STRONG = "strong"
    """A passkey or an authenticator app, on this session and in the last 24 hours."""


class StepUp(StrEnum):
    """What the caller must have shown within the last five minutes."""

    NONE = ""
    STRONG = "strong"
    PASSKEY = "passkey"


class Credential(StrEnum):
    """With what a caller proves to be signed in."""

    TOKEN = "token"  # noqa: S105 - the name of a kind of credential
    """An access token or an API key in `Authorization`; cookies are not looked at."""

    COOKIE = "cookie"
    """The session cookie of a page; what changes something must come from our own pages."""

    OCPI = "ocpi"
    """The token of a roaming peer in `Authorization: Token …`; it opens the addresses of OCPI alone."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a route asks of its caller.

    Attributes:
        roles: Any one of these; empty only for a public route.
        scope: What the access token must name; empty only for a public route.
        repeats: The idempotency of the route.
        public: Why nobody has to sign in; empty for every other route.
        assurance: How sure the sign-in must make us.
        step_up: What must have been shown within the last five minutes.
        credential: What the caller signs in with; pages take cookies, everything else tokens.
    """

    roles: tuple[str, ...] = ()
    scope: str = ""
    repeats: Repeats = Repeats.SAFE
    public: str = ""
    assurance: Assurance = Assurance.LOW
    step_up: StepUp = StepUp.NONE
    credential: Credential = Credential.TOKEN

    def __post_init__(self) -> None:
        """Refuse a policy that is neither public with a reason nor closed by role and scope."""
        if bool(self.public) == bool(self.roles and self.scope):
            message = f"a policy is public with a reason, or has roles and a scope: {self}"
            raise AssertionError(message)
        if self.public and (self.assurance is not Assurance.LOW or self.step_up):
            message = f"a public policy cannot ask how its caller signed in: {self}"
            raise AssertionError(message)


class Throttle(Protocol):
    """Counts requests and refuses the one too many."""

    def knock(self, request: Request) -> None:
        """Refuse a request from a place that has used up its quota."""

    def turn_away(self, request: Request) -> None:
        """Count a request that the guard does not let in."""

    async def let_in(self, request: Request) -> Mapping[str, str]:
        """Count a request that was let in; return the headers for its answer."""
        ...


class Unthrottled:
    """Counts nothing; for development and tests."""

    def knock(self, request: Request) -> None:
        """Refuse nobody."""

    def turn_away(self, request: Request) -> None:
        """Count nothing."""

    async def let_in(self, request: Request) -> Mapping[str, str]:  # noqa: ARG002 - as the protocol has it
        """Count nothing."""
        return {}


Guard = Callable[["Request", Policy], Awaitable[None]]
"""Lets a request through, leaving its principal in `request.state`, or raises a NeravaError."""


class RoutesAndPoliciesDiffer(NeravaError):
    """The routes that are mounted are not the routes that were reviewed; the process must not start."""

    code = "routes-and-policies-differ"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "A route without a reviewed policy, or the reverse"

    def __init__(self, differences: Sequence[str]) -> None:
        super().__init__("; ".join(differences))
        self.differences = tuple(differences)


def guarded(policy: Policy) -> Callable[[Endpoint], Endpoint]:
    """Declare the policy of an endpoint; goes below the router's decorator."""

    def declare(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, ATTRIBUTE, policy)
        return endpoint

    return declare


def policy_of(route: BaseRoute) -> Policy | None:
    """Return the policy that a route's endpoint declares, if any."""
    found = getattr(getattr(route, "endpoint", None), ATTRIBUTE, None)
    return found if isinstance(found, Policy) else None


class GuardedRoute(APIRoute):
    """A route that asks its guard first, then reads the body strictly, then runs its endpoint.

    In this order a caller who may not come in learns nothing about bodies, and costs nothing.
    The guard is `app.state.guard`; without one every route that is not public is closed. Around it
    `app.state.throttle` counts who came in and who did not.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:  # noqa: ANN401 - FastAPI's
        super().__init__(path, _answering(endpoint), **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, with the policy's checks in front of the endpoint."""
        inner = super().get_route_handler()
        policy = policy_of(self)
        takes_body = self.body_field is not None
        parameters = frozenset(_query_names(self.dependant))
        if policy is None:
            raise RoutesAndPoliciesDiffer([f"{self.path} has no policy"])
        keyed = policy.repeats in {Repeats.KEY_ACCEPTED, Repeats.KEY_REQUIRED}

        async def handle(request: Request) -> Response:
            throttle: Throttle = request.app.state.throttle
            throttle.knock(request)
            # A public page is asked as well: its forms must come from our own pages.
            if not policy.public or policy.credential is Credential.COOKIE:
                guard: Guard = request.app.state.guard
                try:
                    await guard(request, policy)
                except NeravaError:
                    throttle.turn_away(request)
                    raise
            counted = await throttle.let_in(request)
            if keyed:
                request.state.idempotency_key = idempotency_key(
                    request.headers.getlist("idempotency-key"),
                    required=policy.repeats is Repeats.KEY_REQUIRED,
                )
            if request.scope["query_string"]:
                _refuse_unclear(request, parameters)
            if takes_body:
                request = await read_json(request)
            answer = await inner(request)
            answer.headers.update(counted)
            return answer

        return handle


def _query_names(dependant: Dependant) -> Iterator[str]:
    for one in dependant.query_params:
        yield one.alias
    for dependency in dependant.dependencies:
        yield from _query_names(dependency)


def _refuse_unclear(request: Request, parameters: AbstractSet[str]) -> None:
    """Refuse a query parameter that nobody reads, because whoever sent it expects something of it.

    One that is there twice is refused too: who else reads the address may take the other value.
    """
    given = request.query_params
    message = kind = ""
    if not set(given) <= parameters:
        known = ", ".join(sorted(parameters)) or "none"
        message, kind = f"this address knows no such parameter; it knows: {known}", "unknown"
    elif len(given.multi_items()) > len(given):
        message, kind = "a parameter is there more than once", "repeated"
    if message:
        raise InvalidInput(message, errors=[InputError(pointer="query", message=message, kind=kind)])


def _answering(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    """Let a model that an endpoint returns become bytes where it was made.

    Otherwise the framework validates it once more, for a sync endpoint on a second thread, which
    costs more than many an endpoint itself. Types are what mypy is for.
    """
    if inspect.iscoroutinefunction(endpoint):

        @functools.wraps(endpoint)
        async def answer_async(*args: object, **named: object) -> object:
            return _bytes_of(await endpoint(*args, **named))

        return answer_async

    @functools.wraps(endpoint)
    def answer(*args: object, **named: object) -> object:
        return _bytes_of(endpoint(*args, **named))

    return answer


def _bytes_of(result: object) -> object:
    if isinstance(result, BaseModel):
        return Response(result.model_dump_json(), media_type="application/json")
    return result


def walk(routes: Iterable[BaseRoute]) -> dict[str, Policy]:
    """Return the policy of every mounted route by `METHOD /path`, sorted.

    Raises:
        RoutesAndPoliciesDiffer: A route has no policy, is of a kind that cannot have one, or is
            mounted twice.
    """
    table: dict[str, Policy] = {}
    differences: list[str] = []
    for route in routes:
        policy = policy_of(route)
        if not isinstance(route, GuardedRoute) or policy is None:
            differences.append(f"{getattr(route, 'path', route)} has no policy")
            continue
        for method in sorted(route.methods or ()):
            name = f"{method} {route.path_format}"
            if name in table:
                differences.append(f"{name} is mounted twice")
            table[name] = policy
    if differences:
        raise RoutesAndPoliciesDiffer(differences)
    return dict(sorted(table.items(), key=lambda item: item[0].split(" ")[::-1]))


def render(table: Mapping[str, Policy]) -> str:
    """Return the table as TOML, one route a section, the form in which it is reviewed."""
    return "".join(_section(name, policy) for name, policy in table.items())


def compare(mounted: Mapping[str, Policy], reviewed: str) -> None:
    """Check that what is mounted is what was reviewed.

    Raises:
        RoutesAndPoliciesDiffer: With every route that is missing, unknown or different.
    """
    now, then = tomllib.loads(render(mounted)), tomllib.loads(reviewed)
    differences = [f"{name} is mounted but not reviewed" for name in now if name not in then]
    differences += [f"{name} is reviewed but not mounted" for name in then if name not in now]
    differences += [
        f"{name} is not mounted as reviewed" for name in now if name in then and now[name] != then[name]
    ]
    if differences:
        raise RoutesAndPoliciesDiffer(differences)


def _section(name: str, policy: Policy) -> str:
    lines = [f"[{json.dumps(name)}]"]
    if policy.public:
        lines.append(f"public = {json.dumps(policy.public)}")
    else:
        lines += [f"roles = {json.dumps(list(policy.roles))}", f"scope = {json.dumps(policy.scope)}"]
    lines.append(f"repeats = {json.dumps(policy.repeats.value)}")
    if policy.assurance is not Assurance.LOW:
        lines.append(f"assurance = {json.dumps(policy.assurance.value)}")
    if policy.step_up:
        lines.append(f"step_up = {json.dumps(policy.step_up.value)}")
    if policy.credential is not Credential.TOKEN:
        lines.append(f"credential = {json.dumps(policy.credential.value)}")
    return "\n".join(lines) + "\n\n"
