"""What may be told of any request wherever it is told: words of ours, however its address is spelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import Scope

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "other"
"""A method that somebody invented."""

UNMATCHED: Final = "unmatched"
"""The route of a request to an address that there is not."""

QUIET: Final = frozenset({"/livez", "/healthz", "/readyz", "/metrics", "/version"})
"""What machines ask every few seconds: neither traced nor a line of the log."""


def method_of(scope: Scope) -> str:
    """Return the method of a request, or that it is none."""
    method: str = scope["method"]
    return method if method in METHODS else OTHER


def route_of(scope: Scope) -> str:
    """Return the template of the address, once the request was routed."""
    found: str = getattr(scope.get("route"), "path_format", UNMATCHED)
    return found
