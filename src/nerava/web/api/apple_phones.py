"""What Apple's phones ask about passes, at the addresses and with the answers that Apple gave them."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, Response

from nerava.integrations.apple_wallet.files import MEDIA_TYPE
from nerava.passes.errors import PassTokenWrong
from nerava.passes.keeping import SERVICE_PATH
from nerava.passes.phones import Phones, Shown
from nerava.passes.times import as_http_date, from_http_date
from nerava.platform.client_address import client_address
from nerava.platform.json_body import parse_json, read_body
from nerava.platform.policy import Policy, Repeats, Throttle, guarded
from nerava.platform.problem import BodyTooLarge, InvalidInput
from nerava.web.api.wiring import Now, Wired, router

log = logging.getLogger(__name__)

routes: Final = router("wallet passes", prefix=f"{SERVICE_PATH}/v1")

BODY_BYTES_MAX: Final = 16_384
COMPLAINTS_MAX: Final = 5
_PROVED: Final = "the phone proves to have the pass: its token is compared in constant time"
_READS: Final = Policy(public=_PROVED)
_WRITES: Final = Policy(public=_PROVED, repeats=Repeats.BY_MEANING)
_PUSH_TOKEN: Final = re.compile(r"[0-9a-fA-F]{16,200}")

Device = Annotated[str, Path(min_length=1, max_length=100)]
PassType = Annotated[str, Path(min_length=1, max_length=110)]
Serial = Annotated[str, Path(min_length=1, max_length=64)]
Since = Annotated[str | None, Query(alias="passesUpdatedSince", max_length=64)]

_REGISTRATION: Final = "/devices/{device}/registrations/{pass_type}/{serial}"


def _shown(request: Request, pass_type: str, serial: str) -> Shown:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return Shown(pass_type, serial, token.strip() if scheme.lower() == "applepass" else None)


def _turned_away(request: Request) -> None:
    """Count a request with a wrong token for its place, so that nobody guesses for free."""
    throttle: Throttle = request.app.state.throttle
    throttle.turn_away(request)


@routes.post(_REGISTRATION, include_in_schema=False)
@guarded(_WRITES)
async def register(  # noqa: PLR0917 - what the address and the house hand in
    device: Device, pass_type: PassType, serial: Serial, request: Request, wired: Wired, now: Now
) -> Response:
    """Tell a phone of changes of a pass from now on: 201 where that is new, 200 where it was so."""
    body = await _body(request)
    push_token = body.get("pushToken") if isinstance(body, dict) else None
    if not isinstance(push_token, str) or not _PUSH_TOKEN.fullmatch(push_token):
        raise InvalidInput("pushToken is missing, or none")
    client = client_address(request, wired.trusted_proxies)
    phones, shown = Phones(wired.passes), _shown(request, pass_type, serial)
    try:
        is_new = await run_sync(phones.register, shown, device, push_token, client, now)
    except PassTokenWrong:
        _turned_away(request)
        raise
    return Response(status_code=HTTPStatus.CREATED if is_new else HTTPStatus.OK)


@routes.delete(_REGISTRATION, include_in_schema=False)
@guarded(_WRITES)
def unregister(
    device: Device, pass_type: PassType, serial: Serial, request: Request, wired: Wired
) -> Response:
    """Tell a phone of changes of a pass no more; 200 as well where it never was told."""
    try:
        Phones(wired.passes).unregister(_shown(request, pass_type, serial), device)
    except PassTokenWrong:
        _turned_away(request)
        raise
    return Response(status_code=HTTPStatus.OK)


@routes.get("/devices/{device}/registrations/{pass_type}", include_in_schema=False)
@guarded(Policy(public="a phone's own random name is all that Apple has it present here"))
def news(device: Device, pass_type: PassType, wired: Wired, since: Since = None) -> Response:
    """Tell a phone which of its passes changed; 204 where none did."""
    found = Phones(wired.passes).news(device, pass_type, since)
    if found is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return JSONResponse({"serialNumbers": list(found.serials), "lastUpdated": str(found.last)})


@routes.get("/passes/{pass_type}/{serial}", include_in_schema=False)
@guarded(_READS)
def current(pass_type: PassType, serial: Serial, request: Request, wired: Wired, now: Now) -> Response:
    """Hand a phone its pass as it is now; 304 where it has not changed since the phone got it."""
    since = from_http_date(request.headers.get("if-modified-since"))
    try:
        found = Phones(wired.passes).copy(_shown(request, pass_type, serial), since, now)
    except PassTokenWrong:
        _turned_away(request)
        raise
    if found is None:
        return Response(status_code=HTTPStatus.NOT_MODIFIED)
    headers = {"last-modified": as_http_date(found.modified_at), "cache-control": "no-store"}
    return Response(found.body, media_type=MEDIA_TYPE, headers=headers)


@routes.post("/log", include_in_schema=False)
@guarded(Policy(public="phones complain without credentials", repeats=Repeats.BY_MEANING))
async def complain(request: Request) -> Response:
    """Count what phones complain about; their words may hold anything and are not written down."""
    body = await _body(request)
    logs = body.get("logs") if isinstance(body, dict) else None
    many = len(logs) if isinstance(logs, list) else 0
    if many:
        log.warning("a phone complained about a pass, %d times", min(many, COMPLAINTS_MAX))
    return Response(status_code=HTTPStatus.OK)


async def _body(request: Request) -> object:
    raw = await read_body(request)
    if len(raw) > BODY_BYTES_MAX:
        raise BodyTooLarge
    return parse_json(raw)
