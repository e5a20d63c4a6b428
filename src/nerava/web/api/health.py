"""Health: is the process alive, should it get traffic, what is it."""

from __future__ import annotations

from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse, Response

from nerava.platform.policy import Policy, guarded
from nerava.platform.readiness import Word
from nerava.web.api.wiring import Wired, router

routes: Final = router("health", prefix="")

_PROBE: Final = Policy(public="probes of load balancers and orchestrators carry no credentials")
_TEXT: Final = {"content": {"text/plain": {"schema": {"type": "string"}}}}


class ReadyOut(BaseModel):
    """How this process stands, for whoever operates it."""

    state: Word
    components: dict[str, str] = Field(description="`ok`, `degraded: …` or `failed: …`, by component")


_MAP: Final = {"content": {**_TEXT["content"], "application/json": {"schema": ReadyOut.model_json_schema()}}}


class VersionOut(BaseModel):
    """What runs here."""

    build: str
    schema_head: str | None
    zone_data: str


@routes.get(
    "/livez",
    summary="The process answers",
    response_class=PlainTextResponse,
    responses={200: {"description": "Alive", **_TEXT}},
)
@routes.get(
    "/healthz",
    summary="The same as /livez",
    response_class=PlainTextResponse,
    responses={200: {"description": "Alive", **_TEXT}},
)
@guarded(_PROBE)
async def alive() -> PlainTextResponse:
    """Answer from the event loop, without looking at anything."""
    return PlainTextResponse("ok")


@routes.get(
    "/readyz",
    summary="The process wants traffic",
    response_class=PlainTextResponse,
    responses={200: {"description": "Ready", **_MAP}, 503: {"description": "Not now", **_MAP}},
)
@guarded(_PROBE)
async def ready(request: Request, wired: Wired) -> Response:
    """Return what the check of the last second found, in one word; to the operator, with every component.

    Workers, events that wait and Redis may be degraded, which takes no process out of service.
    """
    word = wired.readiness.word
    status = HTTPStatus.OK if word is Word.READY else HTTPStatus.SERVICE_UNAVAILABLE
    if not wired.operator.is_shown(request.headers.getlist("authorization")):
        return PlainTextResponse(word.value, status)
    told = ReadyOut(state=word, components=wired.readiness.components())
    return Response(told.model_dump_json(), status, media_type="application/json")


@routes.get("/version", summary="What runs here")
@guarded(_PROBE)
async def what_runs(wired: Wired) -> VersionOut:
    """Return the version of the product, of its schema, and of its time-zone data."""
    return VersionOut(build=wired.build, schema_head=wired.schema_head, zone_data=_zone_data())


def _zone_data() -> str:
    try:
        return version("tzdata")
    except PackageNotFoundError:
        return "system"
