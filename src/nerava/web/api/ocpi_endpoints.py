"""What peers may ask and tell: versions, credentials, and the modules of both versions."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from nerava.integrations.ocpi.envelope import Said, Status, absent, invalid
from nerava.integrations.ocpi.guard import EXCHANGE, REGISTER
from nerava.integrations.ocpi.handshake import VERSIONS
from nerava.integrations.ocpi.instants import read_instant
from nerava.integrations.ocpi.pushing import token_object
from nerava.platform.policy import Credential, Policy, Repeats, guarded
from nerava.roaming import tokens
from nerava.roaming.model import Module
from nerava.web.api.ocpi_route import UNPARSED, OcpiRoute

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session
    from starlette.routing import BaseRoute

    from nerava.roaming.model import RoamingToken
    from nerava.web.api.ocpi_route import Exchange

PAGE_MAX: Final = 100
OFFSET_MAX: Final = 10_000_000
MODULES: Final = (
    ("credentials", "SENDER"),
    ("credentials", "RECEIVER"),
    ("locations", "RECEIVER"),
    ("sessions", "RECEIVER"),
    ("cdrs", "RECEIVER"),
    ("tariffs", "RECEIVER"),
    ("tokens", "SENDER"),
)
"""What we offer in either version, and in which role."""


def _of_peers(scope: str, repeats: Repeats) -> Policy:
    return Policy(roles=("partner",), scope=scope, repeats=repeats, credential=Credential.OCPI)


_OPENS = _of_peers(REGISTER, Repeats.SAFE)
_REGISTERS = _of_peers(REGISTER, Repeats.BY_MEANING)
_READS = _of_peers(EXCHANGE, Repeats.SAFE)
_TELLS = _of_peers(EXCHANGE, Repeats.BY_MEANING)


@guarded(_OPENS)
def versions(exchange: Exchange) -> Said:
    """Return which versions are spoken, and where each begins."""
    address = exchange.roaming.own.address
    return Said(data=[{"version": one, "url": f"{address}/ocpi/{one}"} for one in reversed(VERSIONS)])


@guarded(_OPENS)
def version_details(exchange: Exchange) -> Said:
    """Return what is offered in a version."""
    endpoints = [
        {"identifier": name, "role": role, "url": f"{exchange.address}/{name}"} for name, role in MODULES
    ]
    return Said(data={"version": exchange.version, "endpoints": endpoints})


@guarded(_OPENS)
def show_credentials(exchange: Exchange) -> Said:
    """Return our credentials, with the token that the peer presented."""
    return exchange.roaming.handshake.show(exchange.calling.token)


@guarded(_REGISTERS)
def post_credentials(exchange: Exchange) -> Said:
    """Register the peer."""
    return exchange.roaming.handshake.accept(exchange.sender, exchange.body, exchange.now)


@guarded(_REGISTERS)
def put_credentials(exchange: Exchange) -> Said:
    """Take what changed and give the peer a new token."""
    return exchange.roaming.handshake.accept(exchange.sender, exchange.body, exchange.now, again=True)


@guarded(_REGISTERS)
def delete_credentials(exchange: Exchange) -> Said:
    """End the registration."""
    return exchange.roaming.handshake.end(exchange.sender, exchange.now)


def _read(module: Module) -> Callable[[Exchange], Said]:
    @guarded(_READS)
    def read(exchange: Exchange) -> Said:
        receiving = exchange.roaming.receiving
        return receiving.read(exchange.sender, module, exchange.where, exchange.inner)

    return read


def _put(module: Module) -> Callable[[Exchange], Said]:
    @guarded(_TELLS)
    def put(exchange: Exchange) -> Said:
        receiving = exchange.roaming.receiving
        return receiving.put(
            exchange.sender, module, exchange.where, exchange.body, exchange.now, inner=exchange.inner
        )

    return put


def _patch(module: Module) -> Callable[[Exchange], Said]:
    @guarded(_TELLS)
    def patch(exchange: Exchange) -> Said:
        receiving = exchange.roaming.receiving
        return receiving.patch(
            exchange.sender, module, exchange.where, exchange.body, exchange.now, inner=exchange.inner
        )

    return patch


@guarded(_TELLS)
def delete_tariff(exchange: Exchange) -> Said:
    """Forget a tariff."""
    return exchange.roaming.receiving.delete(exchange.sender, exchange.where)


@guarded(_TELLS)
def post_cdr(exchange: Exchange) -> Said:
    """Keep a detail record and say where it is."""
    return exchange.roaming.receiving.post_cdr(
        exchange.sender, exchange.body, exchange.now, lambda cdr_id: f"{exchange.address}/cdrs/{cdr_id}"
    )


@guarded(_READS)
def read_cdr(exchange: Exchange) -> Said:
    """Return a detail record of the peer."""
    try:
        object_id = UUID(exchange.names["cdr_id"])
    except ValueError:
        return absent("no such record")
    return exchange.roaming.receiving.read_cdr(exchange.sender, object_id)


@guarded(_READS)
def list_tokens(exchange: Exchange) -> Said:
    """Return tokens by when they changed, a page at a time."""
    query = exchange.query
    numbers = [_whole(query.get("offset"), 0), _whole(query.get("limit"), PAGE_MAX)]
    instants = [query.get("date_from"), query.get("date_to")]
    read = [None if one is None else read_instant(one.replace(" ", "+")) for one in instants]
    if None in numbers or any(one and not found for one, found in zip(instants, read, strict=True)):
        return invalid("offset, limit, date_from and date_to are whole numbers and instants")
    offset, limit = numbers[0] or 0, min(numbers[1] or PAGE_MAX, PAGE_MAX)
    own = exchange.roaming.own

    def look(session: Session) -> tuple[list[dict[str, Any]], int]:
        rows, total = tokens.page(session, since=read[0], before=read[1], offset=offset, limit=limit)
        return [token_object(one, own) for one in rows], total

    shown, total = exchange.wired.database.read(look)
    headers = {"X-Total-Count": str(total), "X-Limit": str(PAGE_MAX)}
    if offset + len(shown) < total and shown:
        kept = {name: value for name, value in query.items() if name in {"date_from", "date_to"}}
        following = urlencode({**kept, "offset": offset + len(shown), "limit": limit})
        headers["Link"] = f'<{exchange.address}/tokens?{following}>; rel="next"'
    return Said(data=shown, headers=headers)


@guarded(_TELLS)
def authorize(exchange: Exchange) -> Said:
    """Say whether a token may charge; whether the place is open or free is its operator's business."""
    kind, body = exchange.query.get("type", tokens.RFID), exchange.body
    if body is not UNPARSED and not isinstance(body, dict):
        return invalid("the body is no object")

    def look(session: Session) -> RoamingToken | None:
        return tokens.token_with(session, exchange.names["token_uid"], kind)

    token = exchange.wired.database.read(look)
    if token is None:
        return absent("no such token", Status.UNKNOWN_TOKEN)
    location = body if isinstance(body, dict) else None
    if location is None and exchange.roaming.needs_location:
        return Said(Status.NOT_ENOUGH_INFORMATION, message="say where it is to be used")
    answer: dict[str, Any] = {
        "allowed": "ALLOWED" if token.is_valid else "BLOCKED",
        "token": token_object(token, exchange.roaming.own),
    }
    if token.is_valid and location is not None and isinstance(location.get("location_id"), str):
        answer["location"] = location
    return Said(data=answer)


