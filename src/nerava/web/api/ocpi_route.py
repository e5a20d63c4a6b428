"""A route that answers in OCPI's envelope whatever happens, with the peer's own request ids."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.concurrency import run_in_threadpool
from starlette.responses import Response

from nerava.integrations.ocpi import exact_json
from nerava.integrations.ocpi.envelope import Said, Status, invalid
from nerava.integrations.ocpi.handshake import VERSIONS
from nerava.integrations.ocpi.receiving import Sender
from nerava.kernel.errors import NeravaError
from nerava.platform.json_body import read_body
from nerava.platform.policy import GuardedRoute, Policy, RoutesAndPoliciesDiffer, policy_of
from nerava.platform.problem import Unexpected, problem_headers
from nerava.web.api.wiring import wiring_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from datetime import datetime

    from starlette.requests import Request

    from nerava.integrations.ocpi.connection import Roaming
    from nerava.integrations.ocpi.guard import Calling
    from nerava.platform.policy import Guard, Throttle
    from nerava.web.api.wiring import Wiring

log = logging.getLogger(__name__)

ID_CHARACTERS_MAX: Final = 100
ECHOED: Final = ("x-request-id", "x-correlation-id")
_BACK: Final = {
    "ocpi-from-country-code": "ocpi-to-country-code",
    "ocpi-from-party-id": "ocpi-to-party-id",
    "ocpi-to-country-code": "ocpi-from-country-code",
    "ocpi-to-party-id": "ocpi-from-party-id",
}
"""Who was addressed answers, and who asked is answered."""

UNPARSED: Final = object()
"""Stands for the body of a request that has none."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request of a peer, as endpoints see it.

    Attributes:
        names: The parts of the path that are names.
        query: Each parameter once.
        body: What `exact_json` read; `UNPARSED` where nothing was sent.
    """

    wired: Wiring
    roaming: Roaming
    calling: Calling
    version: str
    names: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    now: datetime

    @property
    def sender(self) -> Sender:
        """Who sends it, and by which version."""
        return Sender(self.calling.peer, self.version)

    @property
    def where(self) -> tuple[str, str, str]:
        """The party and the object that the path names."""
        return self.names["country_code"], self.names["party_id"], self.names["object_id"]

    @property
    def inner(self) -> tuple[str, ...]:
        """The EVSE, and the connector, that the path names."""
        return tuple(self.names[one] for one in ("evse_uid", "connector_id") if one in self.names)

    @property
    def address(self) -> str:
        """Where the version that is spoken begins."""
        return f"{self.roaming.own.address}/ocpi/{self.version}"


class OcpiRoute(GuardedRoute):
    """A guarded route for peers: every answer is an envelope, and refusals of transport alone are HTTP's."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler: throttle, guard, body, endpoint, envelope."""
        policy, endpoint = policy_of(self), self.endpoint
        if policy is None:
            raise RoutesAndPoliciesDiffer([f"{self.path} has no policy"])
        reads_body = bool({"POST", "PUT", "PATCH"} & (self.methods or set()))

        async def handle(request: Request) -> Response:
            wired = wiring_of(request)
            counted: Mapping[str, str] = {}
            headers: dict[str, str] = {}
            try:
                counted = await _let_in(request, policy)
                exchange = await _exchange(request, wired, reads_body=reads_body)
                said = exchange if isinstance(exchange, Said) else await run_in_threadpool(endpoint, exchange)
            except NeravaError as error:
                headers = problem_headers(error)
                said = _refusal(error)
            except Exception:
                log.exception("an OCPI request failed")
                said = _refusal(Unexpected())
            headers |= {**_echoed(request), **counted, **said.headers}
            body = said.body(wired.clock.now())
            return Response(body, int(said.http), headers, media_type="application/json")

        return handle


async def _let_in(request: Request, policy: Policy) -> Mapping[str, str]:
    throttle: Throttle = request.app.state.throttle
    throttle.knock(request)
    guard: Guard = request.app.state.guard
    try:
        await guard(request, policy)
    except NeravaError:
        throttle.turn_away(request)
        raise
    return await throttle.let_in(request)


async def _exchange(request: Request, wired: Wiring, *, reads_body: bool) -> Exchange | Said:
    roaming, calling = wired.roaming, request.state.calling
    if roaming is None:
        raise AssertionError("the guard lets nobody in where roaming is off")
    version = request.path_params.get("version", VERSIONS[0])
    if version not in VERSIONS:
        return Said(Status.UNSUPPORTED_VERSION, HTTPStatus.NOT_FOUND, message="no such version")
    misled = _misled(request, calling, roaming)
    if misled is not None:
        return misled
    body: Any = UNPARSED
    if reads_body:
        raw = await read_body(request)
        if request.headers.get("content-encoding", "identity").strip().lower() not in {"", "identity"}:
            return Said(Status.CLIENT_ERROR, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message="compressed")
        try:
            # An authorization may come without a body.
            body = exact_json.read(raw) if raw.strip() else UNPARSED
        except exact_json.Unreadable as unreadable:
            return Said(
                Status.INVALID_PARAMETERS, HTTPStatus.BAD_REQUEST, message=f"no JSON: {unreadable}"[:200]
            )
    names = {name: str(value) for name, value in request.path_params.items()}
    if any("\0" in one or len(one) > ID_CHARACTERS_MAX for one in names.values()):
        return Said(Status.CLIENT_ERROR, HTTPStatus.NOT_FOUND, message="no such object")
    return Exchange(
        wired, roaming, calling, version, names, dict(request.query_params), body, wired.clock.now()
    )


def _misled(request: Request, calling: Calling, roaming: Roaming) -> Said | None:
    """Return why a message is not for us or not from its sender, where it says so itself."""
    given = {name: request.headers.get(name, "").upper() for name in _BACK}
    to = given["ocpi-to-country-code"], given["ocpi-to-party-id"]
    if all(to) and to != (roaming.own.country_code, roaming.own.party_id):
        return invalid("the message is addressed to another party")
    sender = given["ocpi-from-country-code"], given["ocpi-from-party-id"]
    if all(sender) and calling.peer.parties and not calling.peer.speaks_for(*sender):
        return invalid("the message is from a party that is not yours")
    return None


def _refusal(error: NeravaError) -> Said:
    """Return one of our own errors as OCPI says it; a fault that no status names is not told by HTTP's."""
    http = HTTPStatus(int(error.status))
    if http == HTTPStatus.UNPROCESSABLE_ENTITY:
        return invalid(error.title)
    is_ours = http >= HTTPStatus.INTERNAL_SERVER_ERROR
    return Said(Status.SERVER_ERROR if is_ours else Status.CLIENT_ERROR, http, message=error.title)


def _echoed(request: Request) -> dict[str, str]:
    found = {name: request.headers.get(name, "")[:ID_CHARACTERS_MAX] for name in (*ECHOED, *_BACK)}
    clean = {
        name: value for name, value in found.items() if value and value.isprintable() and value.isascii()
    }
    return {_BACK.get(name, name): value for name, value in clean.items()}
