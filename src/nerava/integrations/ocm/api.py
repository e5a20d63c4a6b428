"""Calls of the Open Charge Map API as five outcomes, page by page in the order of ids."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from nerava.kernel.outcomes import Misconfigured, Ok, Outcome, Refused, RetryLater, Unknown
from nerava.platform.outbound import Lost, NotSent, Reply, Result, ask_with
from nerava.platform.outbound.keyed import KeyedApi
from nerava.platform.provider_calls import OCM_POINTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nerava.kernel.geography import Box

log = logging.getLogger(__name__)

BASE_URL: Final = "https://api.openchargemap.io"
PAGE: Final = 1_000
PAGES_MAX: Final = 500


class OcmApi(KeyedApi):
    """Calls Open Charge Map with one key. Safe to share between threads."""

    address = BASE_URL

    def points(
        self, *, countries: Sequence[str] = (), box: Box | None = None, only_open: bool = True
    ) -> Outcome[list[dict[str, Any]]]:
        """Read all points of some countries or in a box, by rising id; a part of them is an error.

        Args:
            countries: ISO 3166 alpha-2.
            box: It must not cross the 180th meridian.
            only_open: Only rows that whoever gave them lets others use.
        """
        query = [("output", "json"), ("maxresults", str(PAGE)), ("sortby", "id_asc"), ("verbose", "true")]
        query += [("opendata", "true")] if only_open else []
        query += [("countrycode", ",".join(countries))] if countries else []
        if box is not None:
            query.append(("boundingbox", f"({box.north},{box.west}),({box.south},{box.east})"))
        found: list[dict[str, Any]] = []
        last = 0
        for _ in range(PAGES_MAX):
            page = self._page([*query, ("greaterthanid", str(last))])
            if not isinstance(page, Ok):
                return page
            found += page.value
            if len(page.value) < PAGE:
                return Ok(found)
            following = _last_id(page.value)
            if following is None or following <= last:
                return Unknown("schema-drift:order")
            last = following
        return Refused("too-many", "choose fewer countries or a smaller box")

    def _page(self, query: Sequence[tuple[str, str]]) -> Outcome[list[dict[str, Any]]]:
        def ask(secret: str) -> Result:
            headers = {"x-api-key": secret, "accept": "application/json"}
            return self._outbound.ask("GET", "/v3/poi/", OCM_POINTS.call, query=query, headers=headers)

        result = ask_with(self._key, ask)
        if isinstance(result, NotSent):
            return RetryLater(result.code, result.not_before)
        if isinstance(result, Lost):
            return RetryLater(result.code)
        if not result.is_success:
            return _failure(result)
        told = result.document()
        if not isinstance(told, list) or not all(isinstance(one, dict) for one in told):
            return Unknown("schema-drift:no-list")
        return Ok(told)


def _failure(reply: Reply) -> Refused | RetryLater | Misconfigured | Unknown:
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        log.error("Open Charge Map refuses our key")
        return Misconfigured("forbidden", "Open Charge Map refuses the key in NERAVA_OCM__KEY")
    if reply.is_busy or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return RetryLater(f"status-{reply.status}")
    if reply.status >= HTTPStatus.BAD_REQUEST:
        return Refused(f"status-{reply.status}")
    return Unknown(f"status-{reply.status}")


def _last_id(page: Sequence[dict[str, Any]]) -> int | None:
    ids = [one.get("ID") for one in page]
    known = [one for one in ids if type(one) is int]
    return max(known) if known else None