def _whole(text: str | None, otherwise: int) -> int | None:
    if text is None:
        return otherwise
    found = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(OFFSET_MAX)) else None
    return found if found is not None and found <= OFFSET_MAX else None


_OWNED: Final = "{country_code}/{party_id}/{object_id}"


def _route(method: str, path: str, endpoint: Callable[[Exchange], Said]) -> BaseRoute:
    return OcpiRoute(
        f"/ocpi/{path}",
        endpoint,
        methods=[method],
        include_in_schema=False,
        status_code=HTTPStatus.OK,
        response_model=None,
    )


def _module(module: Module, *, patches: bool = True, inner: Sequence[str] = ("",)) -> list[BaseRoute]:
    paths = [f"{{version}}/{module.value}/{_OWNED}{one}" for one in inner]
    verbs = [("GET", _read(module)), ("PUT", _put(module))]
    if patches:
        verbs.append(("PATCH", _patch(module)))
    return [_route(method, path, endpoint) for path in paths for method, endpoint in verbs]


ROUTES: Final[list[BaseRoute]] = [
    _route("GET", "versions", versions),
    _route("GET", "{version}", version_details),
    _route("GET", "{version}/credentials", show_credentials),
    _route("POST", "{version}/credentials", post_credentials),
    _route("PUT", "{version}/credentials", put_credentials),
    _route("DELETE", "{version}/credentials", delete_credentials),
    *_module(Module.LOCATIONS, inner=("", "/{evse_uid}", "/{evse_uid}/{connector_id}")),
    *_module(Module.SESSIONS),
    *_module(Module.TARIFFS, patches=False),
    _route("DELETE", f"{{version}}/tariffs/{_OWNED}", delete_tariff),
    _route("POST", "{version}/cdrs", post_cdr),
    _route("GET", "{version}/cdrs/{cdr_id}", read_cdr),
    _route("GET", "{version}/tokens", list_tokens),
    _route("POST", "{version}/tokens/{token_uid}/authorize", authorize),
]
"""Not part of our own API's document: OCPI is described by its specification."""
