"""Requests that another site made a browser send (CSRF): told by their origin and by a token of ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from nerava.kernel.errors import NeravaError
from nerava.platform.json_body import read_body
from nerava.platform.problem import UnsupportedMediaType
from nerava.platform.secrets import SecretKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import Request

    from nerava.platform.secrets import Secret, Secrets

FIELD: Final = "csrf_token"
HEADER: Final = "x-csrf-token"
FORM: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 200


class CrossSiteRequest(NeravaError):
    """The request does not show that it comes from a page of ours."""

    code = "cross-site-request"
    status = HTTPStatus.FORBIDDEN
    title = "This request did not come from our page; open it again"
    outcome = "not_executed"


class CrossSite:
    """Tells our own pages' requests from those that other sites cause. Safe to share between threads.

    A request must come from our origin, as the browser itself says, and carry a token that only our
    pages can know. The token is an HMAC over what it is bound to: nothing is stored.
    """

    def __init__(self, secrets: Secrets, origins: Iterable[str]) -> None:
        self._secrets = secrets
        self._origins = frozenset(origins)

    def token(self, bound_to: str) -> str:
        """Return the token for the forms of one session, or of one visit before signing in."""
        return _token(self._secrets.get(SecretKind.SESSION), bound_to)

    async def check(self, request: Request, bound_to: str) -> None:
        """Check a request that changes something.

        Raises:
            CrossSiteRequest: It comes from elsewhere, does not say, or has no token for this (403).
            UnsupportedMediaType: The body is neither a form nor JSON (415).
            BodyTooLarge: More than 1 MB (413).
        """
        self._check_origin(request)
        presented = (await _presented(request)).encode()
        accepted = self._secrets.accepted(SecretKind.SESSION)
        if not any(hmac.compare_digest(_token(key, bound_to).encode(), presented) for key in accepted):
            raise CrossSiteRequest

    def _check_origin(self, request: Request) -> None:
        sites = request.headers.getlist("sec-fetch-site")
        origins = request.headers.getlist("origin")
        foreign = any(site != "same-origin" for site in sites)
        foreign |= any(origin not in self._origins for origin in origins)
        if foreign or not (sites or origins):
            raise CrossSiteRequest


async def _presented(request: Request) -> str:
    """Return the token that a request carries, in a header or in a field of its form."""
    stated = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if stated not in {"", FORM, "application/json"}:
        message = "the body must be a form or JSON"
        raise UnsupportedMediaType(message)
    in_header = request.headers.get(HEADER)
    if in_header is not None or stated != FORM:
        return in_header or ""
    try:
        fields = parse_qs(
            (await read_body(request)).decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX
        )
    except ValueError:
        raise CrossSiteRequest from None
    found = fields.get(FIELD, [])
    return found[0] if len(found) == 1 else ""


def _token(key: Secret, bound_to: str) -> str:
    digest = hmac.digest(key.reveal(), b"nerava csrf\0" + bound_to.encode(), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
