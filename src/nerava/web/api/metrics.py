"""What this process measures, for Prometheus."""

from __future__ import annotations

from typing import Final

from fastapi import Request
from starlette.responses import Response

from nerava.platform.metrics.access import OperatorTokenWrong
from nerava.platform.policy import Policy, Throttle, guarded
from nerava.platform.problem import NotFound
from nerava.web.api.wiring import Wired, router

routes: Final = router("health", prefix="")


@routes.get("/metrics", include_in_schema=False)
@guarded(Policy(public="asks for the operator's token itself, and is not there unless it is turned on"))
def tell_metrics(request: Request, wired: Wired) -> Response:
    """Tell everything that is measured.

    Raises:
        NotFound: Nothing is measured here (404).
        OperatorTokenWrong: A token is needed and another one was sent, or none (401).
    """
    if wired.meter is None:
        raise NotFound
    if not wired.operator.opens(request.headers.getlist("authorization")):
        throttle: Throttle = request.app.state.throttle
        throttle.turn_away(request)
        raise OperatorTokenWrong
    text, media_type = wired.meter.exposition(request.headers.get("accept", ""))
    return Response(text, headers={"content-type": media_type})
