"""Reports of browsers that kept a page of ours from doing what it must not do."""

from __future__ import annotations

import logging
import re
from http import HTTPStatus
from typing import Any, Final

from fastapi import Request
from starlette.responses import Response

from nerava.platform.headers import REPORTS_PATH
from nerava.platform.json_body import parse_json, read_body
from nerava.platform.policy import Policy, Repeats, guarded
from nerava.platform.problem import BodyTooLarge, InvalidInput
from nerava.web.api.wiring import router

log = logging.getLogger(__name__)

routes: Final = router("browsers", prefix="")

REPORT_BYTES_MAX: Final = 16_384
REPORTS_MAX: Final = 5
_WORD: Final = re.compile(r"[a-z-]{1,40}")
_ORIGIN: Final = re.compile(r"(?:https?|wss?)://[a-zA-Z0-9.:-]{1,120}|[a-z-]{1,20}")
"""A word such as `inline`, or scheme and host; what follows may hold what is nobody's business."""


@routes.post(REPORTS_PATH, include_in_schema=False)
@guarded(Policy(public="browsers report without credentials", repeats=Repeats.BY_MEANING))
async def take_reports(request: Request) -> Response:
    """Write down which directive kept out which origin, and nothing else of a report."""
    raw = await read_body(request)
    if len(raw) > REPORT_BYTES_MAX:
        raise BodyTooLarge
    try:
        sent = parse_json(raw)
    except InvalidInput:
        sent = []
    for report in (sent if isinstance(sent, list) else [])[:REPORTS_MAX]:
        directive, blocked = _told(report)
        log.warning("a page was kept from %s of %s", directive, blocked)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _told(report: object) -> tuple[str, str]:
    body: Any = report.get("body") if isinstance(report, dict) else None
    if not isinstance(body, dict):
        return "something", "something"
    directive = _WORD.match(str(body.get("effectiveDirective", "")))
    blocked = _ORIGIN.match(str(body.get("blockedURL", "")))
    return directive[0] if directive else "something", blocked[0] if blocked else "something"
