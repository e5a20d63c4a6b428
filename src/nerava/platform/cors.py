"""Which other web sites may call the API from a browser: exact origins, no credentials, never a pattern."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

    from nerava.platform.headers import Header

API: Final = "/v1/"
"""Pages and their cookies are for our own origin alone."""

_ORIGIN: Final = re.compile(
    r"https://[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?(?::\d{1,5})?|http://(?:localhost|127\.0\.0\.1)(?::\d{1,5})?"
)
_METHODS: Final = b"GET, POST, PUT, PATCH, DELETE"
_ASKED_WITH: Final = (
    b"Authorization, Content-Type, DPoP, Idempotency-Key, Nerava-Acting-As, Traceparent, X-Request-Id"
)
_SHOWN: Final = (
    b"Idempotency-Replayed, RateLimit, RateLimit-Policy, Retry-After, WWW-Authenticate, X-Request-Id"
)
_KEPT_S: Final = b"600"


def origins_of(text: str | None) -> frozenset[str]:
    """Return the origins that a comma-separated list names: `https://app.example`; None is none.

    Raises:
        ValueError: One is a pattern, `null`, a whole address, or plain http beyond this machine.
    """
    origins = frozenset(one.strip() for one in (text or "").split(",") if one.strip())
    if not all(_ORIGIN.fullmatch(one) for one in origins):
        message = "an origin is https://host or https://host:port, exactly"
        raise ValueError(message)
    return origins


class Cors:
    """Tells browsers which other origins may read our answers; without one it says nothing at all."""

    def __init__(self, origins: Iterable[str] = ()) -> None:
        self._origins = frozenset(one.encode() for one in origins)

    def headers(self, scope: Scope) -> list[Header]:
        """Return what an answer to this request carries, refusals included."""
        if not self._origins or not scope["path"].startswith(API):
            return []
        origin = self._allowed(scope)
        # Caches must not give one origin what another was told.
        told: list[Header] = [(b"vary", b"Origin")]
        if origin is not None:
            told += [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", _SHOWN)]
        return told

    def preflight(self, scope: Scope) -> list[Header] | None:
        """Return the headers that answer a browser which asks beforehand; None for any other request."""
        asked = {name for name, _ in scope["headers"]}
        if scope["method"] != "OPTIONS" or b"access-control-request-method" not in asked:
            return None
        if not scope["path"].startswith(API) or self._allowed(scope) is None:
            return None
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ASKED_WITH),
            (b"access-control-max-age", _KEPT_S),
        ]

    def _allowed(self, scope: Scope) -> bytes | None:
        sent = [value for name, value in scope["headers"] if name == b"origin"]
        return sent[0] if len(sent) == 1 and sent[0] in self._origins else None
