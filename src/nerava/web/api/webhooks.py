"""Where providers tell us what happened."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Final

from anyio.to_thread import run_sync
from fastapi import Path, Request
from starlette.responses import JSONResponse, Response

from nerava.platform.json_body import read_body
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import BodyTooLarge
from nerava.web.api.wiring import Now, Wired, router

routes: Final = router("providers", prefix="")

EVENT_BYTES_MAX: Final = 800_000
"""SendGrid tells in batches of up to 768 KB."""


@routes.post("/webhooks/{provider}", include_in_schema=False)
@guarded(Policy(public="providers sign what they send", repeats=Repeats.BY_MEANING))
async def take_event(
    provider: Annotated[str, Path(pattern="^[a-z_]{1,20}$")], request: Request, wired: Wired, now: Now
) -> Response:
    """Store what a provider tells; answered only when it is stored, so that it is sent again otherwise.

    Nothing is read before the signature over the exact bytes is right.
    """
    body = await read_body(request)
    if len(body) > EVENT_BYTES_MAX:
        raise BodyTooLarge
    if (proof := wired.intake.challenge(provider, body)) is not None:
        return JSONResponse(dict(proof))
    headers = {name.lower(): value for name, value in request.headers.items()}
    await run_sync(wired.intake.take, provider, headers, body, now)
    return Response(status_code=HTTPStatus.OK)
